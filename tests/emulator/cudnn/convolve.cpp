// SPDX-License-Identifier: BSD-2-Clause
// A direct convolution, blocked so that a compiler vectorises it: four pixels by sixteen outputs
// are summed in registers.
#include "convolve.h"

#include <cuda_fp16.h>

#include <algorithm>
#include <bit>
#include <vector>

namespace emulated::cudnn {

namespace {

constexpr int64_t kPixels = 4;
constexpr int64_t kOutputs = 16;

float value(float x, bool tf32) {
    if (!tf32) return x;
    return std::bit_cast<float>((std::bit_cast<uint32_t>(x) + 0x1000U) & ~0x1FFFU);
}
float value(__half x, bool) {
    return __half2float(x);
}

void assign(float &to, float from) {
    to = from;
}
void assign(__half &to, float from) {
    to = __float2half_rn(from);
}

// sums (kPixels, kOutputs) += x's taps (kPixels rows of terms) times weight (terms, kOutputs).
[[gnu::always_inline]] inline void block(const float *const *x, const float *weight, int64_t terms,
                                         float *sums) {
    float sum[kPixels][kOutputs];
    std::copy_n(sums, kPixels * kOutputs, &sum[0][0]);
    for (int64_t t = 0; t < terms; t++)
        for (int64_t p = 0; p < kPixels; p++)
            for (int64_t o = 0; o < kOutputs; o++) sum[p][o] += x[p][t] * weight[t * kOutputs + o];
    std::copy_n(&sum[0][0], kPixels * kOutputs, sums);
}

using Block = void (*)(const float *const *x, const float *weight, int64_t terms, float *sums);

void block_plain(const float *const *x, const float *weight, int64_t terms, float *sums) {
    block(x, weight, terms, sums);
}

#if defined(__x86_64__)
[[gnu::target("avx2,fma")]] void block_avx2(const float *const *x, const float *weight,
                                            int64_t terms, float *sums) {
    block(x, weight, terms, sums);
}

Block fastest_block() {
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") ? block_avx2
                                                                           : block_plain;
}
#else
Block fastest_block() {
    return block_plain;
}
#endif

// Weights as (kernel, outputs / kOutputs, kernel x inputs, kOutputs), zero beyond the outputs.
template <typename T>
std::vector<float> arrange(const Convolution &c, bool tf32, const T *weight) {
    const int64_t groups = (c.outputs + kOutputs - 1) / kOutputs, row = c.kernel * c.inputs;
    std::vector<float> arranged(size_t(c.kernel * groups * row * kOutputs));
    for (int64_t o = 0; o < c.outputs; o++)
        for (int64_t ky = 0; ky < c.kernel; ky++)
            for (int64_t t = 0; t < row; t++)
                arranged[size_t(((ky * groups + o / kOutputs) * row + t) * kOutputs +
                                o % kOutputs)] = value(weight[(o * c.kernel + ky) * row + t], tf32);
    return arranged;
}

template <typename T>
void convolve(const Convolution &c, bool tf32, const T *x, const T *weight, T *y) {
    const int64_t padding = c.kernel / 2, row = c.kernel * c.inputs;
    const int64_t groups = (c.outputs + kOutputs - 1) / kOutputs;
    const std::vector<float> weights = arrange(c, tf32, weight);
    const Block add = fastest_block();

    // Rows of x as floats, between zeros, kernel of them in turn.
    const int64_t length = (c.width + kPixels + 2 * padding) * c.inputs;
    std::vector<std::vector<float>> rows(size_t(c.kernel), std::vector<float>(size_t(length)));
    const auto fetch = [&](int64_t at) {
        std::vector<float> &to = rows[size_t((at + c.kernel) % c.kernel)];
        if (at < 0 || at >= c.height) {
            std::ranges::fill(to, 0.0F);
            return;
        }
        for (int64_t i = 0; i < c.width * c.inputs; i++)
            to[size_t(padding * c.inputs + i)] = value(x[at * c.width * c.inputs + i], tf32);
    };
    for (int64_t at = -padding; at < padding; at++) fetch(at);

    for (int64_t at = 0; at < c.height; at++) {
        fetch(at + padding);
        for (int64_t from = 0; from < c.width; from += kPixels)
            for (int64_t group = 0; group < groups; group++) {
                float sums[kPixels * kOutputs] = {};
                for (int64_t ky = 0; ky < c.kernel; ky++) {
                    const float *in =
                        rows[size_t((at + ky - padding + c.kernel) % c.kernel)].data();
                    const float *taps[kPixels];
                    for (int64_t p = 0; p < kPixels; p++) taps[p] = in + (from + p) * c.inputs;
                    add(taps, weights.data() + (ky * groups + group) * row * kOutputs, row, sums);
                }
                for (int64_t p = 0; p < std::min(kPixels, c.width - from); p++)
                    for (int64_t o = 0; o < std::min(kOutputs, c.outputs - group * kOutputs); o++) {
                        T &to = y[(at * c.width + from + p) * c.outputs + group * kOutputs + o];
                        const float sum = sums[p * kOutputs + o];
                        assign(to, c.beta == 0 ? sum : sum + c.beta * value(to, false));
                    }
            }
    }
}

}  // namespace

void convolve(const Convolution &c, bool tf32, const void *x, const void *weight, void *y) {
    if (c.half) {
        convolve(c, tf32, static_cast<const __half *>(x), static_cast<const __half *>(weight),
                 static_cast<__half *>(y));
    } else {
        convolve(c, tf32, static_cast<const float *>(x), static_cast<const float *>(weight),
                 static_cast<float *>(y));
    }
}

}  // namespace emulated::cudnn
