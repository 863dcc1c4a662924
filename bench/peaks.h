// SPDX-License-Identifier: BSD-2-Clause
// Loops that do nothing but multiply and add, in registers: what a core can do at most.
#pragma once

#include <cstdint>

// Each returns the multiply-adds that it did; *sink keeps the compiler from leaving them out.
uint64_t multiply_fma(float *sink);
uint64_t multiply_vdpbf16ps(float *sink);
uint64_t multiply_amx(float *sink);

// Thousand millions of multiply-adds a second that so many threads do together; the best of five
// times 0.2 s.
double peak(uint64_t (*multiply)(float *), int threads);
