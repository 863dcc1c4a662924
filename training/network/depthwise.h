// SPDX-License-Identifier: BSD-2-Clause
// The depthwise half of BSConv on a device: 3x3 with reflect padding, float32, maps (N, H, W, C)
// without gaps. Nothing is summed by atomics: every sum's order follows from the shape alone.
#pragma once

#include <algorithm>
#include <cstddef>

namespace mdrn::training {

struct DepthwiseShape {
    int pictures, height, width, channels;  // of the input; height and width at least 2
    int stride;                             // 1 or 2

    int out_height() const { return (height - 1) / stride + 1; }
    int out_width() const { return (width - 1) / stride + 1; }
    size_t inputs() const { return size_t(pictures) * height * width * channels; }
    size_t outputs() const { return size_t(pictures) * out_height() * out_width() * channels; }
    // How many sums backward_taps() leaves to be added up: one for 512 pixels, at most 1024.
    int parts() const { return int(std::clamp<size_t>(outputs() / channels / 512, 1, 1024)); }
};

// All pointers are into the device's memory. Work is enqueued, and read and written later. Throws
// mdrn::Error where it can't be.
class Depthwise {
public:
    virtual ~Depthwise() = default;

    // out = f(taps * u + bias + residual), f GELU or nothing; slope: its derivative. taps
    // (C, 3, 3); residual, where stride is 1, and slope may be null.
    virtual void forward(const DepthwiseShape &shape, const float *u, const float *taps,
                         const float *bias, const float *residual, bool gelu, float *out,
                         float *slope) const = 0;

    // From v, the gradient before the activation, u's.
    virtual void backward_input(const DepthwiseShape &shape, const float *v, const float *taps,
                                float *u_gradient) const = 0;

    // And the taps' and the bias's: sums (parts, C, 10), of each channel the nine taps and the
    // bias.
    virtual void backward_taps(const DepthwiseShape &shape, const float *v, const float *u,
                               float *sums) const = 0;
};

// The one for tensors on a CUDA device, on LibTorch's current stream; null where mdrn-train was
// built without nvcc or a LibTorch with CUDA.
const Depthwise *cuda_depthwise();

}  // namespace mdrn::training
