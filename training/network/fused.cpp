// SPDX-License-Identifier: BSD-2-Clause
#include "network/fused.h"

#include "network/maps.h"

namespace mdrn::training {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

// A weight (out, in, ...) for in -> out channels.
Matrix forwards(const torch::Tensor &weight, const float *bias = nullptr) {
    const auto out = static_cast<int>(weight.size(0)), in = static_cast<int>(weight.size(1));
    return {weight.data_ptr<float>(), in, out, 1, in, bias};
}

// Its columns first ... first + count, for out -> count channels.
Matrix backwards(const torch::Tensor &weight, int first, int count) {
    const auto out = static_cast<int>(weight.size(0)), in = static_cast<int>(weight.size(1));
    return {weight.data_ptr<float>() + first, out, count, in, 1};
}

// GELU's derivative beside an output, where a backward will want it.
Maps make_slope(const Maps &out, Activation activation, bool keep) {
    const bool wanted = keep && activation == Activation::gelu;
    return Maps::empty(wanted ? out.pictures() : 0, out.channels(), out.height(), out.width());
}

// The gradient before the activation, which is `scratch` where there was one.
Map before_activation(const Maps &g, const Maps &slope, int i, std::vector<float> &scratch,
                      float *bias_gradient) {
    const bool active = slope.pictures() > 0;
    scratch.resize(active ? g.pixels() * g.channels() : 0);
    kernels().scale(g[i], active ? slope.data(i) : nullptr, g.pixels(), scratch.data(),
                    bias_gradient);
    return active ? Map{scratch.data(), g.channels(), g.channels()} : g[i];
}

struct Pointwise : torch::autograd::Function<Pointwise> {
    // tensors: x ..., weight, bias. keep: for a backward.
    static torch::Tensor forward(AutogradContext *context, torch::TensorList tensors,
                                 Activation activation, bool keep) {
        const torch::TensorList parts = tensors.slice(0, tensors.size() - 2);
        const torch::Tensor weight = tensors[parts.size()].contiguous();
        const torch::Tensor bias = tensors[parts.size() + 1].contiguous();
        const std::vector<Maps> x(parts.begin(), parts.end());
        const Matrix w = forwards(weight, bias.data_ptr<float>());
        const Maps out = Maps::empty(x[0].pictures(), w.columns, x[0].height(), x[0].width());
        const Maps slope = make_slope(out, activation, keep);
        for_pictures(out.pictures(), [&](int i) {
            std::vector<Map> side_by_side;
            for (const Maps &part : x) side_by_side.push_back(part[i]);
            kernels().multiply(side_by_side, w, out.pixels(), activation, /*add=*/false,
                               out.data(i), slope.pictures() ? slope.data(i) : nullptr);
        });
        variable_list saved = parts.vec();
        saved.insert(saved.end(), {weight, slope.tensor()});
        context->save_for_backward(saved);
        return out.tensor();
    }

    static variable_list backward(AutogradContext *context, variable_list gradients) {
        const variable_list saved = context->get_saved_variables();
        const std::vector<Maps> x(saved.begin(), saved.end() - 2);
        const torch::Tensor &weight = saved.end()[-2];
        const Maps g(gradients[0]), slope(saved.back());
        const int in = static_cast<int>(weight.size(1));

        std::vector<Matrix> w;
        std::vector<Maps> x_gradients;
        int first = 0;
        for (const Maps &part : x) {
            w.push_back(backwards(weight, first, part.channels()));
            x_gradients.push_back(
                Maps::empty(g.pictures(), part.channels(), g.height(), g.width()));
            first += part.channels();
        }
        const Partial w_gradient(g.pictures(), weight.numel());
        const Partial b_gradient(g.pictures(), g.channels());
        for_pictures(g.pictures(), [&](int i) {
            std::vector<float> scratch;
            const Map v = before_activation(g, slope, i, scratch, b_gradient[i]);
            float *column = w_gradient[i];
            for (size_t part = 0; part < x.size(); column += x[part++].channels()) {
                kernels().outer(v, x[part][i], g.pixels(), column, in);
                kernels().multiply({&v, 1}, w[part], g.pixels(), Activation::none, /*add=*/false,
                                   x_gradients[part].data(i), nullptr);
            }
        });
        variable_list all;
        for (const Maps &gradient : x_gradients) all.push_back(gradient.tensor());
        all.insert(all.end(), {w_gradient.sum(weight.sizes()), b_gradient.sum({g.channels()})});
        all.resize(all.size() + 2);  // activation and keep have none
        return all;
    }
};

struct DepthwiseOptions {
    int stride;
    Padding padding;
    bool residual;
    Activation activation;
};

struct BSConv : torch::autograd::Function<BSConv> {
    // tensors: x, dw, bias and, unless it is the depthwise alone, pw. keep: for a backward.
    static torch::Tensor forward(AutogradContext *context, torch::TensorList tensors,
                                 const DepthwiseOptions &options, bool keep) {
        const Maps x(tensors[0], Maps::Pitch::dense);
        const torch::Tensor dw = tensors[1].contiguous(), bias = tensors[2].contiguous();
        const bool pointwise = tensors.size() > 3;
        const torch::Tensor pw = pointwise ? tensors[3].contiguous() : torch::Tensor();
        const int channels = static_cast<int>(dw.size(0));
        const auto strided = [&](int n) { return (n - 1) / options.stride + 1; };
        const Maps u = pointwise ? Maps::empty(x.pictures(), channels, x.height(), x.width()) : x;
        const Maps out =
            Maps::empty(x.pictures(), channels, strided(x.height()), strided(x.width()));
        const Maps slope = make_slope(out, options.activation, keep);
        const Matrix w = pointwise ? forwards(pw) : Matrix(nullptr, 0, 0, 0, 0);
        for_pictures(x.pictures(), [&](int i) {
            const Map from = x[i];
            if (pointwise)
                kernels().multiply({&from, 1}, w, x.pixels(), Activation::none, /*add=*/false,
                                   u.data(i), nullptr);
            kernels().depthwise(u.data(i), dw.data_ptr<float>(), bias.data_ptr<float>(),
                                options.residual ? x.data(i) : nullptr, x.height(), x.width(),
                                channels, options.stride, options.padding, options.activation,
                                out.data(i), slope.pictures() ? slope.data(i) : nullptr);
        });
        context->saved_data["stride"] = options.stride;
        context->saved_data["reflect"] = options.padding == Padding::reflect;
        context->saved_data["residual"] = options.residual;
        context->save_for_backward({x.tensor(), u.tensor(), slope.tensor(), dw, pw});
        return out.tensor();
    }

    static variable_list backward(AutogradContext *context, variable_list gradients) {
        const variable_list saved = context->get_saved_variables();
        const Maps x(saved[0]), u(saved[1]), slope(saved[2]), g(gradients[0], Maps::Pitch::dense);
        const torch::Tensor &dw = saved[3], &pw = saved[4];
        const int stride = static_cast<int>(context->saved_data["stride"].toInt());
        const Padding padding =
            context->saved_data["reflect"].toBool() ? Padding::reflect : Padding::zero;
        const bool residual = context->saved_data["residual"].toBool();
        const bool pointwise = pw.defined();

        const Maps x_gradient = Maps::empty(x.pictures(), x.channels(), x.height(), x.width());
        const Partial dw_gradient(x.pictures(), dw.numel());
        const Partial b_gradient(x.pictures(), g.channels());
        const Partial pw_gradient(x.pictures(), pointwise ? pw.numel() : 0);
        const Matrix w = pointwise ? backwards(pw, 0, x.channels()) : Matrix(nullptr, 0, 0, 0, 0);
        for_pictures(x.pictures(), [&](int i) {
            std::vector<float> scratch, u_scratch(pointwise ? x.pixels() * u.channels() : 0);
            const Map v = before_activation(g, slope, i, scratch, b_gradient[i]);
            float *u_gradient = pointwise ? u_scratch.data() : x_gradient.data(i);
            kernels().depthwise_backward(v.data, u.data(i), dw.data_ptr<float>(), x.height(),
                                         x.width(), u.channels(), stride, padding, u_gradient,
                                         dw_gradient[i]);
            const Map du{u_gradient, u.channels(), u.channels()};
            if (residual) std::copy_n(v.data, x.pixels() * x.channels(), x_gradient.data(i));
            if (!pointwise) return;
            kernels().outer(du, x[i], x.pixels(), pw_gradient[i], x.channels());
            kernels().multiply({&du, 1}, w, x.pixels(), Activation::none, /*add=*/residual,
                               x_gradient.data(i), nullptr);
        });
        variable_list all{x_gradient.tensor(), dw_gradient.sum(dw.sizes()),
                          b_gradient.sum({g.channels()})};
        if (pointwise) all.push_back(pw_gradient.sum(pw.sizes()));
        all.resize(all.size() + 2);  // options and keep have none
        return all;
    }
};

torch::Tensor as_float(const torch::Tensor &tensor) {
    return tensor.to(torch::kFloat);
}

}  // namespace

bool is_fused(const torch::Tensor &x) {
    return x.device().is_cpu() && x.scalar_type() != torch::kDouble;
}

torch::Tensor fused_pointwise(torch::TensorList x, const torch::Tensor &weight,
                              const torch::Tensor &bias, Activation activation) {
    variable_list tensors;
    for (const torch::Tensor &part : x) tensors.push_back(as_float(part));
    tensors.insert(tensors.end(), {weight, bias});
    return Pointwise::apply(torch::TensorList(tensors), activation, torch::GradMode::is_enabled());
}

torch::Tensor fused_bsconv(const torch::Tensor &x, const BSConvWeights &weights, int stride,
                           Padding padding, bool residual, Activation activation) {
    variable_list tensors{as_float(x), weights.dw, weights.bias};
    if (weights.pw.defined()) tensors.push_back(weights.pw);
    return BSConv::apply(torch::TensorList(tensors),
                         DepthwiseOptions{stride, padding, residual, activation},
                         torch::GradMode::is_enabled());
}

}  // namespace mdrn::training
