// SPDX-License-Identifier: BSD-2-Clause
// The runtime API over the driver's. It works in the thread's current context; where there is
// none, in the first device's primary one.
#include <utility>

#include "device/launch.h"
#include "driver/world.h"

namespace {

thread_local cudaError_t last = cudaSuccess;

cudaError_t done(cudaError_t error) {
    if (error != cudaSuccess) last = error;
    return error;
}
cudaError_t done(CUresult result) {
    return done(static_cast<cudaError_t>(result));
}

CUresult enter() {
    CUcontext context = nullptr;
    CUresult result = cuCtxGetCurrent(&context);
    if (result == CUDA_ERROR_NOT_INITIALIZED) {
        result = cuInit(0);
        if (result == CUDA_SUCCESS) result = cuCtxGetCurrent(&context);
    }
    if (result != CUDA_SUCCESS || context) return result;
    result = cuDevicePrimaryCtxRetain(&context, 0);
    return result == CUDA_SUCCESS ? cuCtxSetCurrent(context) : result;
}

template <class Body>
cudaError_t in_context(Body body) {
    const CUresult result = enter();
    return done(result == CUDA_SUCCESS ? body() : result);
}

CUdeviceptr address(const void *pointer) {
    return reinterpret_cast<CUdeviceptr>(pointer);
}

}  // namespace

cudaError_t cudaGetLastError() {
    return std::exchange(last, cudaSuccess);
}
cudaError_t cudaPeekAtLastError() {
    return last;
}

const char *cudaGetErrorName(cudaError_t error) {
    const char *text = "unrecognized error code";
    if (error == cudaErrorInvalidConfiguration) return "cudaErrorInvalidConfiguration";
    cuGetErrorName(static_cast<CUresult>(error), &text);
    return text ? text : "unrecognized error code";
}

const char *cudaGetErrorString(cudaError_t error) {
    const char *text = nullptr;
    if (error == cudaErrorInvalidConfiguration) return "invalid configuration argument";
    cuGetErrorString(static_cast<CUresult>(error), &text);
    return text ? text : "unrecognized error code";
}

cudaError_t cudaDriverGetVersion(int *version) {
    return done(cuDriverGetVersion(version));
}

cudaError_t cudaRuntimeGetVersion(int *version) {
    *version = CUDART_VERSION;
    return cudaSuccess;
}

cudaError_t cudaGetDeviceCount(int *count) {
    *count = 0;
    const CUresult result = cuInit(0);
    return done(result == CUDA_SUCCESS ? cuDeviceGetCount(count) : result);
}

cudaError_t cudaGetDevice(int *device) {
    return in_context([&] { return cuCtxGetDevice(device); });
}

cudaError_t cudaDeviceGetAttribute(int *value, cudaDeviceAttr attribute, int device) {
    const CUresult result = cuInit(0);
    if (result != CUDA_SUCCESS) return done(result);
    return done(cuDeviceGetAttribute(value, static_cast<CUdevice_attribute>(attribute), device));
}

cudaError_t cudaDeviceSynchronize() {
    return in_context([] { return cuCtxSynchronize(); });
}

cudaError_t cudaMemGetInfo(size_t *free, size_t *total) {
    return in_context([&] { return cuMemGetInfo(free, total); });
}

cudaError_t cudaMalloc(void **pointer, size_t bytes) {
    return in_context([&] {
        CUdeviceptr at = 0;
        const CUresult result = cuMemAlloc(&at, bytes);
        *pointer = reinterpret_cast<void *>(at);
        return result;
    });
}

// The real one waits; mdrn is not to count on it.
cudaError_t cudaFree(void *pointer) {
    return in_context([&] {
        emulated::fault_if_in_use(address(pointer));
        return cuMemFree(address(pointer));
    });
}

cudaError_t cudaMallocHost(void **pointer, size_t bytes) {
    return in_context([&] { return cuMemHostAlloc(pointer, bytes, 0); });
}

cudaError_t cudaFreeHost(void *pointer) {
    return in_context([&] {
        emulated::fault_if_in_use(address(pointer));
        return pointer ? cuMemFreeHost(pointer) : CUDA_SUCCESS;
    });
}

namespace {

CUresult copy(void *to, size_t to_pitch, const void *from, size_t from_pitch, size_t width,
              size_t height, cudaMemcpyKind kind, cudaStream_t stream, bool wait) {
    const auto host = CU_MEMORYTYPE_HOST;
    const auto device = CU_MEMORYTYPE_DEVICE;
    CUDA_MEMCPY2D params{};
    switch (kind) {
        case cudaMemcpyHostToHost:
            params.srcMemoryType = host, params.dstMemoryType = host;
            break;
        case cudaMemcpyHostToDevice:
            params.srcMemoryType = host, params.dstMemoryType = device;
            break;
        case cudaMemcpyDeviceToHost:
            params.srcMemoryType = device, params.dstMemoryType = host;
            break;
        case cudaMemcpyDeviceToDevice:
            params.srcMemoryType = device, params.dstMemoryType = device;
            break;
        case cudaMemcpyDefault:
            params.srcMemoryType = CU_MEMORYTYPE_UNIFIED;
            params.dstMemoryType = CU_MEMORYTYPE_UNIFIED;
    }
    params.srcHost = from;
    params.srcDevice = address(from);
    params.srcPitch = from_pitch;
    params.dstHost = to;
    params.dstDevice = address(to);
    params.dstPitch = to_pitch;
    params.WidthInBytes = width;
    params.Height = height;
    return wait ? cuMemcpy2D(&params) : cuMemcpy2DAsync(&params, stream);
}

}  // namespace

cudaError_t cudaMemcpy(void *to, const void *from, size_t bytes, cudaMemcpyKind kind) {
    return in_context([&] { return copy(to, bytes, from, bytes, bytes, 1, kind, nullptr, true); });
}

cudaError_t cudaMemcpyAsync(void *to, const void *from, size_t bytes, cudaMemcpyKind kind,
                            cudaStream_t stream) {
    return in_context([&] { return copy(to, bytes, from, bytes, bytes, 1, kind, stream, false); });
}

cudaError_t cudaMemcpy2DAsync(void *to, size_t to_pitch, const void *from, size_t from_pitch,
                              size_t width, size_t height, cudaMemcpyKind kind,
                              cudaStream_t stream) {
    return in_context(
        [&] { return copy(to, to_pitch, from, from_pitch, width, height, kind, stream, false); });
}

cudaError_t cudaMemsetAsync(void *to, int value, size_t bytes, cudaStream_t stream) {
    return in_context([&] {
        return cuMemsetD8Async(address(to), static_cast<unsigned char>(value), bytes, stream);
    });
}

cudaError_t cudaStreamCreateWithFlags(cudaStream_t *stream, unsigned flags) {
    return in_context([&] { return cuStreamCreate(stream, flags); });
}
cudaError_t cudaStreamDestroy(cudaStream_t stream) {
    return done(cuStreamDestroy(stream));
}
cudaError_t cudaStreamSynchronize(cudaStream_t stream) {
    return in_context([&] { return cuStreamSynchronize(stream); });
}
cudaError_t cudaStreamQuery(cudaStream_t stream) {
    return in_context([&] { return cuStreamQuery(stream); });
}
cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned flags) {
    return in_context([&] { return cuStreamWaitEvent(stream, event, flags); });
}
cudaError_t cudaStreamBeginCapture(cudaStream_t stream, cudaStreamCaptureMode mode) {
    return in_context(
        [&] { return cuStreamBeginCapture(stream, static_cast<CUstreamCaptureMode>(mode)); });
}
cudaError_t cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t *graph) {
    return in_context([&] { return cuStreamEndCapture(stream, graph); });
}

cudaError_t cudaEventCreateWithFlags(cudaEvent_t *event, unsigned flags) {
    return in_context([&] { return cuEventCreate(event, flags); });
}
cudaError_t cudaEventDestroy(cudaEvent_t event) {
    return done(cuEventDestroy(event));
}
cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream) {
    return in_context([&] { return cuEventRecord(event, stream); });
}
cudaError_t cudaEventSynchronize(cudaEvent_t event) {
    return done(cuEventSynchronize(event));
}
cudaError_t cudaEventQuery(cudaEvent_t event) {
    return done(cuEventQuery(event));
}

cudaError_t cudaGraphInstantiate(cudaGraphExec_t *exec, cudaGraph_t graph,
                                 unsigned long long flags) {
    return in_context([&] { return cuGraphInstantiateWithFlags(exec, graph, flags); });
}
cudaError_t cudaGraphLaunch(cudaGraphExec_t exec, cudaStream_t stream) {
    return in_context([&] { return cuGraphLaunch(exec, stream); });
}
cudaError_t cudaGraphExecDestroy(cudaGraphExec_t exec) {
    return done(cuGraphExecDestroy(exec));
}
cudaError_t cudaGraphDestroy(cudaGraph_t graph) {
    return done(cuGraphDestroy(graph));
}

cudaError_t cudaFuncSetAttribute(const void *kernel, cudaFuncAttribute attribute, int value) {
    if (attribute != cudaFuncAttributeMaxDynamicSharedMemorySize)
        return done(cudaErrorInvalidValue);
    return done(emulated::opt_in(kernel, value));
}

cudaError_t emulated::launch(const cudaLaunchConfig_t &config, Kernel kernel) {
    const cudaError_t error = check(config, kernel.function);
    if (error != cudaSuccess) return done(error);
    return in_context([&] { return put(config, kernel); });
}
