// SPDX-License-Identifier: BSD-2-Clause
#include "reference/layers.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace mdrn::reference {

namespace {

bool inside(int i, int n) {
    return i >= 0 && i < n;
}

int reflected(int i, int n) {
    if (i < 0) return -i;
    return i < n ? i : 2 * n - 2 - i;
}

float bias_of(const Conv &conv, int channel) {
    return conv.bias.empty() ? 0.0F : conv.bias[channel];
}

}  // namespace

Tensor convolve(const Conv &conv, const Tensor &in, int k) {
    const int outputs = static_cast<int>(conv.weight.size()) / (in.c * k * k);
    Tensor out(outputs, in.h, in.w);
    for (int o = 0; o < outputs; ++o)
        for (int y = 0; y < in.h; ++y)
            for (int x = 0; x < in.w; ++x) {
                double sum = bias_of(conv, o);
                for (int i = 0; i < in.c; ++i)
                    for (int ky = 0; ky < k; ++ky)
                        for (int kx = 0; kx < k; ++kx) {
                            const int iy = y + ky - k / 2;
                            const int ix = x + kx - k / 2;
                            if (inside(iy, in.h) && inside(ix, in.w))
                                sum += double{conv.weight[((o * in.c + i) * k + ky) * k + kx]} *
                                       in.at(i, iy, ix);
                        }
                out.at(o, y, x) = static_cast<float>(sum);
            }
    return out;
}

Tensor depthwise(const Conv &conv, const Tensor &in, Padding padding, int stride) {
    Tensor out(in.c, (in.h - 1) / stride + 1, (in.w - 1) / stride + 1);
    for (int c = 0; c < in.c; ++c)
        for (int y = 0; y < out.h; ++y)
            for (int x = 0; x < out.w; ++x) {
                double sum = bias_of(conv, c);
                for (int ky = 0; ky < 3; ++ky)
                    for (int kx = 0; kx < 3; ++kx) {
                        const int iy = y * stride + ky - 1;
                        const int ix = x * stride + kx - 1;
                        const float tap = conv.weight[(c * 3 + ky) * 3 + kx];
                        if (padding == Padding::reflect)
                            sum += double{tap} * in.at(c, reflected(iy, in.h), reflected(ix, in.w));
                        else if (inside(iy, in.h) && inside(ix, in.w))
                            sum += double{tap} * in.at(c, iy, ix);
                    }
                out.at(c, y, x) = static_cast<float>(sum);
            }
    return out;
}

Tensor bsconv(const BSConv &conv, const Tensor &in, int stride) {
    return depthwise(conv.dw, convolve(conv.pw, in), Padding::reflect, stride);
}

Tensor gelu(Tensor in) {
    for (float &x : in.values) x = 0.5F * x * (1 + std::erf(x / std::sqrt(2.0F)));
    return in;
}

Tensor add(Tensor a, const Tensor &b) {
    for (size_t i = 0; i < a.values.size(); ++i) a.values[i] += b.values[i];
    return a;
}

Tensor concatenate(const std::vector<Tensor> &parts) {
    Tensor all(0, parts.front().h, parts.front().w);
    for (const Tensor &part : parts) {
        all.c += part.c;
        all.values.insert(all.values.end(), part.values.begin(), part.values.end());
    }
    return all;
}

Tensor max_pool(const Tensor &in, int window, int stride, int padding) {
    Tensor out(in.c, (in.h + 2 * padding - window) / stride + 1,
               (in.w + 2 * padding - window) / stride + 1);
    for (int c = 0; c < in.c; ++c)
        for (int y = 0; y < out.h; ++y)
            for (int x = 0; x < out.w; ++x) {
                float most = -std::numeric_limits<float>::infinity();
                for (int ky = 0; ky < window; ++ky)
                    for (int kx = 0; kx < window; ++kx) {
                        const int iy = y * stride + ky - padding;
                        const int ix = x * stride + kx - padding;
                        if (inside(iy, in.h) && inside(ix, in.w))
                            most = std::max(most, in.at(c, iy, ix));
                    }
                out.at(c, y, x) = most;
            }
    return out;
}

Tensor local_variance(const Tensor &in) {
    constexpr int kWindow = 7;
    constexpr int kSamples = kWindow * kWindow;
    Tensor out(in.c, (in.h + 2 - kWindow) / 3 + 1, (in.w + 2 - kWindow) / 3 + 1);
    for (int c = 0; c < in.c; ++c)
        for (int y = 0; y < out.h; ++y)
            for (int x = 0; x < out.w; ++x) {
                float samples[kSamples];
                for (int i = 0; i < kSamples; ++i)
                    samples[i] = in.at(c, reflected(3 * y - 1 + i / kWindow, in.h),
                                       reflected(3 * x - 1 + i % kWindow, in.w));
                double sum = 0;
                for (float sample : samples) sum += sample;
                const double mean = sum / kSamples;
                double squares = 0;
                for (float sample : samples) squares += (sample - mean) * (sample - mean);
                out.at(c, y, x) = static_cast<float>(squares / (kSamples - 1));
            }
    return out;
}

Tensor upsample(const Tensor &in, int height, int width) {
    Tensor out(in.c, height, width);
    for (int c = 0; c < in.c; ++c)
        for (int y = 0; y < height; ++y)
            for (int x = 0; x < width; ++x) {
                const float at_y =
                    std::max(0.0F, (static_cast<float>(y) + 0.5F) * in.h / height - 0.5F);
                const float at_x =
                    std::max(0.0F, (static_cast<float>(x) + 0.5F) * in.w / width - 0.5F);
                const int y0 = static_cast<int>(at_y);
                const int x0 = static_cast<int>(at_x);
                const int y1 = std::min(y0 + 1, in.h - 1);
                const int x1 = std::min(x0 + 1, in.w - 1);
                const float fy = at_y - static_cast<float>(y0);
                const float fx = at_x - static_cast<float>(x0);
                out.at(c, y, x) = (1 - fy) * ((1 - fx) * in.at(c, y0, x0) + fx * in.at(c, y0, x1)) +
                                  fy * ((1 - fx) * in.at(c, y1, x0) + fx * in.at(c, y1, x1));
            }
    return out;
}

float sigmoid(float x) {
    return 1 / (1 + std::exp(-x));
}

}  // namespace mdrn::reference
