// SPDX-License-Identifier: BSD-2-Clause
// Arithmetic on rows, once for each of Highway's targets. A row is C channels of `columns` floats;
// the kernels compute whole quanta of columns, so rows are padded to kQuantum. The order of every
// sum is fixed, so that all targets with fused multiply-add give the same bits.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace mdrn::cpu {

// A matrix in bf16, row-major, filled up with zeros to whole tiles of 16 outputs and 32 inputs.
struct Halves {
    Halves() = default;
    // weight: row-major (outputs, columns), of which `inputs` columns are taken.
    Halves(const float *weight, int outputs, int inputs, int columns);
    int outputs = 0, inputs = 0;  // of the whole tiles
    std::vector<uint16_t> values;
};

inline constexpr int kQuantum = 16;  // columns
inline constexpr int kSegment = 64;  // columns whose moments are summed in float

// A 1x1 convolution in the order in which pointwise reads it: input by input, the outputs filled up
// with zeros to a whole quantum.
struct Packed {
    Packed() = default;
    // weight: row-major (outputs, columns), of which `inputs` columns from `first` on are taken.
    // bias may be null (zero).
    Packed(const float *weight, const float *bias, int outputs, int inputs, int columns,
           int first = 0);
    int outputs = 0;
    int inputs = 0;
    int stride = 0;
    // Each ends in a quantum that a last block may read.
    std::vector<float> bias;    // (stride)
    std::vector<float> values;  // (inputs, stride)
    Halves halves;
};

enum class Epilogue {
    none,
    gelu,  // out = GELU(v)
    gate,  // out *= 1 + sigmoid(v)
};

enum class Start {
    bias,  // sums start at each output's bias
    out,   // sums continue what out holds
};

struct Moments {
    float mean;
    float m2;  // sum of squared differences from the mean
};

struct Kernels {
    // v[o][x] = start + sum over i of w[o][i] in[i][x]; out[o] = epilogue(v[o]).
    // in: one pointer for each input channel, not necessarily aligned.
    void (*pointwise)(const Packed &w, const float *const *in, float *out, ptrdiff_t pitch,
                      int columns, Start start, Epilogue epilogue);

    // out[c][x] = sum of 3x3 taps around (rows[1][c], x) + bias[c] (+ residuals), then GELU if
    // asked. Channel c of rows[k] is at rows[k] + c * in_pitch; residuals may be null.
    void (*depthwise)(const float *taps, const float *bias, const float *const rows[3],
                      ptrdiff_t in_pitch, const float *residual, ptrdiff_t residual_pitch,
                      const float *residual2, ptrdiff_t residual2_pitch, float *out,
                      ptrdiff_t out_pitch, int channels, int columns, bool gelu);

    // The same with stride 2: around (rows[1][c], 2x), without residual. columns: of out.
    void (*depthwise_halving)(const float *taps, const float *bias, const float *const rows[3],
                              ptrdiff_t in_pitch, float *out, ptrdiff_t out_pitch, int channels,
                              int columns);

    // out[i] = the largest of rows[0 .. window)[3i .. 3i + window), i < count; window: 3, 5 or 7.
    void (*max_pool)(const float *const *rows, int window, float *out, int count);

    // out[i] += unbiased variance of rows[0 .. 7)[3i .. 3i + 7), i < count.
    void (*add_variance)(const float *const *rows, float *out, int count);

    // out[c][x] += a[c][x] (1 - fraction) + b[c][x] fraction
    void (*blend)(const float *a, const float *b, ptrdiff_t pitch, float fraction, float *out,
                  ptrdiff_t out_pitch, int channels, int columns);

    // Mean and m2 of values[0 .. count), count <= kSegment; whole quanta are read.
    Moments (*moments)(const float *values, int count);
};

std::vector<std::string> targets();

// "" = the best. Throws Error for a name that is not one of targets().
const Kernels &kernels(const std::string &target);

}  // namespace mdrn::cpu
