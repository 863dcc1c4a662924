// SPDX-License-Identifier: BSD-2-Clause
// What tests on the emulated device share.
#pragma once

#include <cuda_runtime.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "emulator/control.h"

// That there were faults, the last of which matches; they are taken.
#define EXPECT_FAULT(pattern)                                                         \
    do {                                                                              \
        const std::vector<std::string> faults = emulated::take_faults();              \
        ASSERT_FALSE(faults.empty()) << "no fault";                                   \
        const testing::Matcher<std::string> matches(testing::ContainsRegex(pattern)); \
        EXPECT_TRUE(matches.Matches(faults.back())) << faults.back();                 \
    } while (false)

namespace emulated {

// A device of its own for each test, that has to have no faults and all memory back at the end.
class Device : public testing::Test {
protected:
    void SetUp() override { reset(); }
    void TearDown() override {
        for (const std::string &fault : take_faults()) ADD_FAILURE() << fault;
        EXPECT_EQ(bytes_in_use(), 0U);
        reset();
    }
};

// Device memory that belongs to one context.
template <class T>
class Buffer {
public:
    explicit Buffer(size_t size) : size_(size) {
        EXPECT_EQ(cudaMalloc(&data_, size * sizeof(T)), cudaSuccess);
    }
    ~Buffer() { cudaFree(data_); }
    Buffer(const Buffer &) = delete;
    Buffer &operator=(const Buffer &) = delete;

    T *get() const { return data_; }
    size_t size() const { return size_; }
    void write(const std::vector<T> &values) {
        EXPECT_EQ(cudaMemcpy(data_, values.data(), size_ * sizeof(T), cudaMemcpyHostToDevice),
                  cudaSuccess);
    }
    std::vector<T> read() const {
        std::vector<T> values(size_);
        EXPECT_EQ(cudaMemcpy(values.data(), data_, size_ * sizeof(T), cudaMemcpyDeviceToHost),
                  cudaSuccess);
        return values;
    }

private:
    T *data_ = nullptr;
    size_t size_;
};

template <class... Parameters, class... Arguments>
cudaError_t launch_on(cudaStream_t stream, void (*kernel)(Parameters...), dim3 grid, dim3 block,
                      size_t shared, Arguments... arguments) {
    cudaLaunchConfig_t config = {};
    config.gridDim = grid;
    config.blockDim = block;
    config.dynamicSmemBytes = shared;
    config.stream = stream;
    return cudaLaunchKernelEx(&config, kernel, arguments...);
}

}  // namespace emulated
