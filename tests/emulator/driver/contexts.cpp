// SPDX-License-Identifier: BSD-2-Clause
// Devices, contexts, the stack of current ones.
#include <algorithm>
#include <cstdio>

#include "driver/limits.h"
#include "driver/world.h"
#include "emulator/control.h"

using namespace emulated;

namespace {

thread_local std::vector<CUcontext> current;

void check(CUdevice device) {
    require(device >= 0 && device < static_cast<int>(world().devices.size()),
            CUDA_ERROR_INVALID_DEVICE);
}

Device &device_at(CUdevice device) {
    check(device);
    return world().devices[device];
}

CUcontext alive(CUcontext context) {
    require(world().contexts.count(context), CUDA_ERROR_INVALID_CONTEXT);
    return context;
}

void release_primary(Device &device) {
    if (device.primary) end_context(device.primary.get());
    device.primary.reset();
    device.retained = 0;
}

}  // namespace

namespace emulated {

World &world() {
    static World &one = *new World;
    return one;
}

CUcontext current_context() {
    require(!current.empty() && current.back(), CUDA_ERROR_INVALID_CONTEXT);
    require(world().contexts.count(current.back()), CUDA_ERROR_CONTEXT_IS_DESTROYED);
    require(current.back()->error == CUDA_SUCCESS, current.back()->error);
    return current.back();
}

std::unique_ptr<CUctx_st> make_context(CUdevice device) {
    check(device);
    auto context = std::make_unique<CUctx_st>();
    context->device = device;
    context->null_stream = std::make_shared<CUstream_st>();
    context->null_stream->context = context.get();
    world().contexts.insert(context.get());
    return context;
}

// Its memory, streams and events go with it.
void end_context(CUcontext context) {
    drain_context(context);
    forget_memory(context);
    world().abandoned_streams += std::erase_if(
        world().streams, [&](auto &stream) { return stream.second->context == context; });
    world().abandoned_events += std::erase_if(world().events, [&](CUevent event) {
        if (event->context != context) return false;
        delete event;
        return true;
    });
    world().contexts.erase(context);
}

void reset() {
    std::lock_guard lock(world().mutex);
    for (const CUcontext context : std::set(world().contexts)) {
        context->error = CUDA_SUCCESS;
        const bool primary =
            std::any_of(world().devices.begin(), world().devices.end(),
                        [&](const Device &device) { return device.primary.get() == context; });
        end_context(context);
        if (!primary) delete context;
    }
    for (Device &device : world().devices) device = {};
    current.clear();
    world().calls = world().allocations = 0;
    world().calls_to_failure = world().allocations_to_failure = 0;
    world().abandoned_bytes = world().abandoned_streams = world().abandoned_events = 0;
    take_faults();
}

}  // namespace emulated

CUresult cuInit(unsigned flags) {
    std::lock_guard lock(world().mutex);
    if (flags != 0) return CUDA_ERROR_INVALID_VALUE;
    if (world().devices.empty()) return CUDA_ERROR_NO_DEVICE;
    world().initialised = true;
    return CUDA_SUCCESS;
}

CUresult cuDriverGetVersion(int *version) {
    *version = CUDA_VERSION;
    return CUDA_SUCCESS;
}

CUresult cuDeviceGetCount(int *count) {
    return call([&] { *count = static_cast<int>(world().devices.size()); });
}

CUresult cuDeviceGet(CUdevice *device, int ordinal) {
    return call([&] {
        check(ordinal);
        *device = ordinal;
    });
}

CUresult cuDeviceGetName(char *name, int bytes, CUdevice device) {
    return call([&] {
        check(device);
        std::snprintf(name, bytes, "Emulated device %d", device);
    });
}

CUresult cuDeviceGetUuid(CUuuid *uuid, CUdevice device) {
    return call([&] {
        check(device);
        *uuid = {"mdrn emulated "};
        uuid->bytes[15] = static_cast<char>(device);
    });
}

CUresult cuDeviceGetAttribute(int *value, CUdevice_attribute attribute, CUdevice device) {
    return call([&] {
        check(device);
        *value = device_attribute(world().capability, attribute);
    });
}

CUresult cuDeviceComputeCapability(int *major, int *minor, CUdevice device) {
    return call([&] {
        check(device);
        *major = world().capability / 10;
        *minor = world().capability % 10;
    });
}

CUresult cuDeviceTotalMem(size_t *bytes, CUdevice device) {
    return call([&] {
        check(device);
        *bytes = world().device_memory;
    });
}

CUresult cuDevicePrimaryCtxRetain(CUcontext *context, CUdevice device) {
    return call([&] {
        Device &at = device_at(device);
        if (!at.primary) at.primary = make_context(device);
        ++at.retained;
        *context = at.primary.get();
    });
}

CUresult cuDevicePrimaryCtxRelease(CUdevice device) {
    return give_back([&] {
        Device &at = device_at(device);
        require(at.retained > 0, CUDA_ERROR_INVALID_CONTEXT);
        if (--at.retained == 0) release_primary(at);
    });
}

CUresult cuDevicePrimaryCtxReset(CUdevice device) {
    return give_back([&] { release_primary(device_at(device)); });
}

CUresult cuDevicePrimaryCtxSetFlags(CUdevice device, unsigned flags) {
    return call([&] { device_at(device).flags = flags; });
}

CUresult cuDevicePrimaryCtxGetState(CUdevice device, unsigned *flags, int *active) {
    return call([&] {
        *flags = device_at(device).flags;
        *active = device_at(device).primary != nullptr;
    });
}

CUresult cuCtxCreate(CUcontext *context, unsigned, CUdevice device) {
    return call([&] {
        *context = make_context(device).release();
        current.push_back(*context);
    });
}

CUresult cuCtxDestroy(CUcontext context) {
    return give_back([&] {
        alive(context);
        for (const Device &device : world().devices)
            require(device.primary.get() != context, CUDA_ERROR_INVALID_CONTEXT);
        if (!current.empty() && current.back() == context) current.pop_back();
        end_context(context);
        delete context;
    });
}

CUresult cuCtxPushCurrent(CUcontext context) {
    return call([&] { current.push_back(alive(context)); });
}

CUresult cuCtxPopCurrent(CUcontext *context) {
    return give_back([&] {
        require(!current.empty(), CUDA_ERROR_INVALID_CONTEXT);
        if (context) *context = current.back();
        current.pop_back();
    });
}

CUresult cuCtxSetCurrent(CUcontext context) {
    return call([&] {
        if (context) alive(context);
        if (!current.empty()) current.pop_back();
        if (context) current.push_back(context);
    });
}

CUresult cuCtxGetCurrent(CUcontext *context) {
    return call([&] { *context = current.empty() ? nullptr : current.back(); });
}

CUresult cuCtxGetDevice(CUdevice *device) {
    return call([&] { *device = current_context()->device; });
}

CUresult cuCtxSetLimit(CUlimit limit, size_t) {
    return call([&] {
        current_context();
        require(limit < CU_LIMIT_MAX, CUDA_ERROR_INVALID_VALUE);
    });
}

CUresult cuCtxGetLimit(size_t *value, CUlimit limit) {
    return call([&] {
        current_context();
        require(limit == CU_LIMIT_STACK_SIZE, CUDA_ERROR_NOT_SUPPORTED);
        *value = 1024;
    });
}

CUresult cuCtxSynchronize() {
    return call([&] {
        refuse_while_capturing();
        const CUcontext context = current_context();
        drain_context(context);
        require(context->error == CUDA_SUCCESS, context->error);
    });
}
