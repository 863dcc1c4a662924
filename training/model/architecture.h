// SPDX-License-Identifier: BSD-2-Clause
// What a network is made of: MDRN, MDRN-S and the paper's ablations (its Tables 1 to 4) as options
// of one declaration. No weights and no LibTorch in here.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace mdrn::training {

inline constexpr int kBlocks = 8;

enum class Spatial {
    none,
    esa,   // BSRN's: one branch, a plain 3x3 convolution of stride 2, max-pool 7x7, three BSConv
    mdsa,  // dispersion branches
};

enum class Channel {
    none,
    cca,     // z = x a, a from x
    lr_cca,  // CCA of dw(GELU(1x1 x)) + x
    ecca,    // dw(a y) + x, y = GELU(1x1 x), a from y
};

struct Architecture {
    std::string name = "mdrn";
    int features = 56;  // C; a multiple of 4, at least 16
    int scale = 4;      // s: 2, 3 or 4
    Spatial spatial = Spatial::mdsa;
    // MDSA's branches by index 0, 1, 2 (max-pools of 3x3, 5x5, 7x7), and what may be left out of
    // it.
    std::vector<int> branches = {0, 1, 2};
    bool variance = true;    // local variance, added to branch 2
    bool refinement = true;  // conv_f
    Channel channel = Channel::ecca;

    // MDRN itself, of any width: what libmdrn runs.
    bool is_whole() const {
        return spatial == Spatial::mdsa && branches.size() == 3 && variance && refinement &&
               channel == Channel::ecca;
    }
    int distilled() const { return features / 2; }   // D
    int dispersion() const { return features / 4; }  // f
    int squeezed() const { return features / 16; }   // inside CCA
};

// Throws std::runtime_error that lists the names there are, or the scales.
Architecture architecture(const std::string &name, int scale);
std::vector<std::string> architecture_names();

enum class Padding { none, zero, reflect };

// What a convolution's output covers of an H x W frame, a side at a time.
enum class Extent {
    frame,
    half,         // stride 2, padding 1: ceil(n / 2)
    half_inside,  // stride 2, no padding: floor((n - 3) / 2) + 1
    pooled_3,     // max-pool of half: 3x3, stride 3, padding 1
    pooled_5,     // 5x5, stride 3, no padding
    pooled_7,     // 7x7, stride 3, padding 1
    pooled_esa,   // max-pool of half_inside: 7x7, stride 3, no padding
    statistics,   // one number a channel
};

int64_t side(Extent extent, int64_t frame_side);

// weight: (out, in / groups, kernel, kernel); bias, where there is one: (out).
struct ConvLayer {
    std::string name;  // the published one, as "B1.c1_r.pw"
    int in, out, kernel = 1, stride = 1, groups = 1;
    bool bias = true;
    Padding padding = Padding::none;
    Extent extent = Extent::frame;  // of its output

    int64_t parameters() const;
    // For one H x W frame: output elements x taps, and output elements.
    int64_t multiply_adds(int64_t height, int64_t width) const;
    int64_t activations(int64_t height, int64_t width) const;
};

// Every convolution, in the network's order.
std::vector<ConvLayer> convolutions(const Architecture &architecture);

struct TensorShape {
    std::string name;
    std::vector<int64_t> shape;
};

// Every tensor under its published name, in the order of the convolutions.
std::vector<TensorShape> tensors(const Architecture &architecture);

int64_t parameters(const Architecture &architecture);

// The least height and width of a frame: reflect padding needs two rows of what it pads.
int smallest_side(const Architecture &architecture);

}  // namespace mdrn::training
