// SPDX-License-Identifier: BSD-2-Clause
#include "network/device_bsconv.h"

namespace mdrn::training {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

// (N, C, H, W), any strides -> (N, H, W, C) without gaps, and back as a view with channels last.
torch::Tensor to_maps(const torch::Tensor &x) {
    return x.permute({0, 2, 3, 1}).contiguous();
}
torch::Tensor from_maps(const torch::Tensor &maps) {
    return maps.permute({0, 3, 1, 2});
}

torch::Tensor empty_maps(const torch::Tensor &like, const DepthwiseShape &shape) {
    return torch::empty({shape.pictures, shape.out_height(), shape.out_width(), shape.channels},
                        like.options());
}

// What autocast converts, it leaves so.
torch::Tensor product(const torch::Tensor &a, const torch::Tensor &b) {
    return torch::matmul(a, b).to(torch::kFloat);
}

DepthwiseShape shape_of(const torch::Tensor &u, int stride) {
    return {int(u.size(0)), int(u.size(1)), int(u.size(2)), int(u.size(3)), stride};
}

struct DeviceBSConv : torch::autograd::Function<DeviceBSConv> {
    // pw as a matrix (out, in). keep: for a backward.
    static torch::Tensor forward(AutogradContext *context, const torch::Tensor &x,
                                 const torch::Tensor &pw, const torch::Tensor &dw,
                                 const torch::Tensor &bias, const Depthwise *depthwise,
                                 int64_t stride, bool residual, bool gelu, bool keep) {
        const torch::Tensor maps = to_maps(x), taps = dw.contiguous();
        const torch::Tensor u = product(maps, pw.t());
        const DepthwiseShape shape = shape_of(u, int(stride));
        const torch::Tensor out = empty_maps(u, shape);
        const torch::Tensor slope = gelu && keep ? torch::empty_like(out) : torch::Tensor();
        depthwise->forward(shape, u.data_ptr<float>(), taps.data_ptr<float>(),
                           bias.contiguous().data_ptr<float>(),
                           residual ? maps.data_ptr<float>() : nullptr, gelu, out.data_ptr<float>(),
                           slope.defined() ? slope.data_ptr<float>() : nullptr);
        context->saved_data["depthwise"] = reinterpret_cast<int64_t>(depthwise);
        context->saved_data["stride"] = stride;
        context->saved_data["residual"] = residual;
        context->saved_data["bf16"] = Bf16::is_on(x.device().type());
        context->save_for_backward({maps, u, slope, pw, taps});
        return from_maps(out);
    }

    static variable_list backward(AutogradContext *context, variable_list gradients) {
        const variable_list saved = context->get_saved_variables();
        const torch::Tensor &maps = saved[0], &u = saved[1], &slope = saved[2];
        const torch::Tensor &pw = saved[3], &taps = saved[4];
        const auto *depthwise =
            reinterpret_cast<const Depthwise *>(context->saved_data["depthwise"].toInt());
        const DepthwiseShape shape = shape_of(u, int(context->saved_data["stride"].toInt()));
        const Bf16 guard(u.device().type(), context->saved_data["bf16"].toBool());

        torch::Tensor v = to_maps(gradients[0]);
        if (slope.defined()) v = v * slope;
        const torch::Tensor u_gradient = torch::empty_like(u);
        const torch::Tensor sums = torch::empty({shape.parts(), shape.channels, 10}, u.options());
        depthwise->backward_input(shape, v.data_ptr<float>(), taps.data_ptr<float>(),
                                  u_gradient.data_ptr<float>());
        depthwise->backward_taps(shape, v.data_ptr<float>(), u.data_ptr<float>(),
                                 sums.data_ptr<float>());
        const torch::Tensor sum = sums.sum(0);

        torch::Tensor x_gradient = product(u_gradient, pw);
        if (context->saved_data["residual"].toBool()) x_gradient = x_gradient + v;
        const torch::Tensor pw_gradient = product(u_gradient.flatten(0, 2).t(), maps.flatten(0, 2));
        variable_list all{from_maps(x_gradient), pw_gradient,
                          sum.narrow(1, 0, 9).reshape(taps.sizes()), sum.select(1, 9)};
        all.resize(all.size() + 5);  // all else has none
        return all;
    }
};

}  // namespace

torch::Tensor device_bsconv(const Depthwise &depthwise, const torch::Tensor &x,
                            const BSConvWeights &weights, int stride, bool residual,
                            Activation activation) {
    return DeviceBSConv::apply(x.to(torch::kFloat), weights.pw.flatten(1), weights.dw, weights.bias,
                               &depthwise, stride, residual, activation == Activation::gelu,
                               torch::GradMode::is_enabled());
}

}  // namespace mdrn::training
