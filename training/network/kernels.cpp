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

// The vectors of a pixel's channels, the last of which may be cut.
struct Vectors {
    explicit Vectors(int channels)
        : count((channels + kLanes - 1) / kLanes),
          last(hn::FirstN(d, static_cast<size_t>(channels - (count - 1) * kLanes))) {}
    HWY_INLINE V load(const float *pixel, int i) const {
        return i + 1 < count ? hn::LoadU(d, pixel + i * kLanes)
                             : hn::MaskedLoad(last, d, pixel + i * kLanes);
    }
    HWY_INLINE void store(V value, float *pixel, int i) const {
        if (i + 1 < count)
            hn::StoreU(value, d, pixel + i * kLanes);
        else
            hn::BlendedStore(value, last, d, pixel + i * kLanes);
    }
    int count;
    hn::Mask<D> last;
};

// Calls f.operator()<n>(first) for vectors first ... first + n - 1, n at most kMostVectors.
template <class F>
HWY_INLINE void for_vectors(int count, const F &f) {
    int first = 0;
    for (; first + kMostVectors <= count; first += kMostVectors)
        f.template operator()<kMostVectors>(first);
    if constexpr (kMostVectors == 4) {
        if (count - first == 3) f.template operator()<3>(first);
        if (count - first == 2) f.template operator()<2>(first);
    }
    if (count - first == 1) f.template operator()<1>(first);
}

struct Product {
    std::span<const Map> x;
    const Matrix &w;
    Vectors vectors;
    bool gelu, add;
    float *out, *slope;
};

template <int kVectors, int kPixels>
HWY_NOINLINE void multiply_tile(const Product &product, int pixel, int first) {
    const Matrix &w = product.w;
    V sum[kPixels][kVectors];
    for (int v = 0; v < kVectors; ++v) {
        const V bias = hn::LoadU(d, w.bias.data() + (first + v) * kLanes);
        for (int p = 0; p < kPixels; ++p)
            sum[p][v] = product.add ? product.vectors.load(
                                          product.out + ptrdiff_t{pixel + p} * w.columns, first + v)
                                    : bias;
    }
    const float *row = w.values.data() + first * kLanes;
    for (const Map &map : product.x) {
        const float *x = map.data + pixel * map.pitch;
        for (int i = 0; i < map.channels; ++i, row += w.pitch) {
            V weight[kVectors];
#pragma GCC unroll 4
            for (int v = 0; v < kVectors; ++v) weight[v] = hn::LoadU(d, row + v * kLanes);
#pragma GCC unroll 12
            for (int p = 0; p < kPixels; ++p) {
                const V value = hn::Set(d, x[p * map.pitch + i]);
#pragma GCC unroll 4
                for (int v = 0; v < kVectors; ++v)
                    sum[p][v] = hn::MulAdd(value, weight[v], sum[p][v]);
            }
        }
    }
    for (int p = 0; p < kPixels; ++p)
        for (int v = 0; v < kVectors; ++v) {
            const ptrdiff_t at = ptrdiff_t{pixel + p} * w.columns;
            if (product.gelu) {
                const Gelu g = gelu(sum[p][v]);
                product.vectors.store(g.value, product.out + at, first + v);
                if (product.slope) product.vectors.store(g.slope, product.slope + at, first + v);
            } else {
                product.vectors.store(sum[p][v], product.out + at, first + v);
            }
        }
}

void multiply(std::span<const Map> x, const Matrix &w, int pixels, Activation activation, bool add,
              float *out, float *slope) {
    const Product product{x,   w,    Vectors(w.columns), activation == Activation::gelu, add,
                          out, slope};
    for_vectors(product.vectors.count, [&]<int kVectors>(int first) {
        constexpr int kPixels = kVectors == 1 ? 12 : 6;
        int p = 0;
        for (; p + kPixels <= pixels; p += kPixels)
            multiply_tile<kVectors, kPixels>(product, p, first);
        for (; p < pixels; ++p) multiply_tile<kVectors, 1>(product, p, first);
    });
}

template <int kVectors, int kRows>
HWY_NOINLINE void outer_tile(const Map &g, const Map &x, const Vectors &vectors, int pixels,
                             int row, int first, float *w, ptrdiff_t pitch) {
    V sum[kRows][kVectors];
    for (int r = 0; r < kRows; ++r)
        for (int v = 0; v < kVectors; ++v)
            sum[r][v] = vectors.load(w + (row + r) * pitch, first + v);
    for (int p = 0; p < pixels; ++p) {
        const float *factors = g.data + p * g.pitch + row;
        const float *pixel = x.data + p * x.pitch;
        V value[kVectors];
#pragma GCC unroll 4
        for (int v = 0; v < kVectors; ++v) value[v] = vectors.load(pixel, first + v);
#pragma GCC unroll 12
        for (int r = 0; r < kRows; ++r) {
            const V factor = hn::Set(d, factors[r]);
#pragma GCC unroll 4
            for (int v = 0; v < kVectors; ++v) sum[r][v] = hn::MulAdd(factor, value[v], sum[r][v]);
        }
    }
    for (int r = 0; r < kRows; ++r)
        for (int v = 0; v < kVectors; ++v)
            vectors.store(sum[r][v], w + (row + r) * pitch, first + v);
}

void outer(const Map &g, const Map &x, int pixels, float *w, ptrdiff_t pitch) {
    for (int r = 0; r < g.channels; ++r) std::fill_n(w + r * pitch, x.channels, 0.0F);
    const Vectors vectors(x.channels);
    for (int begin = 0; begin < pixels; begin += kChunk) {
        const int count = std::min(kChunk, pixels - begin);
        const Map g_part{g.data + begin * g.pitch, g.pitch, g.channels};
        const Map x_part{x.data + begin * x.pitch, x.pitch, x.channels};
        for_vectors(vectors.count, [&]<int kVectors>(int first) {
            constexpr int kRows = kVectors == 1 ? 12 : 6;
            int r = 0;
            for (; r + kRows <= g.channels; r += kRows)
                outer_tile<kVectors, kRows>(g_part, x_part, vectors, count, r, first, w, pitch);
            for (; r < g.channels; ++r)
                outer_tile<kVectors, 1>(g_part, x_part, vectors, count, r, first, w, pitch);
        });
    }
}

void scale(const Map &g, const float *slope, int pixels, float *out, float *sums) {
    const Vectors vectors(g.channels);
    for_vectors(vectors.count, [&]<int kVectors>(int first) {
        V sum[kVectors];
        for (V &s : sum) s = hn::Zero(d);
        for (int p = 0; p < pixels; ++p)
            for (int v = 0; v < kVectors; ++v) {
                V value = vectors.load(g.data + p * g.pitch, first + v);
                if (slope) {
                    const ptrdiff_t at = ptrdiff_t{p} * g.channels;
                    value = hn::Mul(value, vectors.load(slope + at, first + v));
                    vectors.store(value, out + at, first + v);
                }
                sum[v] = hn::Add(sum[v], value);
            }
        for (int v = 0; v < kVectors; ++v) vectors.store(sum[v], sums, first + v);
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

// The k-th taps of the channels of vector i.
HWY_INLINE void load_taps(const float *taps, int channels, int i, V tap[9]) {
    HWY_ALIGN float lanes[9][16] = {};
    for (int c = i * kLanes; c < std::min(channels, (i + 1) * kLanes); ++c)
        for (int k = 0; k < 9; ++k) lanes[k][c - i * kLanes] = taps[9 * c + k];
    for (int k = 0; k < 9; ++k) tap[k] = hn::Load(d, lanes[k]);
}

void depthwise(const float *u, const float *taps, const float *bias, const float *residual,
               int height, int width, int channels, int stride, Padding padding,
               Activation activation, float *out, float *slope) {
    const Vectors vectors(channels);
    const int out_height = (height - 1) / stride + 1, out_width = (width - 1) / stride + 1;
    std::vector<Reach> columns;
    for (int x = 0; x < out_width; ++x) columns.emplace_back(x, stride, width, padding);
    for (int y = 0; y < out_height; ++y) {
        const Reach rows(y, stride, height, padding);
        for (int i = 0; i < vectors.count; ++i) {
            V tap[9];
            load_taps(taps, channels, i, tap);
            const V start = vectors.load(bias, i);
            for (int x = 0; x < out_width; ++x) {
                V sum = start;
                for_taps(rows, columns[x], width, channels, [&](int k, ptrdiff_t at) HWY_ATTR {
                    sum = hn::MulAdd(tap[k], vectors.load(u + at, i), sum);
                });
                const ptrdiff_t at = (ptrdiff_t{y} * out_width + x) * channels;
                if (residual) sum = hn::Add(sum, vectors.load(residual + at, i));
                if (activation == Activation::gelu) {
                    const Gelu g = gelu(sum);
                    sum = g.value;
                    if (slope) vectors.store(g.slope, slope + at, i);
                }
                vectors.store(sum, out + at, i);
            }
        }
    }
}

void depthwise_backward(const float *g, const float *u, const float *taps, int height, int width,
                        int channels, int stride, Padding padding, float *u_gradient,
                        float *tap_gradient) {
    const Vectors vectors(channels);
    const int out_height = (height - 1) / stride + 1, out_width = (width - 1) / stride + 1;
    std::fill_n(u_gradient, ptrdiff_t{height} * width * channels, 0.0F);
    std::vector<Reach> columns;
    for (int x = 0; x < out_width; ++x) columns.emplace_back(x, stride, width, padding);
    for (int i = 0; i < vectors.count; ++i) {
        V tap[9], sum[9];
        load_taps(taps, channels, i, tap);
        for (V &s : sum) s = hn::Zero(d);
        for (int y = 0; y < out_height; ++y) {
            const Reach rows(y, stride, height, padding);
            for (int x = 0; x < out_width; ++x) {
                const V value = vectors.load(g + (ptrdiff_t{y} * out_width + x) * channels, i);
                for_taps(rows, columns[x], width, channels, [&](int k, ptrdiff_t at) HWY_ATTR {
                    sum[k] = hn::MulAdd(value, vectors.load(u + at, i), sum[k]);
                    const V old = vectors.load(u_gradient + at, i);
                    vectors.store(hn::MulAdd(value, tap[k], old), u_gradient + at, i);
                });
            }
        }
        HWY_ALIGN float lanes[16];
        for (int k = 0; k < 9; ++k) {
            hn::Store(sum[k], d, lanes);
            for (int c = i * kLanes; c < std::min(channels, (i + 1) * kLanes); ++c)
                tap_gradient[9 * c + k] = lanes[c - i * kLanes];
        }
    }
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
