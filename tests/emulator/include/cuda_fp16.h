// SPDX-License-Identifier: BSD-2-Clause
// Half precision as in the toolkit's header of the same name, as far as mdrn's kernels use it:
// storage and conversion. Arithmetic is float.
#pragma once

#include <bit>
#include <cmath>
#include <cstdint>

#include "cuda_runtime.h"

struct alignas(2) __half {
    uint16_t bits;
};

struct alignas(4) __half2 {
    __half x;
    __half y;
};

__host__ __device__ inline float __half2float(__half h) {
    // The exponent moves from bias 15 to 127 by a multiplication, which is right for subnormals
    // too; infinity and NaN keep an exponent of ones.
    const uint32_t magnitude = (h.bits & 0x7FFFU) << 13;
    float value = std::bit_cast<float>(magnitude) * 0x1p112F;
    if (magnitude >= 0x7C00U << 13) value = std::bit_cast<float>(magnitude | 0x7F800000U);
    return std::bit_cast<float>(std::bit_cast<uint32_t>(value) | (h.bits & 0x8000U) << 16);
}

// To nearest, ties to even; beyond 65504 (from 65520) infinity.
__host__ __device__ inline __half __float2half_rn(float value) {
    const uint32_t bits = std::bit_cast<uint32_t>(value);
    const uint32_t sign = bits >> 16 & 0x8000U;
    const uint32_t magnitude = bits & 0x7FFFFFFFU;
    uint32_t half;
    if (magnitude > 0x7F800000U) {
        half = 0x7FFF;
    } else if (magnitude >= 0x477FF000U) {  // 65520
        half = 0x7C00;
    } else if (magnitude < 0x38800000U) {  // 2^-14: subnormal, in steps of 2^-24
        half = std::bit_cast<uint32_t>(std::bit_cast<float>(magnitude) + 0.5F) - 0x3F000000U;
    } else {
        half = (magnitude - 0x38000000U + 0xFFFU + (magnitude >> 13 & 1U)) >> 13;
    }
    return {static_cast<uint16_t>(sign | half)};
}

__host__ __device__ inline __half __float2half(float value) {
    return __float2half_rn(value);
}
__host__ __device__ inline __half2 __floats2half2_rn(float x, float y) {
    return {__float2half_rn(x), __float2half_rn(y)};
}
__host__ __device__ inline float2 __half22float2(__half2 h) {
    return {__half2float(h.x), __half2float(h.y)};
}
