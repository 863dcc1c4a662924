// SPDX-License-Identifier: BSD-2-Clause
// What the CUDA language adds to C++: qualifiers, builtin variables, barriers.
#pragma once

#include <source_location>

#include "emulator/vectors.h"

#define __global__
#define __device__
#define __host__
#define __forceinline__ inline __attribute__((always_inline))
#define __launch_bounds__(...)
#define __align__(bytes) __attribute__((aligned(bytes)))
// Shared memory belongs to the block that runs, and only one does.
#define __shared__

inline constexpr int warpSize = 32;

extern uint3 threadIdx;
extern uint3 blockIdx;
extern dim3 blockDim;
extern dim3 gridDim;

// Every thread of the block has to arrive, at the same place in the source.
void __syncthreads(std::source_location where = std::source_location::current());
