// SPDX-License-Identifier: BSD-2-Clause
// The factories of the backends: each returns stages for a model, which must outlive them.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "host.h"
#include "model.h"

namespace mdrn {

std::unique_ptr<HostStages> make_reference_stages(const Model &model, WarnOnce warn);

// Highway's targets that this machine runs, best first, by Highway's names ("AVX3", "AVX2", ...).
std::vector<std::string> cpu_targets();

// What multiplies in bf16 here, best first ("AMX", "AVX512-BF16"); may be empty.
std::vector<std::string> cpu_bf16_units();

struct CpuOptions {
    int threads = 0;     // 0 = as many as the process may use
    int strip = 0;       // columns of a strip; 0 = by the cache
    std::string target;  // one of cpu_targets(), or with bf16 of cpu_bf16_units(); "" = the best
    bool bf16 = false;   // pointwise convolutions in bf16, summed in fp32
};
// Throws Error(MDRN_ERROR_UNSUPPORTED) for a target that there is not, and for bf16 without a unit.
std::unique_ptr<HostStages> make_cpu_stages(const Model &model, const CpuOptions &options,
                                            WarnOnce warn);

struct CudaOptions {
    int gpu = -1;             // index of the device; -1 = that of context, or the first
    bool half = true;         // maps in fp16, sums in fp32; else all fp32
    void *context = nullptr;  // CUcontext lent for the life of the stages; null = the device's
    void *stream = nullptr;   // primary one, and a stream of the stages' own. CUstream of context
    int async_depth = 1;      // pictures between unpack and finish
    mdrn_cuda_path path = MDRN_CUDA_PATH_AUTO;
};

// Whether libmdrn_cuda.so is on this machine. Opens nothing.
bool cuda_installed();

// Opens libmdrn_cuda.so, which stays open, and in it the driver and cuDNN.
// Throws Error(MDRN_ERROR_UNSUPPORTED) that names what this machine lacks: the library, a driver
// (or a newer one), cuDNN, a GPU, the one asked for; Error(MDRN_ERROR_DEVICE) where one of them
// fails.
std::unique_ptr<Stages> make_cuda_stages(const Model &model, const CudaOptions &options,
                                         WarnOnce warn);

}  // namespace mdrn
