// SPDX-License-Identifier: BSD-2-Clause
// mdrn-peaks THREADS: a line for each unit that multiplies, "NAME G": thousand millions of
// multiply-adds a second that THREADS threads do together in registers. Best of five.
#include "peaks.h"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <thread>
#include <vector>

#include "cpu/features.h"

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
namespace {

HWY_EXPORT(multiply);
uint64_t multiply_fma(float *sink) {
    return HWY_DYNAMIC_DISPATCH(multiply)(sink);
}

// Thousand millions of multiply-adds a second of all threads.
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

}  // namespace

int main(int argc, char **argv) {
    const int threads = argc == 2 ? std::atoi(argv[1]) : 0;
    if (threads < 1) {
        std::fputs("mdrn-peaks THREADS\n", stderr);
        return 2;
    }
    std::printf("FMA %.1f\n", peak(multiply_fma, threads));
#if MDRN_BF16
    if (mdrn::cpu::has_avx512_bf16())
        std::printf("vdpbf16ps %.1f\n", peak(multiply_vdpbf16ps, threads));
    if (mdrn::cpu::has_amx_bf16()) std::printf("AMX %.1f\n", peak(multiply_amx, threads));
#endif
}
#endif
