// SPDX-License-Identifier: BSD-2-Clause
// cuDNN's calls, through what dlopen finds: a machine without cuDNN gets a message.
#pragma once

#include <cuda_runtime.h>
#include <cudnn.h>

static_assert(CUDNN_VERSION >= 90800, "cuDNN's headers must be those of 9.8 or later");

namespace mdrn::cuda {

// The calls in use, by their own names. All are in every cuDNN 9.
struct CudnnCalls {
    decltype(&::cudnnGetVersion) GetVersion;
    decltype(&::cudnnGetCudartVersion) GetCudartVersion;
    decltype(&::cudnnGetErrorString) GetErrorString;
    decltype(&::cudnnGetLastErrorString) GetLastErrorString;
    decltype(&::cudnnCreate) Create;
    decltype(&::cudnnDestroy) Destroy;
    decltype(&::cudnnSetStream) SetStream;
    decltype(&::cudnnBackendCreateDescriptor) CreateDescriptor;
    decltype(&::cudnnBackendDestroyDescriptor) DestroyDescriptor;
    decltype(&::cudnnBackendSetAttribute) SetAttribute;
    decltype(&::cudnnBackendGetAttribute) GetAttribute;
    decltype(&::cudnnBackendFinalize) Finalize;
    decltype(&::cudnnBackendExecute) Execute;
};

// Opened by the first call, never closed: cuDNN leaves threads and handlers behind.
// Throws Error(MDRN_ERROR_UNSUPPORTED) where something of it is missing.
const CudnnCalls &cudnn_calls();

}  // namespace mdrn::cuda
