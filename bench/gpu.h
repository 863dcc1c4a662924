// SPDX-License-Identifier: BSD-2-Clause
// Device memory for mdrn-bench, through the driver alone: opened by name, since a machine may have
// none, and declared here, since nothing else of CUDA is needed to build it.
#pragma once

#include <dlfcn.h>

#include <cstddef>
#include <stdexcept>
#include <string>
#include <vector>

// The first GPU's primary context, current in the calling thread, and a stream of it. Throws
// std::runtime_error.
class Gpu {
public:
    Gpu() : library_(dlopen("libcuda.so.1", RTLD_NOW | RTLD_LOCAL)) {
        if (!library_)
            throw std::runtime_error(std::string("no NVIDIA driver: ") + dlerror() +
                                     "; use --images host");
        int device = 0;
        call<unsigned>("cuInit", 0);
        call<int *, int>("cuDeviceGet", &device, 0);
        call<void **, int>("cuDevicePrimaryCtxRetain", &context_, device);
        call<void *>("cuCtxPushCurrent_v2", context_);
        call<void **, unsigned>("cuStreamCreate", &stream_, kNonBlocking);
    }
    // Memory goes with the process.
    Gpu(const Gpu &) = delete;
    Gpu &operator=(const Gpu &) = delete;

    void *context() const { return context_; }
    void *stream() const { return stream_; }

    void *allocate(size_t bytes) const {
        unsigned long long address = 0;
        call<unsigned long long *, size_t>("cuMemAlloc_v2", &address, bytes);
        return reinterpret_cast<void *>(address);
    }
    void upload(void *to, const std::vector<float> &from) const {
        call<unsigned long long, const void *, size_t>("cuMemcpyHtoD_v2",
                                                       reinterpret_cast<unsigned long long>(to),
                                                       from.data(), from.size() * sizeof(float));
        call<>("cuCtxSynchronize");
    }
    void wait() const { call<void *>("cuStreamSynchronize", stream_); }

private:
    static constexpr unsigned kNonBlocking = 1;

    template <typename... Parameters>
    void call(const char *name, Parameters... arguments) const {
        const auto function = reinterpret_cast<int (*)(Parameters...)>(dlsym(library_, name));
        if (!function) throw std::runtime_error(std::string("the NVIDIA driver has no ") + name);
        const int result = function(arguments...);
        if (result)
            throw std::runtime_error(std::string(name) + " failed with CUresult " +
                                     std::to_string(result));
    }

    void *library_;
    void *context_ = nullptr, *stream_ = nullptr;
};
