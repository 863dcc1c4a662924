// SPDX-License-Identifier: BSD-2-Clause
#pragma once

#include <cuda_runtime.h>

#include <string>

#include "error.h"

namespace mdrn::cuda {

// what: what could not be done or had, for "the GPU failed: <what>: ...".
inline void check(cudaError_t result, const char *what) {
    if (result == cudaSuccess) return;
    cudaGetLastError();  // or it would be told again
    const bool memory = result == cudaErrorMemoryAllocation;
    throw Error(memory ? MDRN_ERROR_OUT_OF_MEMORY : MDRN_ERROR_DEVICE,
                std::string(memory ? "the GPU has too little memory: " : "the GPU failed: ") +
                    what + ": " + cudaGetErrorString(result));
}

}  // namespace mdrn::cuda
