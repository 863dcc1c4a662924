// SPDX-License-Identifier: BSD-2-Clause
#pragma once

#include "cuda_runtime.h"

namespace emulated {

// What the device would say to the launch before it starts.
cudaError_t check(const cudaLaunchConfig_t &config, const void *function);

// Puts a launch that passed on its stream.
CUresult put(const cudaLaunchConfig_t &config, const Kernel &kernel);

// cudaFuncAttributeMaxDynamicSharedMemorySize.
cudaError_t opt_in(const void *function, int bytes);

}  // namespace emulated
