// SPDX-License-Identifier: BSD-2-Clause
#include "network/kernels.h"

#include <algorithm>
#include <cstring>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "network/kernels.cpp"
// clang-format off: this header first
#include <hwy/foreach_target.h>
// clang-format on
#include <hwy/contrib/math/math-inl.h>
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace mdrn::training::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

using D = hn::CappedTag<float, 16>;
using V = hn::Vec<D>;
constexpr D d;

constexpr int kLanes = static_cast<int>(hn::MaxLanes(d));
constexpr int kMostVectors = kLanes == 16 ? 4 : 2;  // of a tile: its sums stay in registers
constexpr int kChunk = 64;                          // pixels whose maps stay in the L1 cache

struct Gelu {
    V value, slope;
};

// erf by Abramowitz and Stegun 7.1.26, off by 1.5e-7 at most; its exp(-x²/2) is the density too.
HWY_INLINE Gelu gelu(V x) {
    const V one = hn::Set(d, 1.0F), half = hn::Set(d, 0.5F);
    const V magnitude = hn::Abs(x);
    const V t = hn::Div(one, hn::MulAdd(magnitude, hn::Set(d, 0.3275911F * 0.70710678F), one));
    V p = hn::Set(d, 1.061405429F);
    p = hn::MulAdd(p, t, hn::Set(d, -1.453152027F));
    p = hn::MulAdd(p, t, hn::Set(d, 1.421413741F));
    p = hn::MulAdd(p, t, hn::Set(d, -0.284496736F));
    p = hn::MulAdd(p, t, hn::Set(d, 0.254829592F));
    const V bell = hn::Exp(d, hn::Mul(hn::Mul(x, x), hn::Set(d, -0.5F)));
    const V tail = hn::Mul(hn::Mul(p, t), hn::Mul(bell, half));  // Phi(-|x|)
    const V phi = hn::IfThenElse(hn::Lt(x, hn::Zero(d)), tail, hn::Sub(one, tail));
    const V density = hn::Mul(bell, hn::Set(d, 0.39894228F));
    return {hn::Mul(x, phi), hn::MulAdd(x, density, phi)};
}

// kVectors vectors of a pixel's channels from `first` on, the last of which may be cut.
template <int kVectors>
struct Panel {
    static constexpr int kCount = kVectors;
    HWY_INLINE V load(const float *pixel, int v) const {
        const float *at = pixel + first + v * kLanes;
        return v + 1 < kVectors ? hn::LoadU(d, at) : hn::MaskedLoad(last, d, at);
    }
    HWY_INLINE void store(V value, float *pixel, int v) const {
        float *at = pixel + first + v * kLanes;
        if (v + 1 < kVectors)
            hn::StoreU(value, d, at);
        else
            hn::BlendedStore(value, last, d, at);
    }
    int first;
    hn::Mask<D> last;
};

// Calls f with panels of kMost vectors, and one of those that are left.
template <int kMost, class F>
HWY_INLINE void for_panels(int channels, const F &f) {
    const auto panel = [&]<int kVectors>(int first) HWY_ATTR {
        const int left = channels - first - (kVectors - 1) * kLanes;
        f(Panel<kVectors>{first, hn::FirstN(d, static_cast<size_t>(std::min(left, kLanes)))});
    };
    int first = 0;
    for (; channels - first > (kMost - 1) * kLanes; first += kMost * kLanes)
        panel.template operator()<kMost>(first);
    const int left = (std::max(channels - first, 0) + kLanes - 1) / kLanes;
    if constexpr (kMost == 4) {
        if (left == 3) panel.template operator()<3>(first);
        if (left == 2) panel.template operator()<2>(first);
    }
    if constexpr (kMost > 1)
        if (left == 1) panel.template operator()<1>(first);
}

struct Product {
    std::span<const Map> x;
    const Matrix &w;
    bool gelu, add;
    float *out, *slope;
};

template <int kPixels, int kVectors>
HWY_NOINLINE void multiply_tile(const Product &product, const Panel<kVectors> panel, int pixel) {
    const Matrix &w = product.w;
    const ptrdiff_t start = ptrdiff_t{pixel} * w.columns;
    V sum[kPixels][kVectors];
#pragma GCC unroll 12
    for (int p = 0; p < kPixels; ++p)
#pragma GCC unroll 4
        for (int v = 0; v < kVectors; ++v)
            sum[p][v] = product.add ? panel.load(product.out + start + p * w.columns, v)
                                    : hn::LoadU(d, w.bias.data() + panel.first + v * kLanes);
    const float *row = w.values.data() + panel.first;
    for (const Map &map : product.x) {
        const float *x = map.data + pixel * map.pitch;
        const ptrdiff_t pitch = map.pitch;
        for (int i = 0; i < map.channels; ++i, row += w.pitch) {
            V weight[kVectors];
#pragma GCC unroll 4
            for (int v = 0; v < kVectors; ++v) weight[v] = hn::LoadU(d, row + v * kLanes);
#pragma GCC unroll 12
            for (int p = 0; p < kPixels; ++p) {
                const V value = hn::Set(d, x[p * pitch + i]);
#pragma GCC unroll 4
                for (int v = 0; v < kVectors; ++v)
                    sum[p][v] = hn::MulAdd(value, weight[v], sum[p][v]);
            }
        }
    }
#pragma GCC unroll 12
    for (int p = 0; p < kPixels; ++p)
#pragma GCC unroll 4
        for (int v = 0; v < kVectors; ++v) {
            const ptrdiff_t at = start + p * w.columns;
            if (product.gelu) {
                const Gelu g = gelu(sum[p][v]);
                panel.store(g.value, product.out + at, v);
                if (product.slope) panel.store(g.slope, product.slope + at, v);
            } else {
                panel.store(sum[p][v], product.out + at, v);
            }
        }
}

void multiply(std::span<const Map> x, const Matrix &w, int pixels, Activation activation, bool add,
              float *out, float *slope) {
    const Product product{x, w, activation == Activation::gelu, add, out, slope};
    for_panels<kMostVectors>(w.columns, [&](auto panel) HWY_ATTR {
        constexpr int kPixels = panel.kCount == 1 ? 12 : 6;
        int p = 0;
        for (; p + kPixels <= pixels; p += kPixels) multiply_tile<kPixels>(product, panel, p);
        for (; p < pixels; ++p) multiply_tile<1>(product, panel, p);
    });
}

// w: at the tile's first row.
template <int kRows, int kVectors>
HWY_NOINLINE void outer_tile(const float *g, ptrdiff_t g_pitch, const float *x, ptrdiff_t x_pitch,
                             const Panel<kVectors> panel, int pixels, float *w, ptrdiff_t pitch) {
    V sum[kRows][kVectors];
#pragma GCC unroll 12
    for (int r = 0; r < kRows; ++r)
#pragma GCC unroll 4
        for (int v = 0; v < kVectors; ++v) sum[r][v] = panel.load(w + r * pitch, v);
    for (int p = 0; p < pixels; ++p, g += g_pitch, x += x_pitch) {
        V value[kVectors];
#pragma GCC unroll 4
        for (int v = 0; v < kVectors; ++v) value[v] = panel.load(x, v);
#pragma GCC unroll 12
        for (int r = 0; r < kRows; ++r) {
            const V factor = hn::Set(d, g[r]);
#pragma GCC unroll 4
            for (int v = 0; v < kVectors; ++v) sum[r][v] = hn::MulAdd(factor, value[v], sum[r][v]);
        }
    }
#pragma GCC unroll 12
    for (int r = 0; r < kRows; ++r)
#pragma GCC unroll 4
        for (int v = 0; v < kVectors; ++v) panel.store(sum[r][v], w + r * pitch, v);
}

void outer(const Map &g, const Map &x, int pixels, float *w, ptrdiff_t pitch) {
    for (int r = 0; r < g.channels; ++r) std::fill_n(w + r * pitch, x.channels, 0.0F);
    for (int begin = 0; begin < pixels; begin += kChunk) {
        const int count = std::min(kChunk, pixels - begin);
        const float *g_part = g.data + begin * g.pitch, *x_part = x.data + begin * x.pitch;
        for_panels<kMostVectors>(x.channels, [&](auto panel) HWY_ATTR {
            constexpr int kRows = panel.kCount == 1 ? 12 : 6;
            int r = 0;
            for (; r + kRows <= g.channels; r += kRows)
                outer_tile<kRows>(g_part + r, g.pitch, x_part, x.pitch, panel, count, w + r * pitch,
                                  pitch);
            for (; r < g.channels; ++r)
                outer_tile<1>(g_part + r, g.pitch, x_part, x.pitch, panel, count, w + r * pitch,
                              pitch);
        });
    }
}

void scale(const Map &g, const float *slope, int pixels, float *out, float *sums) {
    for_panels<kMostVectors>(g.channels, [&](auto panel) HWY_ATTR {
        constexpr int kVectors = panel.kCount;
        V sum[kVectors];
#pragma GCC unroll 4
        for (int v = 0; v < kVectors; ++v) sum[v] = hn::Zero(d);
        for (int p = 0; p < pixels; ++p) {
            const ptrdiff_t at = ptrdiff_t{p} * g.channels;
#pragma GCC unroll 4
            for (int v = 0; v < kVectors; ++v) {
                V value = panel.load(g.data + p * g.pitch, v);
                if (slope) {
                    value = hn::Mul(value, panel.load(slope + at, v));
                    panel.store(value, out + at, v);
                }
                sum[v] = hn::Add(sum[v], value);
            }
        }
#pragma GCC unroll 4
        for (int v = 0; v < kVectors; ++v) panel.store(sum[v], sums, v);
    });
}

// Where the three taps along one side of the output's index i lie, -1 for none.
struct Reach {
    Reach(int i, int stride, int n, Padding padding) {
        for (int k = 0; k < 3; ++k) {
            int at = i * stride + k - 1;
            if (padding == Padding::reflect) at = at < 0 ? -at : at < n ? at : 2 * n - 2 - at;
            index[k] = at < n ? at : -1;
        }
    }
    int index[3];
};

// f(k, offset of the k-th tap's pixel from the map's start) for the taps that lie on the map.
template <class F>
HWY_INLINE void for_taps(const Reach &y, const Reach &x, int width, int channels, const F &f) {
#pragma GCC unroll 3
    for (int ky = 0; ky < 3; ++ky)
#pragma GCC unroll 3
        for (int kx = 0; kx < 3; ++kx)
            if (y.index[ky] >= 0 && x.index[kx] >= 0)
                f(3 * ky + kx, (ptrdiff_t{y.index[ky]} * width + x.index[kx]) * channels);
}

// The taps of a vector's channels from `first` on.
HWY_INLINE void load_taps(const float *taps, int first, int channels, V tap[9]) {
    HWY_ALIGN float lanes[9][16] = {};
    for (int c = first; c < std::min(channels, first + kLanes); ++c)
        for (int k = 0; k < 9; ++k) lanes[k][c - first] = taps[9 * c + k];
#pragma GCC unroll 9
    for (int k = 0; k < 9; ++k) tap[k] = hn::Load(d, lanes[k]);
}

void depthwise(const float *u, const float *taps, const float *bias, const float *residual,
               int height, int width, int channels, int stride, Padding padding,
               Activation activation, float *out, float *slope) {
    const int out_height = (height - 1) / stride + 1, out_width = (width - 1) / stride + 1;
    std::vector<Reach> columns;
    for (int x = 0; x < out_width; ++x) columns.emplace_back(x, stride, width, padding);
    for_panels<1>(channels, [&](auto panel) HWY_ATTR {
        V tap[9];
        load_taps(taps, panel.first, channels, tap);
        const V start = panel.load(bias, 0);
        for (int y = 0; y < out_height; ++y) {
            const Reach rows(y, stride, height, padding);
            for (int x = 0; x < out_width; ++x) {
                V sum = start;
                for_taps(rows, columns[x], width, channels, [&](int k, ptrdiff_t at) HWY_ATTR {
                    sum = hn::MulAdd(tap[k], panel.load(u + at, 0), sum);
                });
                const ptrdiff_t at = (ptrdiff_t{y} * out_width + x) * channels;
                if (residual) sum = hn::Add(sum, panel.load(residual + at, 0));
                if (activation == Activation::gelu) {
                    const Gelu g = gelu(sum);
                    sum = g.value;
                    if (slope) panel.store(g.slope, slope + at, 0);
                }
                panel.store(sum, out + at, 0);
            }
        }
    });
}

void depthwise_backward(const float *g, const float *u, const float *taps, int height, int width,
                        int channels, int stride, Padding padding, float *u_gradient,
                        float *tap_gradient) {
    const int out_height = (height - 1) / stride + 1, out_width = (width - 1) / stride + 1;
    std::fill_n(u_gradient, ptrdiff_t{height} * width * channels, 0.0F);
    std::vector<Reach> columns;
    for (int x = 0; x < out_width; ++x) columns.emplace_back(x, stride, width, padding);
    for_panels<1>(channels, [&](auto panel) HWY_ATTR {
        V tap[9], sum[9];
        load_taps(taps, panel.first, channels, tap);
#pragma GCC unroll 9
        for (int k = 0; k < 9; ++k) sum[k] = hn::Zero(d);
        for (int y = 0; y < out_height; ++y) {
            const Reach rows(y, stride, height, padding);
            for (int x = 0; x < out_width; ++x) {
                const V value = panel.load(g + (ptrdiff_t{y} * out_width + x) * channels, 0);
                for_taps(rows, columns[x], width, channels, [&](int k, ptrdiff_t at) HWY_ATTR {
                    sum[k] = hn::MulAdd(value, panel.load(u + at, 0), sum[k]);
                    const V old = panel.load(u_gradient + at, 0);
                    panel.store(hn::MulAdd(value, tap[k], old), u_gradient + at, 0);
                });
            }
        }
        HWY_ALIGN float lanes[16] = {};
        for (int k = 0; k < 9; ++k) {
            hn::Store(sum[k], d, lanes);
            for (int c = panel.first; c < std::min(channels, panel.first + kLanes); ++c)
                tap_gradient[9 * c + k] = lanes[c - panel.first];
        }
    });
}

const Kernels *table() {
    static constexpr Kernels kernels{multiply, outer, scale, depthwise, depthwise_backward};
    return &kernels;
}

}  // namespace mdrn::training::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace mdrn::training {

Matrix::Matrix(const float *source, int rows_, int columns_, ptrdiff_t row_step,
               ptrdiff_t column_step, const float *bias_)
    : rows(rows_),
      columns(columns_),
      pitch((columns_ + 15) / 16 * 16),
      values(static_cast<size_t>(rows_ * pitch)),
      bias(static_cast<size_t>(pitch)) {
    for (int r = 0; r < rows; ++r)
        for (int c = 0; c < columns; ++c)
            values[r * pitch + c] = source[r * row_step + c * column_step];
    if (bias_) std::copy_n(bias_, columns, bias.begin());
}

namespace {
HWY_EXPORT(table);
}

const Kernels &kernels() {
    static const Kernels &best = *HWY_DYNAMIC_DISPATCH(table)();
    return best;
}

}  // namespace mdrn::training
#endif
