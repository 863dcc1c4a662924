// SPDX-License-Identifier: BSD-2-Clause
// Device memory that frees itself, and how one piece of it is shared out.
#pragma once

#include <cuda_runtime.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>

#include "cuda/launch.h"

namespace mdrn::cuda {

// Belongs to the context that is current when it is made; that context is current when it goes.
class DeviceMemory {
public:
    DeviceMemory() = default;
    explicit DeviceMemory(size_t bytes) {
        check(cudaMalloc(&data_, bytes),
              "allocating " + std::to_string((bytes >> 20) + 1) + " MiB of device memory");
    }
    ~DeviceMemory() {
        if (!data_) return;
        cudaDeviceSynchronize();  // where an error cut work off, some may be under way
        cudaFree(data_);
    }
    DeviceMemory(DeviceMemory &&other) noexcept : data_(std::exchange(other.data_, nullptr)) {}
    DeviceMemory &operator=(DeviceMemory &&other) noexcept {
        std::swap(data_, other.data_);
        return *this;
    }
    void *data() const { return data_; }

private:
    void *data_ = nullptr;
};

// Shares out memory from base on; from null it only counts.
class Carver {
public:
    explicit Carver(void *base = nullptr) : base_(reinterpret_cast<uintptr_t>(base)) {}

    void *bytes(size_t count) {
        void *at = reinterpret_cast<void *>(base_ + used_);
        used_ += (count + kAlignment - 1) / kAlignment * kAlignment;
        return at;
    }
    float *floats(size_t count) { return static_cast<float *>(bytes(count * sizeof(float))); }
    size_t used() const { return used_; }

private:
    static constexpr size_t kAlignment = 256;
    uintptr_t base_;
    size_t used_ = 0;
};

}  // namespace mdrn::cuda
