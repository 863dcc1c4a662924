// SPDX-License-Identifier: BSD-2-Clause
// The network in float64 throughout, written apart from every backend: with it, goldens can be had
// for frames and weights that are in no file. The formulas are at engine/stages.h.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <numbers>
#include <vector>

#include "model.h"
#include "stages.h"

namespace mdrn::float64 {

struct Tensor {
    Tensor() = default;
    Tensor(int c_, int h_, int w_, double value = 0)
        : c(c_), h(h_), w(w_), data(static_cast<size_t>(c_) * h_ * w_, value) {}

    double *row(int channel, int y) {
        return data.data() + (static_cast<size_t>(channel) * h + y) * w;
    }
    const double *row(int channel, int y) const {
        return data.data() + (static_cast<size_t>(channel) * h + y) * w;
    }

    int c = 0, h = 0, w = 0;
    std::vector<double> data;
};

inline void add(Tensor &x, const Tensor &y) {
    for (size_t i = 0; i < x.data.size(); ++i) x.data[i] += y.data[i];
}

inline Tensor sum(Tensor x, const Tensor &y) {
    add(x, y);
    return x;
}

inline double sigmoid(double x) {
    return 1 / (1 + std::exp(-x));
}

inline Tensor gelu(Tensor x) {
    constexpr double kHalfRoot = std::numbers::sqrt2 / 2;
    // erfc keeps the digits that 1 + erf loses to the left of zero.
    for (double &v : x.data) v = v / 2 * std::erfc(-v * kHalfRoot);
    return x;
}

// One value for every output channel; zeros where the layer has no bias.
inline Tensor filled(int channels, int h, int w, const std::vector<float> &bias) {
    Tensor out(channels, h, w);
    for (int o = 0; o < channels && !bias.empty(); ++o)
        std::fill_n(out.row(o, 0), static_cast<size_t>(h) * w, bias[o]);
    return out;
}

// out += the columns [first, first + in.c) of a weight (out.c, columns) times in.
inline void accumulate1x1(Tensor &out, const Tensor &in, const std::vector<float> &weight,
                          int columns, int first = 0) {
    std::vector<double> line(in.w);
    for (int o = 0; o < out.c; ++o)
        for (int y = 0; y < out.h; ++y) {
            double *to = out.row(o, y);
            std::copy_n(to, out.w, line.begin());
            for (int i = 0; i < in.c; ++i) {
                const double a = weight[static_cast<size_t>(o) * columns + first + i];
                const double *from = in.row(i, y);
                for (int x = 0; x < out.w; ++x) line[x] += a * from[x];
            }
            std::copy(line.begin(), line.end(), to);
        }
}

inline Tensor conv1x1(const Tensor &in, const Conv &conv) {
    const int outputs = static_cast<int>(conv.weight.size()) / in.c;
    Tensor out = filled(outputs, in.h, in.w, conv.bias);
    accumulate1x1(out, in, conv.weight, in.c);
    return out;
}

enum class Padding { zero, reflect };

// One pixel more on every side.
inline Tensor padded(const Tensor &in, Padding padding) {
    Tensor out(in.c, in.h + 2, in.w + 2);
    const auto source = [](int i, int n) { return i < 0 ? 1 : i == n ? n - 2 : i; };
    for (int c = 0; c < in.c; ++c)
        for (int y = -1; y <= in.h; ++y)
            for (int x = -1; x <= in.w; ++x) {
                const bool inside = y >= 0 && y < in.h && x >= 0 && x < in.w;
                if (inside || padding == Padding::reflect)
                    out.row(c, y + 1)[x + 1] = in.row(c, source(y, in.h))[source(x, in.w)];
            }
    return out;
}

// Adds the channels [first, last) of a padded map, through nine taps each, to one channel of out.
inline void accumulate3x3(Tensor &out, int o, const Tensor &in, int first, int last,
                          const float *taps, int stride) {
    std::vector<double> line(out.w);
    for (int y = 0; y < out.h; ++y) {
        double *to = out.row(o, y);
        std::copy_n(to, out.w, line.begin());
        for (int i = first; i < last; ++i)
            for (int k = 0; k < 9; ++k) {
                const double a = taps[9 * (i - first) + k];
                const double *from = in.row(i, stride * y + k / 3) + k % 3;
                for (int x = 0; x < out.w; ++x) line[x] += a * from[stride * x];
            }
        std::copy(line.begin(), line.end(), to);
    }
}

inline Tensor conv3x3(const Tensor &in, const Conv &conv) {
    const int outputs = static_cast<int>(conv.weight.size()) / (9 * in.c);
    const Tensor source = padded(in, Padding::zero);
    Tensor out = filled(outputs, in.h, in.w, conv.bias);
    for (int o = 0; o < outputs; ++o)
        accumulate3x3(out, o, source, 0, in.c, conv.weight.data() + 9 * in.c * o, 1);
    return out;
}

inline Tensor depthwise3x3(const Tensor &in, const Conv &conv, Padding padding, int stride = 1) {
    const Tensor source = padded(in, padding);
    Tensor out = filled(in.c, (in.h - 1) / stride + 1, (in.w - 1) / stride + 1, conv.bias);
    for (int c = 0; c < in.c; ++c)
        accumulate3x3(out, c, source, c, c + 1, conv.weight.data() + 9 * c, stride);
    return out;
}

inline Tensor bsconv(const Tensor &in, const BSConv &conv, int stride = 1) {
    return depthwise3x3(conv1x1(in, conv.pw), conv.dw, Padding::reflect, stride);
}

// How many windows fit, three pixels apart.
inline int pooled(int n, int window, int padding) {
    return (n + 2 * padding - window) / 3 + 1;
}

inline Tensor max_pool(const Tensor &in, int window, int padding) {
    Tensor out(in.c, pooled(in.h, window, padding), pooled(in.w, window, padding),
               -std::numeric_limits<double>::infinity());
    for (int c = 0; c < in.c; ++c)
        for (int y = 0; y < out.h; ++y)
            for (int x = 0; x < out.w; ++x) {
                const int y0 = 3 * y - padding, x0 = 3 * x - padding;
                double &most = out.row(c, y)[x];
                for (int v = std::max(y0, 0); v < std::min(y0 + window, in.h); ++v)
                    for (int u = std::max(x0, 0); u < std::min(x0 + window, in.w); ++u)
                        most = std::max(most, in.row(c, v)[u]);
            }
    return out;
}

// Unbiased, in 7x7 windows three pixels apart, on the map reflected by one pixel.
inline Tensor local_variance(const Tensor &in) {
    const Tensor source = padded(in, Padding::reflect);
    Tensor out(in.c, pooled(in.h, 7, 1), pooled(in.w, 7, 1));
    for (int c = 0; c < in.c; ++c)
        for (int y = 0; y < out.h; ++y)
            for (int x = 0; x < out.w; ++x) {
                double mean = 0, squares = 0;
                for (int v = 0; v < 7; ++v)
                    for (int u = 0; u < 7; ++u) mean += source.row(c, 3 * y + v)[3 * x + u];
                mean /= 49;
                for (int v = 0; v < 7; ++v)
                    for (int u = 0; u < 7; ++u) {
                        const double d = source.row(c, 3 * y + v)[3 * x + u] - mean;
                        squares += d * d;
                    }
                out.row(c, y)[x] = squares / 48;
            }
    return out;
}

// Where a pixel of the larger axis lies between two of the smaller, by half-pixel centres.
struct Between {
    Between(int i, int from, int to) {
        const double at = std::max((i + 0.5) * from / to - 0.5, 0.0);
        first = std::min(static_cast<int>(at), from - 1);
        second = std::min(first + 1, from - 1);
        weight = at - first;
    }
    int first, second;
    double weight;  // of the second
};

inline Tensor upsampled(const Tensor &in, int h, int w) {
    Tensor out(in.c, h, w);
    for (int y = 0; y < h; ++y) {
        const Between v(y, in.h, h);
        for (int x = 0; x < w; ++x) {
            const Between u(x, in.w, w);
            for (int c = 0; c < in.c; ++c) {
                const double *a = in.row(c, v.first), *b = in.row(c, v.second);
                const double above = a[u.first] + (a[u.second] - a[u.first]) * u.weight;
                const double below = b[u.first] + (b[u.second] - b[u.first]) * u.weight;
                out.row(c, y)[x] = above + (below - above) * v.weight;
            }
        }
    }
    return out;
}

inline Tensor head(const Model &model, const Tensor &rgb) {
    Tensor shifted = rgb;  // (3, H, W)
    const size_t pixels = static_cast<size_t>(rgb.h) * rgb.w;
    for (int c = 0; c < 3; ++c)
        for (size_t p = 0; p < pixels; ++p) shifted.row(c, 0)[p] -= kMean[c];
    return conv3x3(shifted, model.fea_conv);  // (C, H, W)
}

inline Tensor distill(const Eadb &block, const Tensor &x) {
    const int distilled = x.c / 2;
    const Conv *d[3] = {&block.c1_d, &block.c2_d, &block.c3_d};
    const BSConv *refine[3] = {&block.c1_r, &block.c2_r, &block.c3_r};

    Tensor concat(4 * distilled, x.h, x.w);
    const auto store = [&](int k, const Tensor &part) {  // (D, H, W)
        std::copy(part.data.begin(), part.data.end(), concat.row(k * distilled, 0));
    };
    Tensor r = x;  // (C, H, W)
    for (int k = 0; k < 3; ++k) {
        store(k, gelu(conv1x1(r, *d[k])));
        r = gelu(sum(bsconv(r, *refine[k]), r));
    }
    store(3, gelu(bsconv(r, block.c4)));

    return conv1x1(concat, block.c5);
}

// v_i = conv3_i(GELU(conv_max_i(p_i))) on a sixth of the size.
inline Tensor branch(const Mdsa &esa, int i, const Tensor &c) {
    constexpr int kWindow[3] = {3, 5, 7};
    constexpr int kPadding[3] = {1, 0, 1};
    Tensor p = max_pool(bsconv(c, esa.conv2[i], 2), kWindow[i], kPadding[i]);
    if (i == 2) add(p, local_variance(bsconv(c, esa.conv2[3], 2)));
    return bsconv(gelu(bsconv(p, esa.conv_max[i])), esa.conv3[i]);
}

inline Tensor mdsa(const Mdsa &esa, const Tensor &x) {
    const Tensor c = conv1x1(x, esa.conv1);  // (f, H, W)
    Tensor dispersed = conv1x1(c, esa.conv_f);
    for (int i = 0; i < 3; ++i) add(dispersed, upsampled(branch(esa, i, c), x.h, x.w));
    const Tensor gate = conv1x1(dispersed, esa.conv4);  // (C, H, W)

    Tensor out = x;
    for (size_t p = 0; p < out.data.size(); ++p) out.data[p] *= 1 + sigmoid(gate.data[p]);
    return out;
}

// Mean + standard deviation of every channel: (C, 1, 1).
inline Tensor contrast(const Tensor &y) {
    const size_t pixels = static_cast<size_t>(y.h) * y.w;
    Tensor out(y.c, 1, 1);
    for (int c = 0; c < y.c; ++c) {
        const double *plane = y.row(c, 0);
        double mean = 0, variance = 0;
        for (size_t p = 0; p < pixels; ++p) mean += plane[p];
        mean /= static_cast<double>(pixels);
        for (size_t p = 0; p < pixels; ++p) variance += (plane[p] - mean) * (plane[p] - mean);
        variance /= static_cast<double>(pixels);
        out.data[c] = mean + std::sqrt(variance);
    }
    return out;
}

inline Tensor ecca(const Ecca &cca, const Tensor &x) {
    Tensor y = gelu(conv1x1(x, cca.body_0));  // (C, H, W)

    Tensor squeezed = conv1x1(contrast(y), cca.conv_du_0);  // (C / 16, 1, 1)
    for (double &v : squeezed.data) v = std::max(v, 0.0);
    const Tensor attention = conv1x1(squeezed, cca.conv_du_2);  // (C, 1, 1)
    const size_t pixels = static_cast<size_t>(y.h) * y.w;
    for (int c = 0; c < y.c; ++c)
        for (size_t p = 0; p < pixels; ++p) y.row(c, 0)[p] *= sigmoid(attention.data[c]);

    Tensor out = depthwise3x3(y, cca.body_3, Padding::zero);
    add(out, x);
    return out;
}

inline Tensor pixel_shuffle(const Tensor &in, int scale) {
    Tensor out(in.c / (scale * scale), scale * in.h, scale * in.w);
    for (int c = 0; c < out.c; ++c)
        for (int y = 0; y < out.h; ++y)
            for (int x = 0; x < out.w; ++x) {
                const int from = (c * scale + y % scale) * scale + x % scale;
                out.row(c, y)[x] = in.row(from, y / scale)[x / scale];
            }
    return out;
}

inline void gather(const Model &model, int block, const Tensor &x, Tensor &sum) {
    if (block == 0) sum = filled(x.c, x.h, x.w, model.c1.bias);
    accumulate1x1(sum, x, model.c1.weight, kBlocks * x.c, block * x.c);
}

inline Tensor tail(const Model &model, const Tensor &sum, const Tensor &f0) {
    Tensor f = bsconv(gelu(sum), model.c2);  // (C, H, W)
    add(f, f0);
    const Tensor folded = conv3x3(f, model.upsampler);  // (3s², H, W)

    Tensor hr = pixel_shuffle(folded, model.scale);
    const size_t pixels = static_cast<size_t>(hr.h) * hr.w;
    for (int c = 0; c < 3; ++c)
        for (size_t p = 0; p < pixels; ++p) hr.row(c, 0)[p] += kMean[c];
    return hr;
}

// (3, H, W) -> (3, sH, sW)
inline std::vector<double> upscale(const Model &model, Size size, const std::vector<float> &rgb) {
    Tensor image(3, size.height, size.width);
    std::copy(rgb.begin(), rgb.end(), image.data.begin());
    const Tensor f0 = head(model, image);
    Tensor x = f0, collected;
    for (int i = 0; i < kBlocks; ++i) {
        const Eadb &block = model.blocks[i];
        x = sum(ecca(block.cca, mdsa(block.esa, distill(block, x))), x);
        gather(model, i, x, collected);
    }
    return tail(model, collected, f0).data;
}

}  // namespace mdrn::float64
