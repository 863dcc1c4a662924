// SPDX-License-Identifier: BSD-2-Clause
// Names, values and layouts of the CUDA API as a compiler sees them. Compiled twice, with the
// emulator's headers and with the toolkit's: what either says has to be the same.
#include <cuda.h>
#include <cuda_fp16.h>
#include <cuda_runtime.h>

#include <cstddef>
#include <map>
#include <string>

#define VALUE(name) \
    { #name, static_cast < long long>(name) }
#define TYPE(name)                      \
    {"sizeof " #name, sizeof(name)}, {  \
        "alignof " #name, alignof(name) \
    }
#define MEMBER(type, name) \
    { #type "." #name, offsetof(type, name) }

std::map<std::string, long long> ABI() {
    return {
        VALUE(CUDA_SUCCESS),
        VALUE(CUDA_ERROR_INVALID_VALUE),
        VALUE(CUDA_ERROR_OUT_OF_MEMORY),
        VALUE(CUDA_ERROR_NOT_INITIALIZED),
        VALUE(CUDA_ERROR_NO_DEVICE),
        VALUE(CUDA_ERROR_INVALID_DEVICE),
        VALUE(CUDA_ERROR_INVALID_CONTEXT),
        VALUE(CUDA_ERROR_INVALID_HANDLE),
        VALUE(CUDA_ERROR_NOT_FOUND),
        VALUE(CUDA_ERROR_NOT_READY),
        VALUE(CUDA_ERROR_ILLEGAL_ADDRESS),
        VALUE(CUDA_ERROR_PRIMARY_CONTEXT_ACTIVE),
        VALUE(CUDA_ERROR_CONTEXT_IS_DESTROYED),
        VALUE(CUDA_ERROR_MISALIGNED_ADDRESS),
        VALUE(CUDA_ERROR_LAUNCH_FAILED),
        VALUE(CUDA_ERROR_NOT_SUPPORTED),
        VALUE(CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED),
        VALUE(CUDA_ERROR_STREAM_CAPTURE_INVALIDATED),
        VALUE(CUDA_ERROR_STREAM_CAPTURE_UNMATCHED),
        VALUE(CUDA_ERROR_STREAM_CAPTURE_ISOLATION),
        VALUE(CUDA_ERROR_STREAM_CAPTURE_IMPLICIT),
        VALUE(CUDA_ERROR_CAPTURED_EVENT),
        VALUE(CUDA_ERROR_STREAM_CAPTURE_WRONG_THREAD),
        VALUE(CUDA_ERROR_UNKNOWN),

        VALUE(CU_DEVICE_ATTRIBUTE_MAX_THREADS_PER_BLOCK),
        VALUE(CU_DEVICE_ATTRIBUTE_MAX_BLOCK_DIM_X),
        VALUE(CU_DEVICE_ATTRIBUTE_MAX_BLOCK_DIM_Y),
        VALUE(CU_DEVICE_ATTRIBUTE_MAX_BLOCK_DIM_Z),
        VALUE(CU_DEVICE_ATTRIBUTE_MAX_GRID_DIM_X),
        VALUE(CU_DEVICE_ATTRIBUTE_MAX_GRID_DIM_Y),
        VALUE(CU_DEVICE_ATTRIBUTE_MAX_GRID_DIM_Z),
        VALUE(CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK),
        VALUE(CU_DEVICE_ATTRIBUTE_WARP_SIZE),
        VALUE(CU_DEVICE_ATTRIBUTE_TEXTURE_ALIGNMENT),
        VALUE(CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT),
        VALUE(CU_DEVICE_ATTRIBUTE_UNIFIED_ADDRESSING),
        VALUE(CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR),
        VALUE(CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR),
        VALUE(CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN),

        VALUE(CU_MEMORYTYPE_HOST),
        VALUE(CU_MEMORYTYPE_DEVICE),
        VALUE(CU_MEMORYTYPE_ARRAY),
        VALUE(CU_MEMORYTYPE_UNIFIED),
        VALUE(CU_CTX_SCHED_AUTO),
        VALUE(CU_CTX_SCHED_BLOCKING_SYNC),
        VALUE(CU_LIMIT_STACK_SIZE),
        VALUE(CU_STREAM_DEFAULT),
        VALUE(CU_STREAM_NON_BLOCKING),
        VALUE(CU_EVENT_DEFAULT),
        VALUE(CU_EVENT_BLOCKING_SYNC),
        VALUE(CU_EVENT_DISABLE_TIMING),
        VALUE(CU_STREAM_CAPTURE_MODE_GLOBAL),
        VALUE(CU_STREAM_CAPTURE_MODE_THREAD_LOCAL),
        VALUE(CU_STREAM_CAPTURE_MODE_RELAXED),
        VALUE(CU_STREAM_CAPTURE_STATUS_ACTIVE),
        VALUE(CU_STREAM_CAPTURE_STATUS_INVALIDATED),

        VALUE(cudaErrorInvalidValue),
        VALUE(cudaErrorMemoryAllocation),
        VALUE(cudaErrorInitializationError),
        VALUE(cudaErrorInvalidConfiguration),
        VALUE(cudaErrorInsufficientDriver),
        VALUE(cudaErrorNoDevice),
        VALUE(cudaErrorInvalidDevice),
        VALUE(cudaErrorInvalidResourceHandle),
        VALUE(cudaErrorNotReady),
        VALUE(cudaErrorIllegalAddress),
        VALUE(cudaErrorMisalignedAddress),
        VALUE(cudaErrorLaunchFailure),
        VALUE(cudaErrorNotSupported),
        VALUE(cudaErrorStreamCaptureUnsupported),
        VALUE(cudaErrorStreamCaptureInvalidated),
        VALUE(cudaErrorStreamCaptureIsolation),
        VALUE(cudaErrorStreamCaptureImplicit),
        VALUE(cudaErrorUnknown),
        VALUE(cudaMemcpyHostToHost),
        VALUE(cudaMemcpyHostToDevice),
        VALUE(cudaMemcpyDeviceToHost),
        VALUE(cudaMemcpyDeviceToDevice),
        VALUE(cudaMemcpyDefault),
        VALUE(cudaStreamCaptureModeThreadLocal),
        VALUE(cudaStreamNonBlocking),
        VALUE(cudaEventDisableTiming),
        VALUE(cudaFuncAttributeMaxDynamicSharedMemorySize),
        VALUE(cudaDevAttrMaxThreadsPerBlock),
        VALUE(cudaDevAttrMaxSharedMemoryPerBlock),
        VALUE(cudaDevAttrMultiProcessorCount),
        VALUE(cudaDevAttrComputeCapabilityMajor),
        VALUE(cudaDevAttrComputeCapabilityMinor),
        VALUE(cudaDevAttrMaxSharedMemoryPerBlockOptin),

        TYPE(CUdeviceptr),
        TYPE(CUdevice),
        TYPE(CUuuid),
        TYPE(CUDA_MEMCPY2D),
        MEMBER(CUDA_MEMCPY2D, srcMemoryType),
        MEMBER(CUDA_MEMCPY2D, srcHost),
        MEMBER(CUDA_MEMCPY2D, srcDevice),
        MEMBER(CUDA_MEMCPY2D, srcPitch),
        MEMBER(CUDA_MEMCPY2D, dstXInBytes),
        MEMBER(CUDA_MEMCPY2D, dstMemoryType),
        MEMBER(CUDA_MEMCPY2D, dstDevice),
        MEMBER(CUDA_MEMCPY2D, dstPitch),
        MEMBER(CUDA_MEMCPY2D, WidthInBytes),
        MEMBER(CUDA_MEMCPY2D, Height),

        TYPE(uchar4),
        TYPE(ushort2),
        TYPE(ushort4),
        TYPE(int2),
        TYPE(int4),
        TYPE(uint2),
        TYPE(uint3),
        TYPE(uint4),
        TYPE(float2),
        TYPE(float3),
        TYPE(float4),
        TYPE(dim3),
        TYPE(__half),
        TYPE(__half2),
    };
}
