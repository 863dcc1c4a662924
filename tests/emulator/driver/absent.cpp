// SPDX-License-Identifier: BSD-2-Clause
// Entry points that must exist by name, for FFmpeg's loader or cuDNN's, and do nothing here.
#include "driver/world.h"

using namespace emulated;

// Arguments do not matter: none is looked at.
#define ABSENT(name)                     \
    extern "C" CUresult name() {         \
        return CUDA_ERROR_NOT_SUPPORTED; \
    }

ABSENT(cuDeviceGetLuid)
ABSENT(cuDeviceGetByPCIBusId)
ABSENT(cuDeviceGetPCIBusId)
ABSENT(cuLaunchKernel)
ABSENT(cuLaunchCooperativeKernel)
ABSENT(cuLinkCreate)
ABSENT(cuLinkAddData)
ABSENT(cuLinkComplete)
ABSENT(cuLinkDestroy)
ABSENT(cuModuleUnload)
ABSENT(cuModuleGetFunction)
ABSENT(cuModuleGetGlobal)
ABSENT(cuTexObjectCreate)
ABSENT(cuTexObjectDestroy)
ABSENT(cuGLGetDevices_v2)
ABSENT(cuGraphicsGLRegisterImage)
ABSENT(cuGraphicsUnregisterResource)
ABSENT(cuGraphicsMapResources)
ABSENT(cuGraphicsUnmapResources)
ABSENT(cuGraphicsSubResourceGetMappedArray)
ABSENT(cuGraphicsResourceGetMappedPointer_v2)
ABSENT(cuImportExternalMemory)
ABSENT(cuDestroyExternalMemory)
ABSENT(cuExternalMemoryGetMappedBuffer)
ABSENT(cuExternalMemoryGetMappedMipmappedArray)
ABSENT(cuMipmappedArrayGetLevel)
ABSENT(cuMipmappedArrayDestroy)
ABSENT(cuImportExternalSemaphore)
ABSENT(cuDestroyExternalSemaphore)
ABSENT(cuSignalExternalSemaphoresAsync)
ABSENT(cuWaitExternalSemaphoresAsync)
ABSENT(cuArrayCreate_v2)
ABSENT(cuArray3DCreate_v2)
ABSENT(cuArrayDestroy)
ABSENT(cuEGLStreamProducerConnect)
ABSENT(cuEGLStreamProducerDisconnect)
ABSENT(cuEGLStreamConsumerDisconnect)
ABSENT(cuEGLStreamProducerPresentFrame)
ABSENT(cuEGLStreamProducerReturnFrame)
ABSENT(cuLibraryLoadFromFile)
ABSENT(cuLibraryUnload)
ABSENT(cuKernelSetAttribute)
ABSENT(cuKernelGetAttribute)

extern "C" CUresult cuModuleLoadData(void **, const void *) {
    return call([] {
        refuse_while_capturing();
        throw CUDA_ERROR_NOT_SUPPORTED;
    });
}

// cuDNN loads what it compiled in order to finish a plan; nothing of it is ever launched.
extern "C" CUresult cuLibraryLoadData(void **library) {
    static int handle;
    *library = &handle;
    return CUDA_SUCCESS;
}
extern "C" CUresult cuLibraryGetKernel(void **kernel) {
    static int handle;
    *kernel = &handle;
    return CUDA_SUCCESS;
}

// Versions without a suffix, by which older programs and cuDNN ask.
#undef cuDevicePrimaryCtxRelease
#undef cuDevicePrimaryCtxReset
#undef cuDevicePrimaryCtxSetFlags
#undef cuCtxPushCurrent
#undef cuCtxPopCurrent
extern "C" {
CUresult cuDevicePrimaryCtxRelease(CUdevice device) {
    return cuDevicePrimaryCtxRelease_v2(device);
}
CUresult cuDevicePrimaryCtxReset(CUdevice device) {
    return cuDevicePrimaryCtxReset_v2(device);
}
CUresult cuDevicePrimaryCtxSetFlags(CUdevice device, unsigned flags) {
    return cuDevicePrimaryCtxSetFlags_v2(device, flags);
}
CUresult cuCtxPushCurrent(CUcontext context) {
    return cuCtxPushCurrent_v2(context);
}
CUresult cuCtxPopCurrent(CUcontext *context) {
    return cuCtxPopCurrent_v2(context);
}
}
