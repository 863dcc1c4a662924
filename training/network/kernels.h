// SPDX-License-Identifier: BSD-2-Clause
// Arithmetic on one picture's maps with channels last: pixel p's channels lie at data + p * pitch.
// Vectorised with Highway, for the best of what the machine has. Single-threaded; every sum has a
// fixed order.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "model/architecture.h"
#include "network/layers.h"

namespace mdrn::training {

struct Map {
    const float *data;
    ptrdiff_t pitch;
    int channels;
};

// A matrix whose rows are filled up with zeros to whole vectors, with a bias likewise.
struct Matrix {
    // Element (r, c) is values[r * row_step + c * column_step]; bias (columns) may be null: zero.
    Matrix(const float *values, int rows, int columns, ptrdiff_t row_step, ptrdiff_t column_step,
           const float *bias = nullptr);
    int rows, columns;
    ptrdiff_t pitch;
    std::vector<float> values;
    std::vector<float> bias;
};

struct Kernels {
    // out(p) = f(bias + [x0(p) x1(p) ...] w): maps side by side, as many channels as w has rows.
    // f: GELU, slope then receives its derivative where not null; out and slope are dense.
    // add: to what out holds, without bias and activation.
    void (*multiply)(std::span<const Map> x, const Matrix &w, int pixels, Activation activation,
                     bool add, float *out, float *slope);

    // w(r, c) = sum over p of g(p)[r] x(p)[c], at w + r * pitch + c.
    void (*outer)(const Map &g, const Map &x, int pixels, float *w, ptrdiff_t pitch);

    // out(p) = g(p) * slope(p), slope and out dense; slope may be null: out is not written then.
    // sums (channels): of that over p.
    void (*scale)(const Map &g, const float *slope, int pixels, float *out, float *sums);

    // out = f(dw3x3(u) + bias + residual), the depthwise with taps (channels, 3, 3), padding 1 and
    // zero or reflect. Dense; residual (then stride is 1) and slope may be null.
    void (*depthwise)(const float *u, const float *taps, const float *bias, const float *residual,
                      int height, int width, int channels, int stride, Padding padding,
                      Activation activation, float *out, float *slope);

    // The same backwards: from g, out's gradient, u_gradient and tap_gradient (channels, 3, 3).
    void (*depthwise_backward)(const float *g, const float *u, const float *taps, int height,
                               int width, int channels, int stride, Padding padding,
                               float *u_gradient, float *tap_gradient);
};

const Kernels &kernels();

}  // namespace mdrn::training
