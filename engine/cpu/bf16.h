// SPDX-License-Identifier: BSD-2-Clause
// Pointwise convolutions whose factors are rounded to bf16 (to nearest, ties to even) and whose
// products are summed in fp32. All else stays fp32.
#pragma once

#include <string>

#include "cpu/kernels.h"

namespace mdrn::cpu {

inline constexpr int kSums = 2 * kQuantum;  // columns that are multiplied at a time

// What surrounds the multiplication, vectorised by Highway.
struct Bf16Kernels {
    // out[o] = epilogue(sums[o] + start) of at most kSums columns; a row of sums is kSums long.
    void (*conclude)(const Packed &w, const float *sums, float *out, ptrdiff_t pitch, int columns,
                     Start start, Epilogue epilogue);
    decltype(Kernels::depthwise) depthwise;
};
const Bf16Kernels &bf16_kernels();

// What multiplies on this processor, best first: "AMX", "AVX512-BF16"; none where it has no bf16.
std::vector<std::string> bf16_units();

// Kernels whose pointwise is in bf16. "" = the best unit. Throws Error for one that is not in
// bf16_units(), and where there is none.
const Kernels &kernels_in_bf16(const std::string &unit);

}  // namespace mdrn::cpu
