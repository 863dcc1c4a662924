// SPDX-License-Identifier: BSD-2-Clause
// What tests say to the emulated device and ask it, where a real one takes its place: most of it
// says nothing to that, and tests that need it are skipped.
#pragma once

#include <cuda_runtime.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace emulated {

inline constexpr bool kEmulated = false;

// An error of the device that nobody has been told.
inline std::vector<std::string> take_faults() {
    const cudaError_t running = cudaDeviceSynchronize(), last = cudaGetLastError();
    const cudaError_t error = running != cudaSuccess ? running : last;
    if (error == cudaSuccess) return {};
    return {cudaGetErrorString(error)};
}

inline void fail_allocation(uint64_t) {}
inline void fail_call(uint64_t) {}
inline void set_seed(uint64_t) {}
inline void set_twice(bool) {}
inline void set_capability(int) {}
inline void set_matrix_error(float) {}
inline size_t bytes_in_use() {
    return 0;
}
inline void reset() {}

}  // namespace emulated
