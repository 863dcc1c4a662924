// SPDX-License-Identifier: BSD-2-Clause
#include "cpu/bf16_pointwise.h"

namespace mdrn::cpu {

namespace {

constexpr int kRows = 8;  // of w, for 16 sums in registers

struct Avx512Bf16 {
    void multiply(const Halves &w, const __m512i *pairs, float *sums) const {
        for (int o = 0; o < w.outputs; o += kRows) {
            __m512 sum[kRows][2];
            for (auto &row : sum) row[0] = row[1] = _mm512_setzero_ps();
            const uint16_t *weights = w.values.data() + o * w.inputs;
            for (int p = 0; p < w.inputs / 2; ++p) {
                const __m512bh left = (__m512bh)pairs[2 * p];
                const __m512bh right = (__m512bh)pairs[2 * p + 1];
                for (int r = 0; r < kRows; ++r) {
                    int pair;
                    __builtin_memcpy(&pair, weights + r * w.inputs + 2 * p, sizeof pair);
                    const __m512bh factor = (__m512bh)_mm512_set1_epi32(pair);
                    sum[r][0] = _mm512_dpbf16_ps(sum[r][0], left, factor);
                    sum[r][1] = _mm512_dpbf16_ps(sum[r][1], right, factor);
                }
            }
            for (int r = 0; r < kRows; ++r)
                for (int v = 0; v < 2; ++v)
                    _mm512_store_ps(sums + (o + r) * kSums + v * kQuantum, sum[r][v]);
        }
    }
};

}  // namespace

extern const decltype(Kernels::pointwise) pointwise_avx512_bf16 = bf16_pointwise<Avx512Bf16>;

}  // namespace mdrn::cpu
