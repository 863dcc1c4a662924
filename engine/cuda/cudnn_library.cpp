// SPDX-License-Identifier: BSD-2-Clause
#include "cuda/cudnn_library.h"

#include <dlfcn.h>

#include <string>
#include <type_traits>
#include <vector>

#include "error.h"

namespace mdrn::cuda {

namespace {

// The part of cuDNN that has these calls, which opens the others. libcudnn.so.9, which only passes
// calls on to the parts, aborts the process where one is missing.
constexpr const char *kLibrary = "libcudnn_graph.so.9";
constexpr const char *kInstall =
    "install cuDNN 9 for the CUDA version of the driver (packages cudnn9-cuda-12 or cudnn9-cuda-13 "
    "of NVIDIA's repository) and let the loader find it (ldconfig or LD_LIBRARY_PATH)";

// cuDNN opens cuBLAS when it first plans, and aborts the process where that is missing. So it is
// opened before, from where cuDNN would look.
void open_cublas(void *cudnn, const CudnnCalls &calls) {
    const std::string name = "libcublasLt.so." + std::to_string(calls.GetCudartVersion() / 1000);
    if (dlopen(name.c_str(), RTLD_NOW | RTLD_LOCAL)) return;
    const std::string reason = dlerror();

    Dl_serinfo size{};
    dlinfo(cudnn, RTLD_DI_SERINFOSIZE, &size);
    std::vector<char> memory(size.dls_size);
    auto *folders = reinterpret_cast<Dl_serinfo *>(memory.data());
    *folders = size;
    dlinfo(cudnn, RTLD_DI_SERINFO, folders);
    const Dl_serpath *folder = folders->dls_serpath;
    for (unsigned i = 0; i < folders->dls_cnt; i++) {
        const std::string path = std::string(folder[i].dls_name) + '/' + name;
        if (dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL)) return;
    }
    throw Error(MDRN_ERROR_UNSUPPORTED,
                "cuBLAS, which cuDNN needs, cannot be loaded: " + reason +
                    "; install it (package libcublas-12-* or libcublas-13-*)");
}

CudnnCalls open_library() {
    void *library = dlopen(kLibrary, RTLD_NOW | RTLD_LOCAL);
    if (!library) {
        throw Error(MDRN_ERROR_UNSUPPORTED,
                    std::string("cuDNN cannot be loaded: ") + dlerror() + "; " + kInstall);
    }
    const auto find = [library](auto &function, const char *name) {
        void *symbol = dlsym(library, name);
        if (!symbol) {
            throw Error(MDRN_ERROR_UNSUPPORTED, std::string(kLibrary) + " lacks " + name +
                                                    ": it is damaged or not cuDNN 9; " + kInstall);
        }
        function = reinterpret_cast<std::remove_reference_t<decltype(function)>>(symbol);
    };
    CudnnCalls calls{};
    find(calls.GetVersion, "cudnnGetVersion");
    find(calls.GetCudartVersion, "cudnnGetCudartVersion");
    find(calls.GetErrorString, "cudnnGetErrorString");
    find(calls.GetLastErrorString, "cudnnGetLastErrorString");
    find(calls.Create, "cudnnCreate");
    find(calls.Destroy, "cudnnDestroy");
    find(calls.SetStream, "cudnnSetStream");
    find(calls.CreateDescriptor, "cudnnBackendCreateDescriptor");
    find(calls.DestroyDescriptor, "cudnnBackendDestroyDescriptor");
    find(calls.SetAttribute, "cudnnBackendSetAttribute");
    find(calls.GetAttribute, "cudnnBackendGetAttribute");
    find(calls.Finalize, "cudnnBackendFinalize");
    find(calls.Execute, "cudnnBackendExecute");
    open_cublas(library, calls);
    return calls;
}

}  // namespace

const CudnnCalls &cudnn_calls() {
    static const CudnnCalls calls = open_library();
    return calls;
}

}  // namespace mdrn::cuda
