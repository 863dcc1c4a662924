// SPDX-License-Identifier: BSD-2-Clause
// The GPU that stages run on: the driver, opened by name since a machine may have none, and a
// context of it, lent or the device's primary one.
#pragma once

#include <cuda.h>

#include <string>

#include "backends.h"

namespace mdrn::cuda {

class Context {
public:
    // Throws Error(MDRN_ERROR_UNSUPPORTED) where there is no driver, no GPU, one of them that is
    // too old, or not the GPU asked for; Error(MDRN_ERROR_INVALID_ARGUMENT) where the lent context
    // is on another GPU than options.gpu.
    explicit Context(const CudaOptions &options);
    ~Context();
    Context(const Context &) = delete;

    int device() const { return device_; }

    // "gpu 0 (NVIDIA H100, compute capability 9.0, driver for CUDA 13.0)"
    std::string description() const;

private:
    friend class Current;
    CUcontext context_ = nullptr;
    CUdevice device_ = 0;
    bool primary_ = false;  // retained, to be released
};

// Makes a context the calling thread's current one for as long as it lives.
class Current {
public:
    explicit Current(const Context &context);
    ~Current();
    Current(const Current &) = delete;
};

}  // namespace mdrn::cuda
