// SPDX-License-Identifier: BSD-2-Clause
// Handles, and how a plan becomes work on a handle's stream.
#include "execute.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <mutex>
#include <set>

#include "convolve.h"
#include "descriptor.h"
#include "driver/world.h"

// A handle holds some device memory, as the real one does.
struct cudnnContext {
    CUcontext context = nullptr;
    CUstream stream = nullptr;
    void *memory = nullptr;
};

namespace emulated::cudnn {

namespace {

std::set<cudnnHandle_t> handles;

// Throws Refusal where the bytes are not all in one allocation of the context.
Range range(const cudnnContext &handle, const void *pointer, int64_t bytes, int64_t alignment,
            const std::string &name) {
    const auto begin = reinterpret_cast<uintptr_t>(pointer);
    require(pointer, CUDNN_STATUS_BAD_PARAM_NULL_POINTER, name + " is null");
    require(begin % size_t(alignment) == 0, CUDNN_STATUS_BAD_PARAM_MISALIGNED_POINTER,
            name + " is not aligned to " + std::to_string(alignment) + " bytes");
    const Allocation *allocation = find(begin);
    require(
        allocation && allocation->kind == Memory::device && allocation->context == handle.context,
        CUDNN_STATUS_BAD_PARAM_OUT_OF_BOUND, name + " is not in the context's device memory");
    require(begin + size_t(bytes) <= allocation->begin + allocation->bytes,
            CUDNN_STATUS_BAD_PARAM_OUT_OF_BOUND, name + " ends beyond its allocation");
    return {begin, size_t(bytes)};
}

bool overlap(const Range &a, const Range &b) {
    return a.begin < b.begin + b.bytes && b.begin < a.begin + a.bytes;
}

Work work_of(const cudnnContext &handle, const Descriptor &plan, const Descriptor &pack) {
    const Convolution &c = plan.convolution;
    const auto ids = pack.all<int64_t>(CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS);
    const auto pointers = pack.all<void *>(CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS);
    const auto tensor = [&](int64_t id, int64_t elements, const char *name) {
        const auto at = std::ranges::find(ids, id);
        require(at != ids.end(), CUDNN_STATUS_BAD_PARAM,
                std::string("the variant pack lacks ") + name);
        return range(handle, pointers[size_t(at - ids.begin())], elements * (c.half ? 2 : 4),
                     c.alignment, name);
    };
    std::vector<Range> uses{tensor(c.y, c.height * c.width * c.outputs, "y"),
                            tensor(c.x, c.height * c.width * c.inputs, "x"),
                            tensor(c.weight, c.outputs * c.kernel * c.kernel * c.inputs, "w")};
    if (plan.engine.workspace > 0) {
        uses.push_back(range(handle, pack.one<void *>(CUDNN_ATTR_VARIANT_PACK_WORKSPACE),
                             plan.engine.workspace, 16, "the workspace"));
    }
    for (size_t i = 0; i < uses.size(); i++)
        for (size_t j = 0; j < i; j++)
            require(!overlap(uses[i], uses[j]) || (i == 2 && j == 1), CUDNN_STATUS_BAD_PARAM,
                    "y or the workspace overlaps something");

    const bool tf32 = plan.engine.index == 47 && !c.half;
    return {"a convolution of cuDNN",
            [c, uses, tf32] {
                const auto at = [&uses](size_t i) {
                    return reinterpret_cast<void *>(uses[i].begin);
                };
                if (uses.size() > 3) std::memset(at(3), 0xFF, uses[3].bytes);
                convolve(c, tf32, at(1), at(2), at(0));
            },
            uses,
            {}};
}

// A call that uses the device. Its errors are thrown as CUresult.
template <typename Body>
cudnnStatus_t with_device(Body body) noexcept {
    return answer([&] {
        std::lock_guard lock(world().mutex);
        try {
            body();
        } catch (CUresult error) {
            const char *name = nullptr;
            cuGetErrorName(error, &name);
            throw Refusal{error == CUDA_ERROR_OUT_OF_MEMORY
                              ? CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED
                              : CUDNN_STATUS_EXECUTION_FAILED_CUDA_DRIVER,
                          name ? name : "an unknown error"};
        }
    });
}

void check(CUresult result) {
    if (result != CUDA_SUCCESS) throw result;
}
void check(cudaError_t result) {
    check(static_cast<CUresult>(result));
}

// The real one may look at the stream that it had until it is given another.
void look_at_stream(const cudnnContext &handle) {
    if (handle.stream && !world().streams.contains(handle.stream))
        fault("cuDNN's handle has a stream that is destroyed");
}

}  // namespace

void require_handle(cudnnHandle_t handle) {
    require(handle, CUDNN_STATUS_BAD_PARAM, "the handle is null");
    std::lock_guard lock(world().mutex);
    require(handles.contains(handle), CUDNN_STATUS_BAD_PARAM, "the handle is none, or destroyed");
    CUcontext current = nullptr;
    cuCtxGetCurrent(&current);
    require(handle->context == current, CUDNN_STATUS_BAD_PARAM,
            "the handle is another context's than the current one");
}

}  // namespace emulated::cudnn

using namespace emulated::cudnn;

extern "C" {

cudnnStatus_t cudnnCreate(cudnnHandle_t *handle) {
    return with_device([&] {
        require(handle, CUDNN_STATUS_BAD_PARAM, "there is nowhere to write the handle");
        auto made = std::make_unique<cudnnContext>();
        check(cudaMalloc(&made->memory, 1024));  // where no context is current, in the first
        made->context = emulated::current_context();
        *handle = made.release();
        handles.insert(*handle);
    });
}

cudnnStatus_t cudnnDestroy(cudnnHandle_t handle) {
    return with_device([&] {
        if (!handle) return;
        require_handle(handle);
        look_at_stream(*handle);
        void *const memory = handle->memory;
        handles.erase(handle);
        delete handle;
        check(cudaFree(memory));
    });
}

cudnnStatus_t cudnnSetStream(cudnnHandle_t handle, cudaStream_t stream) {
    return with_device([&] {
        require_handle(handle);
        look_at_stream(*handle);
        CUcontext context = handle->context;
        if (stream) check(cuStreamGetCtx(stream, &context));
        require(context == handle->context, CUDNN_STATUS_BAD_PARAM_STREAM_MISMATCH,
                "the stream is another context's than the handle");
        handle->stream = stream;
    });
}

cudnnStatus_t cudnnBackendExecute(cudnnHandle_t handle, cudnnBackendDescriptor_t plan,
                                  cudnnBackendDescriptor_t pack) {
    return with_device([&] {
        require_handle(handle);
        const Descriptor &p = alive(plan), &v = alive(pack);
        require(p.type == CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR &&
                    v.type == CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR,
                CUDNN_STATUS_BAD_PARAM_DESCRIPTOR_TYPE, "not a plan and a variant pack");
        require(p.finalized && v.finalized, CUDNN_STATUS_BAD_PARAM_NOT_FINALIZED,
                "the plan or the variant pack is not finalized");
        require(p.one<cudnnHandle_t>(CUDNN_ATTR_EXECUTION_PLAN_HANDLE) == handle,
                CUDNN_STATUS_BAD_PARAM, "the plan was made for another handle");
        emulated::enqueue(handle->stream, work_of(*handle, p, v));
    });
}

size_t cudnnGetVersion() {
    return CUDNN_VERSION;
}

size_t cudnnGetCudartVersion() {
    const char *version = std::getenv("MDRN_EMULATED_CUDNN_CUDA");
    return version ? size_t(std::atoi(version)) : 13000;
}

const char *cudnnGetErrorString(cudnnStatus_t status) {
    switch (status) {
        case CUDNN_STATUS_SUCCESS:
            return "CUDNN_STATUS_SUCCESS";
        case CUDNN_STATUS_NOT_INITIALIZED:
            return "CUDNN_STATUS_NOT_INITIALIZED";
        case CUDNN_STATUS_NOT_SUPPORTED:
            return "CUDNN_STATUS_NOT_SUPPORTED";
        case CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED:
            return "CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED";
        default:
            return "a status of the stand-in's";
    }
}

void cudnnGetLastErrorString(char *message, size_t size) {
    if (message && size > 0) std::snprintf(message, size, "%s", last_error().c_str());
}
}
