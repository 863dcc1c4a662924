// SPDX-License-Identifier: BSD-2-Clause
#include "peaks.h"

#include <algorithm>
#include <chrono>
#include <thread>
#include <vector>

// As in engine/cpu/kernels.cpp.
#define HWY_DISABLED_TARGETS (HWY_SVE | HWY_SVE2 | HWY_SVE_256 | HWY_SVE2_128 | HWY_RVV)
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "peaks.cpp"
// clang-format off: this header first
#include <hwy/foreach_target.h>
// clang-format on
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace HWY_NAMESPACE {

uint64_t multiply(float *sink) {
    namespace hn = hwy::HWY_NAMESPACE;
    constexpr int kRounds = 100000;
    const hn::CappedTag<float, 16> d;
    using V = hn::Vec<decltype(d)>;
    constexpr int kSums = 12;  // for two ports and a latency of five cycles
    const V factor = hn::Set(d, *sink);
    V sums[kSums];
#pragma GCC unroll 12
    for (int k = 0; k < kSums; ++k) sums[k] = hn::Set(d, *sink + k);
    for (int i = 0; i < kRounds; ++i) {
#pragma GCC unroll 12
        for (int k = 0; k < kSums; ++k) sums[k] = hn::MulAdd(sums[k], factor, factor);
    }
#pragma GCC unroll 12
    for (int k = 1; k < kSums; ++k) sums[0] = hn::Add(sums[0], sums[k]);
    *sink = hn::GetLane(sums[0]) * 0.0F;
    return uint64_t{kRounds} * kSums * hn::Lanes(d);
}

}  // namespace HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
HWY_EXPORT(multiply);
uint64_t multiply_fma(float *sink) {
    return HWY_DYNAMIC_DISPATCH(multiply)(sink);
}

double peak(uint64_t (*multiply)(float *), int threads) {
    using Clock = std::chrono::steady_clock;
    double best = 0;
    for (int round = 0; round < 5; ++round) {
        std::vector<uint64_t> done(threads);
        std::vector<std::thread> all;
        const auto start = Clock::now();
        for (uint64_t &count : done)
            all.emplace_back([&] {
                float sink = 0;
                uint64_t own = 0;
                while (Clock::now() - start < std::chrono::milliseconds(200))
                    own += multiply(&sink);
                count = own;
            });
        for (std::thread &thread : all) thread.join();
        const std::chrono::duration<double> taken = Clock::now() - start;
        double sum = 0;
        for (uint64_t count : done) sum += static_cast<double>(count);
        best = std::max(best, sum / taken.count() / 1e9);
    }
    return best;
}

#endif
