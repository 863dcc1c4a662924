// SPDX-License-Identifier: BSD-2-Clause
#include "model/architecture.h"

#include <algorithm>
#include <stdexcept>

namespace mdrn::training {
namespace {

// The paper's tables; what a row doesn't say is MDRN's.
std::vector<Architecture> declared() {
    return {
        {.name = "mdrn"},
        {.name = "mdrn-s", .features = 28},
        {.name = "mdrn-no-spatial", .spatial = Spatial::none},
        {.name = "mdrn-esa", .spatial = Spatial::esa},
        {.name = "mdrn-d7", .branches = {2}, .variance = false},
        {.name = "mdrn-d7-d5", .branches = {1, 2}, .variance = false},
        {.name = "mdrn-d7-d5-d3", .variance = false},
        {.name = "mdrn-no-channel", .channel = Channel::none},
        {.name = "mdrn-cca", .channel = Channel::cca},
        {.name = "mdrn-lr-cca", .channel = Channel::lr_cca},
        {.name = "mdrn-no-dispersion", .branches = {}, .variance = false},
        {.name = "mdrn-no-refinement", .refinement = false},
        {.name = "mdrn-esa-cca", .spatial = Spatial::esa, .channel = Channel::cca},
    };
}

// Collects the convolutions below a prefix such as "B1.".
struct Layers {
    std::vector<ConvLayer> &all;
    std::string prefix;

    void add(ConvLayer layer) const {
        layer.name = prefix + layer.name;
        all.push_back(layer);
    }
    void pointwise(const std::string &name, int in, int out, Extent extent = Extent::frame) const {
        add({.name = name, .in = in, .out = out, .extent = extent});
    }
    // from, to: what its input and its output cover.
    void bsconv(const std::string &name, int in, int out, Extent from = Extent::frame,
                Extent to = Extent::frame) const {
        add({.name = name + ".pw", .in = in, .out = out, .bias = false, .extent = from});
        add({.name = name + ".dw",
             .in = out,
             .out = out,
             .kernel = 3,
             .stride = from == to ? 1 : 2,
             .groups = out,
             .padding = Padding::reflect,
             .extent = to});
    }
};

constexpr Extent kPooled[3] = {Extent::pooled_3, Extent::pooled_5, Extent::pooled_7};

void add_distillation(const Layers &layers, int C, int D) {
    for (const std::string i : {"1", "2", "3"}) {
        layers.pointwise("c" + i + "_d", C, D);
        layers.bsconv("c" + i + "_r", C, C);
    }
    layers.bsconv("c4", C, D);
    layers.pointwise("c5", 4 * D, C);
}

void add_esa(const Layers &layers, int f) {
    layers.add({.name = "conv2",
                .in = f,
                .out = f,
                .kernel = 3,
                .stride = 2,
                .extent = Extent::half_inside});
    for (const std::string name : {"conv_max", "conv3", "conv3_"})
        layers.bsconv(name, f, f, Extent::pooled_esa, Extent::pooled_esa);
}

void add_branches(const Layers &layers, const Architecture &architecture, int f) {
    for (int i : architecture.branches)
        layers.bsconv("conv2_" + std::to_string(i), f, f, Extent::frame, Extent::half);
    if (architecture.variance) layers.bsconv("conv2_3", f, f, Extent::frame, Extent::half);
    for (const std::string name : {"conv_max_", "conv3_"})
        for (int i : architecture.branches)
            layers.bsconv(name + std::to_string(i), f, f, kPooled[i], kPooled[i]);
}

void add_spatial(const Layers &layers, const Architecture &architecture) {
    const int C = architecture.features, f = architecture.dispersion();
    if (architecture.spatial == Spatial::none) return;
    layers.pointwise("conv1", C, f);
    if (architecture.refinement) layers.pointwise("conv_f", f, f);
    if (architecture.spatial == Spatial::esa)
        add_esa(layers, f);
    else
        add_branches(layers, architecture, f);
    layers.pointwise("conv4", f, C);
}

void add_channel(const Layers &layers, const Architecture &architecture) {
    const int C = architecture.features, squeezed = architecture.squeezed();
    if (architecture.channel == Channel::none) return;
    const bool local = architecture.channel != Channel::cca;
    if (local) layers.pointwise("0", C, C);
    layers.pointwise("2.conv_du.0", C, squeezed, Extent::statistics);
    layers.pointwise("2.conv_du.2", squeezed, C, Extent::statistics);
    if (local)
        layers.add(
            {.name = "3", .in = C, .out = C, .kernel = 3, .groups = C, .padding = Padding::zero});
}

}  // namespace

Architecture architecture(const std::string &name, int scale) {
    if (scale < 2 || scale > 4)
        throw std::runtime_error("scale: expected 2, 3 or 4, found " + std::to_string(scale));
    std::string names;
    for (Architecture &known : declared()) {
        if (known.name == name) {
            known.scale = scale;
            return known;
        }
        names += (names.empty() ? "" : ", ") + known.name;
    }
    throw std::runtime_error("network \"" + name + "\": there is none of that name; there are " +
                             names);
}

std::vector<std::string> architecture_names() {
    std::vector<std::string> names;
    for (const Architecture &known : declared()) names.push_back(known.name);
    return names;
}

int64_t side(Extent extent, int64_t n) {
    const auto windows = [](int64_t padded, int window, int stride) {
        return padded < window ? 0 : (padded - window) / stride + 1;
    };
    switch (extent) {
        case Extent::frame:
            return n;
        case Extent::half:
            return windows(n + 2, 3, 2);
        case Extent::half_inside:
            return windows(n, 3, 2);
        case Extent::pooled_3:
            return windows(side(Extent::half, n) + 2, 3, 3);
        case Extent::pooled_5:
            return windows(side(Extent::half, n), 5, 3);
        case Extent::pooled_7:
            return windows(side(Extent::half, n) + 2, 7, 3);
        case Extent::pooled_esa:
            return windows(side(Extent::half_inside, n), 7, 3);
        case Extent::statistics:
            return 1;
    }
    return 0;
}

int64_t ConvLayer::parameters() const {
    return int64_t{out} * (in / groups) * kernel * kernel + (bias ? out : 0);
}

int64_t ConvLayer::activations(int64_t height, int64_t width) const {
    return out * side(extent, height) * side(extent, width);
}

int64_t ConvLayer::multiply_adds(int64_t height, int64_t width) const {
    return activations(height, width) * (in / groups) * kernel * kernel;
}

std::vector<ConvLayer> convolutions(const Architecture &architecture) {
    const int C = architecture.features, s = architecture.scale;
    std::vector<ConvLayer> all;
    const Layers layers{all, ""};
    layers.add({.name = "fea_conv", .in = 3, .out = C, .kernel = 3, .padding = Padding::zero});
    for (int block = 1; block <= kBlocks; block++) {
        const std::string prefix = "B" + std::to_string(block) + ".";
        add_distillation({all, prefix}, C, architecture.distilled());
        add_spatial({all, prefix + "esa.body.0."}, architecture);
        add_channel({all, prefix + "cca.body."}, architecture);
    }
    layers.pointwise("c1", kBlocks * C, C);
    layers.bsconv("c2", C, C);
    layers.add({.name = "upsampler.upsampleOneStep.0",
                .in = C,
                .out = 3 * s * s,
                .kernel = 3,
                .padding = Padding::zero});
    return all;
}

std::vector<TensorShape> tensors(const Architecture &architecture) {
    std::vector<TensorShape> all;
    for (const ConvLayer &layer : convolutions(architecture)) {
        all.push_back({layer.name + ".weight",
                       {layer.out, layer.in / layer.groups, layer.kernel, layer.kernel}});
        if (layer.bias) all.push_back({layer.name + ".bias", {layer.out}});
    }
    return all;
}

int64_t parameters(const Architecture &architecture) {
    int64_t total = 0;
    for (const ConvLayer &layer : convolutions(architecture)) total += layer.parameters();
    return total;
}

int smallest_side(const Architecture &architecture) {
    const std::vector<ConvLayer> layers = convolutions(architecture);
    const auto fits = [&](int n) {
        return std::all_of(layers.begin(), layers.end(), [&](const ConvLayer &layer) {
            return layer.padding != Padding::reflect || side(layer.extent, n) >= 2;
        });
    };
    int n = 1;
    while (!fits(n)) n++;
    return n;
}

}  // namespace mdrn::training
