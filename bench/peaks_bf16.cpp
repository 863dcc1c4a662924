// SPDX-License-Identifier: BSD-2-Clause
// Compiled for AVX-512 and AMX; called only where the processor has them.
#include <immintrin.h>

#include "peaks.h"

namespace {

constexpr int kRounds = 100000;

struct Config {
    uint8_t palette = 1;
    uint8_t start_row = 0;
    uint8_t reserved[14] = {};
    uint16_t row_bytes[16] = {64, 64, 64, 64, 64, 64, 64, 64};
    uint8_t rows[16] = {16, 16, 16, 16, 16, 16, 16, 16};
};

}  // namespace

uint64_t multiply_vdpbf16ps(float *sink) {
    constexpr int kSums = 12;  // for two ports and a latency of six cycles
    const __m512bh factor = (__m512bh)_mm512_set1_epi32(0x3f803f80);  // ones
    __m512 sums[kSums];
#pragma GCC unroll 12
    for (int k = 0; k < kSums; ++k) sums[k] = _mm512_set1_ps(*sink + k);
    for (int i = 0; i < kRounds; ++i) {
#pragma GCC unroll 12
        for (int k = 0; k < kSums; ++k) sums[k] = _mm512_dpbf16_ps(sums[k], factor, factor);
    }
#pragma GCC unroll 12
    for (int k = 1; k < kSums; ++k) sums[0] = _mm512_add_ps(sums[0], sums[k]);
    alignas(64) float lanes[16];
    _mm512_store_ps(lanes, sums[0]);
    *sink += lanes[0];
    return uint64_t{kRounds} * kSums * 32;
}

uint64_t multiply_amx(float *sink) {
    static constexpr Config kConfig;
    alignas(64) static constexpr uint16_t kFactors[16 * 32] = {};
    alignas(64) float sums[16 * 16];
    _tile_loadconfig(&kConfig);
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
    _tile_loadd(4, kFactors, 64);
    _tile_loadd(5, kFactors, 64);
    _tile_loadd(6, kFactors, 64);
    _tile_loadd(7, kFactors, 64);
    for (int i = 0; i < kRounds; ++i) {
        _tile_dpbf16ps(0, 4, 6);
        _tile_dpbf16ps(1, 4, 7);
        _tile_dpbf16ps(2, 5, 6);
        _tile_dpbf16ps(3, 5, 7);
    }
    _tile_stored(0, sums, 64);
    _tile_release();
    *sink += sums[0];
    return uint64_t{kRounds} * 4 * 16 * 16 * 32;
}
