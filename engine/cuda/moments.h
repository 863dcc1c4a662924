// SPDX-License-Identifier: BSD-2-Clause
// A frame's means and variances in a fixed order of sums, which follows from its size alone:
// Welford's along each thread's pixels, then two passes over what threads and parts have.
#pragma once

#include "cuda/device.h"
#include "cuda/stages.h"

namespace mdrn::cuda {

__device__ __forceinline__ size_t first_segment(const Parts &parts, int part) {
    return parts.segments * part / parts.count;
}

// Pixels in segments before this one.
__device__ __forceinline__ size_t pixels_before(const Parts &parts, size_t segment) {
    const int in_row = (parts.width + parts.segment - 1) / parts.segment;
    const auto in_last = static_cast<int>(segment % in_row) * parts.segment;
    return segment / in_row * parts.width + least(in_last, parts.width);
}

// Takes one more value in; n: with it, weight: 1 / n.
__device__ __forceinline__ void take(Moments &moments, float value, float weight) {
    const float apart = value - moments.mean;
    moments.mean = fmaf(apart, weight, moments.mean);
    moments.m2 = fmaf(apart, value - moments.mean, moments.m2);
}

// Mean and m2 of groups together; count(i) and moments(i) for i < groups, the first of them not
// empty.
template <typename Count, typename Read>
__device__ __forceinline__ Moments merged(int groups, Count count, Read moments) {
    const float base = moments(0).mean;
    float sum = 0, total = 0;
    for (int i = 0; i < groups; ++i) {
        sum = fmaf(count(i), moments(i).mean - base, sum);
        total += count(i);
    }
    const float mean = base + sum / total;
    float m2 = 0;
    for (int i = 0; i < groups; ++i) {
        const float apart = moments(i).mean - mean;
        m2 += fmaf(count(i) * apart, apart, moments(i).m2);
    }
    return {mean, m2};
}

}  // namespace mdrn::cuda
