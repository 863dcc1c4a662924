// SPDX-License-Identifier: BSD-2-Clause
#include "network/layers.h"

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
    const torch::Tensor mean = x.mean({2, 3}, /*keepdim=*/true);
    const torch::Tensor variance = (x - mean).square().mean({2, 3}, /*keepdim=*/true);
    const torch::Tensor varies = variance > 0;
    // Not sqrt(0), whose infinite gradient would be multiplied by 0.
    const torch::Tensor deviation =
        torch::where(varies, variance, torch::ones_like(variance)).sqrt();
    return mean + torch::where(varies, deviation, torch::zeros_like(variance));
}

}  // namespace mdrn::training
