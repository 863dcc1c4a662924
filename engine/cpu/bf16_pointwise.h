// SPDX-License-Identifier: BSD-2-Clause
// Pointwise in bf16 for a unit that multiplies; included by the one file of each unit, which alone
// is compiled for it.
#pragma once

#include <immintrin.h>

#include "cpu/bf16.h"
#include "model.h"

namespace mdrn::cpu {
namespace {

constexpr int kMostInputs = 9 * kMostFeatures;  // the upsampler's

// (inputs / 2, kSums) pairs of bf16: those of columns x ... of channels 2p and 2p + 1 in row p, and
// zeros in rows beyond the inputs.
inline void convert(const float *const *in, int x, int columns, int inputs, int rows,
                    __m512i *pairs) {
    const __m512i interleave =
        _mm512_set_epi16(31, 15, 30, 14, 29, 13, 28, 12, 27, 11, 26, 10, 25, 9, 24, 8, 23, 7, 22, 6,
                         21, 5, 20, 4, 19, 3, 18, 2, 17, 1, 16, 0);
    for (int p = 0; p < rows; ++p)
        for (int v = 0; v < kSums; v += kQuantum) {
            __m512 even = _mm512_setzero_ps(), odd = even;
            if (v < columns && 2 * p < inputs) even = _mm512_loadu_ps(in[2 * p] + x + v);
            if (v < columns && 2 * p + 1 < inputs) odd = _mm512_loadu_ps(in[2 * p + 1] + x + v);
            const __m512i both = (__m512i)_mm512_cvtne2ps_pbh(odd, even);
            _mm512_store_si512(pairs++, _mm512_permutexvar_epi16(interleave, both));
        }
}

// Unit::multiply(w, pairs, sums): sums[o][x] = sum over i of w[o][i] in[i][x] for all of w's rows.
template <class Unit>
void bf16_pointwise(const Packed &w, const float *const *in, float *out, ptrdiff_t pitch,
                    int columns, Start start, Epilogue epilogue) {
    alignas(64) __m512i pairs[kMostInputs / 2 * kSums / kQuantum];
    alignas(64) float sums[kMostFeatures * kSums];
    const Bf16Kernels &around = bf16_kernels();
    const int end = (columns + kQuantum - 1) / kQuantum * kQuantum;
    const Unit unit;
    for (int x = 0; x < end; x += kSums) {
        const int count = end - x < kSums ? end - x : kSums;
        convert(in, x, count, w.inputs, w.halves.inputs / 2, pairs);
        unit.multiply(w.halves, pairs, sums);
        around.conclude(w, sums, out + x, pitch, count, start, epilogue);
    }
}

}  // namespace
}  // namespace mdrn::cpu
