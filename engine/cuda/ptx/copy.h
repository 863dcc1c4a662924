// SPDX-License-Identifier: BSD-2-Clause
// Copies from device memory to shared memory that go on while the thread does other things: PTX's
// cp.async from sm_80 on, plain copies before.
//
// There is another header of this name for the emulated device; the include path chooses.
#pragma once

#include <cuda_runtime.h>

namespace mdrn::cuda {

// Bytes is 4, 8 or 16, and both addresses are multiples of it. What is copied may be read by this
// thread after copy_wait(), by others after a barrier behind that.
template <int Bytes>
__device__ __forceinline__ void copy_async(void *shared, const void *device) {
    static_assert(Bytes == 4 || Bytes == 8 || Bytes == 16);
#if __CUDA_ARCH__ < 800
    struct alignas(Bytes) Words {
        unsigned v[Bytes / 4];
    };
    *static_cast<Words *>(shared) = *static_cast<const Words *>(device);
#else
    asm volatile("cp.async.ca.shared.global [%0], [%1], %2;" ::"r"(
                     static_cast<unsigned>(__cvta_generic_to_shared(shared))),
                 "l"(__cvta_generic_to_global(device)), "n"(Bytes)
                 : "memory");
#endif
}

// Copies of this thread since the last commit become a group.
__device__ __forceinline__ void copy_commit() {
#if __CUDA_ARCH__ >= 800
    asm volatile("cp.async.commit_group;" ::: "memory");
#endif
}

// Waits until at most the last `Under` groups of this thread may still be under way.
template <int Under = 0>
__device__ __forceinline__ void copy_wait() {
#if __CUDA_ARCH__ >= 800
    asm volatile("cp.async.wait_group %0;" ::"n"(Under) : "memory");
#endif
}

}  // namespace mdrn::cuda
