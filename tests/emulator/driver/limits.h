// SPDX-License-Identifier: BSD-2-Clause
// What the architectures allow, from the tables of the CUDA C++ Programming Guide.
#pragma once

#include "cuda.h"

namespace emulated {

// Bytes of dynamic shared memory that a kernel may opt in to.
constexpr int shared_optin(int capability) {
    switch (capability) {
        case 75:
            return 64 << 10;
        case 80:
        case 87:
            return 163 << 10;
        case 86:
        case 89:
        case 120:
        case 121:
            return 99 << 10;
        default:
            return 227 << 10;  // 9.0, 10.x
    }
}

constexpr int device_attribute(int capability, CUdevice_attribute attribute) {
    switch (attribute) {
        case CU_DEVICE_ATTRIBUTE_MAX_THREADS_PER_BLOCK:
        case CU_DEVICE_ATTRIBUTE_MAX_BLOCK_DIM_X:
        case CU_DEVICE_ATTRIBUTE_MAX_BLOCK_DIM_Y:
            return 1024;
        case CU_DEVICE_ATTRIBUTE_MAX_BLOCK_DIM_Z:
            return 64;
        case CU_DEVICE_ATTRIBUTE_MAX_GRID_DIM_X:
            return 0x7FFFFFFF;
        case CU_DEVICE_ATTRIBUTE_MAX_GRID_DIM_Y:
        case CU_DEVICE_ATTRIBUTE_MAX_GRID_DIM_Z:
            return 65535;
        case CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK:
            return 48 << 10;
        case CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN:
            return shared_optin(capability);
        case CU_DEVICE_ATTRIBUTE_WARP_SIZE:
            return 32;
        case CU_DEVICE_ATTRIBUTE_TEXTURE_ALIGNMENT:
            return 512;
        case CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT:
            return 4;
        case CU_DEVICE_ATTRIBUTE_UNIFIED_ADDRESSING:
            return 1;
        case CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR:
            return capability / 10;
        case CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR:
            return capability % 10;
    }
    throw CUDA_ERROR_INVALID_VALUE;
}

}  // namespace emulated
