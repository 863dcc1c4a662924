// SPDX-License-Identifier: BSD-2-Clause
#include "network/layers.h"

#include "network/device_bsconv.h"
#include "network/fused.h"

namespace mdrn::training {
namespace {

// LibTorch's own reflection_pad2d has a backward that is not deterministic on CUDA.
torch::Tensor reflect(const torch::Tensor &x, int64_t dim) {
    const int64_t n = x.size(dim);
    return torch::cat({x.narrow(dim, 1, 1), x, x.narrow(dim, n - 2, 1)}, dim);
}

torch::Tensor reflect(const torch::Tensor &x) {
    return reflect(reflect(x, 2), 3);
}

torch::Tensor activate(const torch::Tensor &x, Activation activation) {
    return activation == Activation::gelu ? torch::gelu(x) : x;
}

// The derivative of the standard deviation by an element: its distance from the mean / (n
// deviation).
struct Contrast : torch::autograd::Function<Contrast> {
    static torch::Tensor forward(torch::autograd::AutogradContext *context,
                                 const torch::Tensor &x) {
        const auto [variance, mean] =
            torch::var_mean(x, std::vector<int64_t>{2, 3}, /*unbiased=*/false, /*keepdim=*/true);
        const torch::Tensor deviation = variance.sqrt();
        context->save_for_backward({x, mean, deviation});
        return mean + deviation;
    }

    static torch::autograd::variable_list backward(torch::autograd::AutogradContext *context,
                                                   torch::autograd::variable_list gradients) {
        const auto saved = context->get_saved_variables();
        const torch::Tensor &x = saved[0], &mean = saved[1], &deviation = saved[2];
        const torch::Tensor each = gradients[0] / static_cast<double>(x.size(2) * x.size(3));
        const torch::Tensor slope =
            torch::where(deviation > 0, each / deviation, torch::zeros_like(each));
        return {torch::addcmul(each - mean * slope, x, slope)};
    }
};

}  // namespace

torch::Tensor convolve(const torch::Tensor &x, const torch::Tensor &weight,
                       const torch::Tensor &bias, int stride, int padding) {
    const int64_t groups = x.size(1) / weight.size(1);
    if (is_fused(x) && groups == x.size(1) && padding == 1)
        return fused_bsconv(x, {{}, weight, bias}, stride, Padding::zero, false, Activation::none);
    return torch::conv2d(x, weight, bias, stride, padding, 1, groups);
}

torch::Tensor pointwise(torch::TensorList x, const torch::Tensor &weight, const torch::Tensor &bias,
                        Activation activation) {
    if (is_fused(x[0])) return fused_pointwise(x, weight, bias, activation);
    return activate(torch::conv2d(x.size() > 1 ? torch::cat(x, 1) : x[0], weight, bias),
                    activation);
}

torch::Tensor bsconv(const torch::Tensor &x, const BSConvWeights &weights, int stride,
                     bool residual, Activation activation) {
    if (is_fused(x))
        return fused_bsconv(x, weights, stride, Padding::reflect, residual, activation);
    const Depthwise *depthwise = x.is_cuda() ? cuda_depthwise() : nullptr;
    if (depthwise && x.scalar_type() != torch::kDouble)
        return device_bsconv(*depthwise, x, weights, stride, residual, activation);
    const torch::Tensor u = torch::conv2d(x, weights.pw);
    constexpr int64_t padding = 0;
    torch::Tensor v =
        torch::conv2d(reflect(u), weights.dw, weights.bias, stride, padding, 1, u.size(1));
    if (residual) v = v + x;
    return activate(v, activation);
}

torch::Tensor local_variance(const torch::Tensor &x) {
    const torch::Tensor windows = reflect(x).unfold(2, 7, 3).unfold(3, 7, 3);  // (N, C, h, w, 7, 7)
    return windows.var(std::vector<int64_t>{4, 5}, /*unbiased=*/true);
}

torch::Tensor contrast(const torch::Tensor &x) {
    return Contrast::apply(x);
}

}  // namespace mdrn::training
