// SPDX-License-Identifier: BSD-2-Clause
// The one way in which kernels are started, and how failures of the runtime become errors.
#pragma once

#include <cuda_runtime.h>

#include <cstddef>
#include <functional>
#include <string>

#include "error.h"

namespace mdrn::cuda {

// Throws unless result is success. doing: "allocating 3 MiB", as in "... failed".
inline void check(cudaError_t result, const std::string &doing) {
    if (result == cudaSuccess) return;
    cudaGetLastError();  // else it would be told again by whatever comes next
    const bool memory = result == cudaErrorMemoryAllocation;
    throw Error(memory ? MDRN_ERROR_OUT_OF_MEMORY : MDRN_ERROR_DEVICE,
                "CUDA: " + doing + " failed: " + cudaGetErrorString(result) +
                    (memory ? "; free some of the GPU's memory or use smaller pictures"
                            : "; try another device, or device cpu"));
}

// What a launch takes, each map counted once however often its parts are read again near by.
// Instructions are those of the plain cores beside the multiply-adds.
struct Cost {
    double read = 0, written = 0;  // bytes of device memory
    double multiply_adds = 0;      // halo and padding included
    double instructions = 0;
    double matrix = 0;  // multiply-adds of the tensor cores, not among the others
    double halo = 0;  // bytes that blocks read beside their own and others count, so mostly cached
};

// About as many instructions as these take of the plain cores.
inline constexpr double kGeluInstructions = 24;
inline constexpr double kSigmoidInstructions = 14;

struct Launch {
    const char *kernel = "";  // a convolution's begins with "convolution"
    dim3 grid, block;
    size_t shared = 0;  // bytes of dynamic shared memory
    Cost cost;
};

// Where work is enqueued, and who is told of it.
struct Queue {
    cudaStream_t stream = nullptr;
    std::function<void(const Launch &)> recorder;
};

template <typename... Parameters, typename... Arguments>
void launch(const Queue &queue, const Launch &what, void (*kernel)(Parameters...),
            const Arguments &...arguments) {
    if (queue.recorder) queue.recorder(what);
    cudaLaunchConfig_t config = {};
    config.gridDim = what.grid;
    config.blockDim = what.block;
    config.dynamicSmemBytes = what.shared;
    config.stream = queue.stream;
    check(cudaLaunchKernelEx(&config, kernel, Parameters(arguments)...),
          std::string("starting the kernel ") + what.kernel);
}

// Blocks that cover count items.
inline unsigned blocks(size_t count, size_t of_each) {
    return static_cast<unsigned>((count + of_each - 1) / of_each);
}

}  // namespace mdrn::cuda
