// SPDX-License-Identifier: BSD-2-Clause
// The channels of the network's maps, and the convolutions between them.
#pragma once

#include "cuda/convolution.h"
#include "frame.h"
#include "model.h"

namespace mdrn::cuda {

constexpr int round_up(int value, int multiple) {
    return (value + multiple - 1) / multiple * multiple;
}

// Channels of the maps that the network has beside those of C channels.
struct Channels {
    explicit Channels(const Model &model);
    int c, d, f, squeezed, scale;
    int stacked;    // [c{k}_r.pw ; c{k}_d]: C + D, rounded up for the kernels' vectors
    int distilled;  // [d_1 d_2 d_3 d_4 1 0 ... 0]: 4D + 8; the 1 is for c5's bias
    int dispersed;  // conv1: f, rounded up; the rest is 0
    int mixed;      // f as rows of conv_f and conv4 have it: rounded up to whole vectors
    int strided;    // conv2: 4f, rounded up to whole groups of kGroup
    int subpixels;  // upsampler: 3s², rounded up; the rest is 0
};
inline constexpr int kGroup = 8;  // channels that MDSA's disperse computes at a time

// The convolutions of a frame of one size, by the stage that has them.
struct Convolutions {
    // fused: only those that the fused path has.
    Convolutions(const Channels &channels, Size size, bool fp16, Cudnn *cudnn, bool fused);
    size_t workspace() const;
    bool planned() const;  // all of them

    Convolution fea_conv, pointwise, upsampler;
    Convolution stacked, c4, c5, conv1, gather;  // empty on the fused path
};

}  // namespace mdrn::cuda
