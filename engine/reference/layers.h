// SPDX-License-Identifier: BSD-2-Clause
// The layers of the network in plain loops: maps of float32, sums in double.
#pragma once

#include <vector>

#include "model.h"

namespace mdrn::reference {

struct Tensor {
    Tensor() = default;
    Tensor(int channels, int height, int width)
        : c(channels), h(height), w(width), values(static_cast<size_t>(c) * h * w) {}

    float &at(int channel, int y, int x) { return values[index(channel, y, x)]; }
    float at(int channel, int y, int x) const { return values[index(channel, y, x)]; }
    size_t index(int channel, int y, int x) const {
        return (static_cast<size_t>(channel) * h + y) * w + x;
    }

    int c = 0, h = 0, w = 0;
    std::vector<float> values;  // (c, h, w)
};

enum class Padding { zero, reflect };

// k x k convolution with padding k / 2; outputs and k follow from the weight's size.
Tensor convolve(const Conv &conv, const Tensor &in, int k = 1);
Tensor depthwise(const Conv &conv, const Tensor &in, Padding padding, int stride = 1);
Tensor bsconv(const BSConv &conv, const Tensor &in, int stride = 1);

Tensor gelu(Tensor in);
Tensor add(Tensor a, const Tensor &b);
Tensor concatenate(const std::vector<Tensor> &parts);

// Samples beyond the border never win.
Tensor max_pool(const Tensor &in, int window, int stride, int padding);
// Unbiased variance of 7x7 windows with stride 3, on the map reflect-padded by 1.
Tensor local_variance(const Tensor &in);
// Bilinear, half-pixel centres.
Tensor upsample(const Tensor &in, int height, int width);

float sigmoid(float x);

}  // namespace mdrn::reference
