// SPDX-License-Identifier: BSD-2-Clause
#include "network/forward.h"

#include "network/layers.h"

namespace mdrn::training {
namespace {

constexpr double kMean[3] = {0.4488, 0.4371, 0.4040};

// Layers whose tensors are named below a prefix such as "B1.".
struct Layers {
    const Lookup &lookup;
    std::string prefix;

    const torch::Tensor &weight(const std::string &name) const {
        return lookup(prefix + name + ".weight");
    }
    const torch::Tensor &bias(const std::string &name) const {
        return lookup(prefix + name + ".bias");
    }
    torch::Tensor convolve(const std::string &name, const torch::Tensor &x, int stride = 1,
                           int padding = 1) const {
        return training::convolve(x, weight(name), bias(name), stride, padding);
    }
    torch::Tensor pointwise(const std::string &name, torch::TensorList x,
                            Activation activation = Activation::none) const {
        return training::pointwise(x, weight(name), bias(name), activation);
    }
    BSConvWeights bsconv(const std::string &name) const {
        return {weight(name + ".pw"), weight(name + ".dw"), bias(name + ".dw")};
    }
};

// Eq. 5-6: (N, C, H, W) -> (N, C, H, W).
torch::Tensor distill(const Layers &layers, const torch::Tensor &x) {
    std::vector<torch::Tensor> distilled;
    torch::Tensor r = x;
    for (const std::string i : {"1", "2", "3"}) {
        distilled.push_back(layers.pointwise("c" + i + "_d", r, Activation::gelu));
        r = bsconv(r, layers.bsconv("c" + i + "_r"), 1, /*residual=*/true, Activation::gelu);
    }
    distilled.push_back(bsconv(r, layers.bsconv("c4"), 1, false, Activation::gelu));
    return layers.pointwise("c5", distilled);
}

torch::Tensor upsample(const torch::Tensor &x, const torch::Tensor &like) {
    return torch::upsample_bilinear2d(x, {like.size(2), like.size(3)}, /*align_corners=*/false);
}

// x (1 + sigmoid(conv4 sum))
torch::Tensor gate(const Layers &layers, const torch::Tensor &x, const torch::Tensor &sum) {
    const torch::Tensor m = torch::sigmoid(layers.pointwise("conv4", sum));
    return torch::addcmul(x, x, m);
}

torch::Tensor esa(const Layers &layers, const torch::Tensor &x) {
    const torch::Tensor c = layers.pointwise("conv1", x);
    const torch::Tensor t = layers.convolve("conv2", c, /*stride=*/2, /*padding=*/0);
    torch::Tensor v = torch::max_pool2d(t, 7, 3);
    v = bsconv(v, layers.bsconv("conv_max"), 1, false, Activation::gelu);
    v = bsconv(v, layers.bsconv("conv3"), 1, false, Activation::gelu);
    v = bsconv(v, layers.bsconv("conv3_"));
    return gate(layers, x, upsample(v, x) + layers.pointwise("conv_f", c));
}

// Eq. 1-3.
torch::Tensor mdsa(const Architecture &architecture, const Layers &layers, const torch::Tensor &x) {
    const torch::Tensor c = layers.pointwise("conv1", x);
    torch::Tensor sum = architecture.refinement ? layers.pointwise("conv_f", c) : torch::Tensor();
    for (int i : architecture.branches) {
        const std::string branch = std::to_string(i);
        const torch::Tensor t = bsconv(c, layers.bsconv("conv2_" + branch), 2);
        torch::Tensor p = torch::max_pool2d(t, 3 + 2 * i, 3, i == 1 ? 0 : 1);
        if (i == 2 && architecture.variance)
            p = p + local_variance(bsconv(c, layers.bsconv("conv2_3"), 2));
        p = bsconv(p, layers.bsconv("conv_max_" + branch), 1, false, Activation::gelu);
        const torch::Tensor v = upsample(bsconv(p, layers.bsconv("conv3_" + branch)), x);
        sum = sum.defined() ? sum + v : v;
    }
    return gate(layers, x, sum);
}

// sigmoid(conv_du(mean + standard deviation)): (N, C, 1, 1)
torch::Tensor channel_weights(const Layers &layers, const torch::Tensor &y) {
    const torch::Tensor squeezed = torch::relu(layers.pointwise("2.conv_du.0", contrast(y)));
    return torch::sigmoid(layers.pointwise("2.conv_du.2", squeezed));
}

// Eq. 4 and 7, and the paper's steps towards it.
torch::Tensor channel_attention(Channel kind, const Layers &layers, const torch::Tensor &x) {
    if (kind == Channel::none) return x;
    if (kind == Channel::cca) return x * channel_weights(layers, x);
    torch::Tensor y = layers.pointwise("0", x, Activation::gelu);
    if (kind == Channel::ecca) return layers.convolve("3", y * channel_weights(layers, y)) + x;
    y = layers.convolve("3", y) + x;
    return y * channel_weights(layers, y);
}

torch::Tensor eadb(const Architecture &architecture, const Lookup &lookup,
                   const std::string &prefix, const torch::Tensor &x) {
    const Layers spatial{lookup, prefix + "esa.body.0."};
    torch::Tensor y = distill({lookup, prefix}, x);
    if (architecture.spatial == Spatial::esa) y = esa(spatial, y);
    if (architecture.spatial == Spatial::mdsa) y = mdsa(architecture, spatial, y);
    return channel_attention(architecture.channel, {lookup, prefix + "cca.body."}, y) + x;
}

}  // namespace

torch::Tensor colour_mean(const torch::TensorOptions &options) {
    const torch::Tensor mean = torch::empty({1, 3, 1, 1}, options);
    // Filled, not copied from the host: a CUDA graph may be under capture.
    for (int colour = 0; colour < 3; colour++) mean.select(1, colour).fill_(kMean[colour]);
    return mean;
}

torch::Tensor forward(const Architecture &architecture, const Lookup &lookup,
                      const torch::Tensor &x) {
    const Layers layers{lookup, ""};
    const torch::Tensor mean = colour_mean(x.options());
    const torch::Tensor head =
        layers.convolve("fea_conv", (x - mean).contiguous(torch::MemoryFormat::ChannelsLast));
    std::vector<torch::Tensor> blocks;
    for (int i = 1; i <= kBlocks; i++)
        blocks.push_back(eadb(architecture, lookup, "B" + std::to_string(i) + ".",
                              blocks.empty() ? head : blocks.back()));
    const torch::Tensor deep = layers.pointwise("c1", blocks, Activation::gelu);
    const torch::Tensor sum = bsconv(deep, layers.bsconv("c2")) + head;
    const torch::Tensor tail =
        layers.convolve("upsampler.upsampleOneStep.0", sum);  // (N, 3s², H, W)
    const auto s = static_cast<int64_t>(std::lround(std::sqrt(tail.size(1) / 3)));
    return torch::pixel_shuffle(tail, s) + mean;
}

}  // namespace mdrn::training
