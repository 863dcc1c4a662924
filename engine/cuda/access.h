// SPDX-License-Identifier: BSD-2-Clause
// Samples of a picture in device memory, read and written byte by byte: planes need no alignment.
#pragma once

#include <cfloat>
#include <cstring>

#include "cuda/device.h"
#include "cuda/picture.h"

namespace mdrn::cuda {

__device__ __forceinline__ unsigned read_word(const unsigned char *at, const Samples &samples) {
    unsigned word = 0;
    for (int i = 0; i < samples.bytes; ++i)
        word |= unsigned(at[i]) << 8 * (samples.big_endian ? samples.bytes - 1 - i : i);
    return word;
}

__device__ __forceinline__ void write_word(unsigned char *at, const Samples &samples,
                                           unsigned word) {
    for (int i = 0; i < samples.bytes; ++i)
        at[i] = static_cast<unsigned char>(word >>
                                           8 * (samples.big_endian ? samples.bytes - 1 - i : i));
}

__device__ __forceinline__ unsigned char *address(const Samples &samples, int y, int x) {
    return samples.data + y * samples.stride + static_cast<ptrdiff_t>(x) * samples.step;
}

// What is not finite is 0, and *odd becomes 1.
__device__ __forceinline__ float read_sample(const Samples &samples, int y, int x, int *odd) {
    const unsigned word = read_word(address(samples, y, x), samples);
    if (!samples.is_float)
        return (static_cast<float>(word >> samples.shift & samples.mask) - samples.zero) /
               samples.one;
    float value;
    if (samples.bytes == 2) {
        const auto bits = static_cast<unsigned short>(word);
        __half half;
        memcpy(&half, &bits, sizeof half);
        value = __half2float(half);
    } else {
        memcpy(&value, &word, sizeof value);
    }
    if (fabsf(value) <= FLT_MAX) return value;
    *odd = 1;
    return 0;
}

// Integers are rounded and clipped, float stays as it is.
__device__ __forceinline__ void write_sample(const Samples &samples, int y, int x, float value) {
    unsigned char *at = address(samples, y, x);
    unsigned word;
    if (samples.is_float && samples.bytes == 2) {
        const __half half = __float2half_rn(value);
        unsigned short bits;
        memcpy(&bits, &half, sizeof bits);
        word = bits;
    } else if (samples.is_float) {
        memcpy(&word, &value, sizeof word);
    } else {
        const float scaled = fmaf(value, samples.one, samples.zero);
        // fmaxf() takes the other one for NaN.
        word = static_cast<unsigned>(fminf(fmaxf(scaled, 0), samples.top) + 0.5F) << samples.shift;
        if (samples.others) word |= read_word(at, samples) & samples.others;
    }
    write_word(at, samples, word);
}

// What a resampled sample is made of: the first sample, and the first weight.
struct Place {
    int first, weights;
};
__device__ __forceinline__ Place place_of(const Resampling &resampling, int i) {
    const int phase = i % resampling.phases;
    return {i / resampling.phases * resampling.advance + resampling.first[phase],
            phase * resampling.taps};
}

__device__ __forceinline__ int mirrored(int i, int n) {
    return clamped(i < 0 ? -1 - i : i < n ? i : 2 * n - 1 - i, n);
}

// For a launch's cost: instructions to read or write a sample, and all samples' bytes.
inline constexpr double kSampleInstructions = 12;
inline double bytes_of(const Picture &picture) {
    double bytes = 0;
    const auto add = [&](const Samples &samples) {
        bytes += double(samples.width) * samples.height * samples.bytes;
    };
    for (const Samples &samples : picture.part) add(samples);
    if (picture.has_alpha) add(picture.alpha);
    return bytes;
}

}  // namespace mdrn::cuda
