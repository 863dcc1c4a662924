// SPDX-License-Identifier: BSD-2-Clause
// Copies and fills. All are two-dimensional ones: rows of `width` bytes, `pitch` apart.
//
// As on a device, host memory that is not pinned is read before an asynchronous call returns, and
// written before it returns.
#include <cstring>
#include <utility>

#include "driver/world.h"

using namespace emulated;

namespace {

struct Rows {
    uintptr_t begin = 0;
    size_t pitch = 0;
};

struct Copy {
    Rows to;
    Rows from;
    size_t width = 0;
    size_t height = 1;

    bool empty() const { return width == 0 || height == 0; }
    size_t span(const Rows &rows) const { return (height - 1) * rows.pitch + width; }
    void run() const {
        for (size_t y = 0; y < height; ++y)
            std::memcpy(reinterpret_cast<void *>(to.begin + y * to.pitch),
                        reinterpret_cast<const void *>(from.begin + y * from.pitch), width);
    }
};

enum class Place { host, device, unified };

// Memory of ours that the rows are in, all of them; nullptr for the host's.
const Allocation *check(const Copy &copy, const Rows &rows, Place place) {
    require(rows.pitch >= copy.width, CUDA_ERROR_INVALID_VALUE);
    const Allocation *allocation = find(rows.begin);
    const bool on_device = allocation && allocation->kind != Memory::pinned;
    require(place != Place::device || on_device, CUDA_ERROR_INVALID_VALUE);
    require(place != Place::host || !on_device || allocation->kind == Memory::managed,
            CUDA_ERROR_INVALID_VALUE);
    if (!allocation) return nullptr;
    require(!on_device || allocation->context == current_context(), CUDA_ERROR_INVALID_VALUE);
    require(rows.begin + copy.span(rows) <= allocation->begin + allocation->bytes,
            CUDA_ERROR_INVALID_VALUE);
    return allocation;
}

void copy_rows(Copy copy, Place to, Place from, CUstream stream, bool wait) {
    current_context();
    if (wait) refuse_while_capturing();
    if (copy.empty()) return;
    const Allocation *target = check(copy, copy.to, to);
    const Allocation *source = check(copy, copy.from, from);

    const std::shared_ptr<CUstream_st> on = resolve(stream);
    Work work{"a copy", {}, {}, {}};
    if (target) work.uses.push_back({copy.to.begin, copy.span(copy.to)});
    if (source) work.uses.push_back({copy.from.begin, copy.span(copy.from)});
    if (source || wait || on->capture) {
        work.run = [copy] { copy.run(); };
    } else {
        std::vector<unsigned char> staging(copy.width * copy.height);
        Copy in = copy;
        in.to = {reinterpret_cast<uintptr_t>(staging.data()), copy.width};
        in.run();
        work.run = [copy, staging = std::move(staging)] {
            Copy out = copy;
            out.from = {reinterpret_cast<uintptr_t>(staging.data()), copy.width};
            out.run();
        };
    }
    enqueue(stream, std::move(work));
    if (wait || (!target && !on->capture)) drain({on, on->issued});
}

CUresult copy_bytes(uintptr_t to, uintptr_t from, size_t bytes, Place to_place, Place from_place,
                    CUstream stream, bool wait) {
    return call([&] {
        copy_rows({{to, bytes}, {from, bytes}, bytes, 1}, to_place, from_place, stream, wait);
    });
}

uintptr_t number(const void *address) {
    return reinterpret_cast<uintptr_t>(address);
}

Place place(CUmemorytype type) {
    switch (type) {
        case CU_MEMORYTYPE_HOST:
            return Place::host;
        case CU_MEMORYTYPE_DEVICE:
            return Place::device;
        case CU_MEMORYTYPE_UNIFIED:
            return Place::unified;
        case CU_MEMORYTYPE_ARRAY:
            throw CUDA_ERROR_NOT_SUPPORTED;
    }
    throw CUDA_ERROR_INVALID_VALUE;
}

CUresult copy_2d(const CUDA_MEMCPY2D *p, CUstream stream, bool wait) {
    return call([&] {
        require(p != nullptr, CUDA_ERROR_INVALID_VALUE);
        const Place to = place(p->dstMemoryType);
        const Place from = place(p->srcMemoryType);
        Copy copy;
        copy.width = p->WidthInBytes;
        copy.height = p->Height;
        copy.to = {to == Place::host ? number(p->dstHost) : p->dstDevice, p->dstPitch};
        copy.from = {from == Place::host ? number(p->srcHost) : p->srcDevice, p->srcPitch};
        copy.to.begin += p->dstY * p->dstPitch + p->dstXInBytes;
        copy.from.begin += p->srcY * p->srcPitch + p->srcXInBytes;
        copy_rows(copy, to, from, stream, wait);
    });
}

}  // namespace

CUresult cuMemcpy(CUdeviceptr to, CUdeviceptr from, size_t bytes) {
    return copy_bytes(to, from, bytes, Place::unified, Place::unified, nullptr, true);
}
CUresult cuMemcpyAsync(CUdeviceptr to, CUdeviceptr from, size_t bytes, CUstream stream) {
    return copy_bytes(to, from, bytes, Place::unified, Place::unified, stream, false);
}
CUresult cuMemcpyHtoD(CUdeviceptr to, const void *from, size_t bytes) {
    return copy_bytes(to, number(from), bytes, Place::device, Place::host, nullptr, true);
}
CUresult cuMemcpyDtoH(void *to, CUdeviceptr from, size_t bytes) {
    return copy_bytes(number(to), from, bytes, Place::host, Place::device, nullptr, true);
}
CUresult cuMemcpyDtoD(CUdeviceptr to, CUdeviceptr from, size_t bytes) {
    return copy_bytes(to, from, bytes, Place::device, Place::device, nullptr, true);
}
CUresult cuMemcpyHtoDAsync(CUdeviceptr to, const void *from, size_t bytes, CUstream stream) {
    return copy_bytes(to, number(from), bytes, Place::device, Place::host, stream, false);
}
CUresult cuMemcpyDtoHAsync(void *to, CUdeviceptr from, size_t bytes, CUstream stream) {
    return copy_bytes(number(to), from, bytes, Place::host, Place::device, stream, false);
}
CUresult cuMemcpyDtoDAsync(CUdeviceptr to, CUdeviceptr from, size_t bytes, CUstream stream) {
    return copy_bytes(to, from, bytes, Place::device, Place::device, stream, false);
}
CUresult cuMemcpy2D(const CUDA_MEMCPY2D *copy) {
    return copy_2d(copy, nullptr, true);
}
CUresult cuMemcpy2DAsync(const CUDA_MEMCPY2D *copy, CUstream stream) {
    return copy_2d(copy, stream, false);
}

CUresult cuMemsetD8Async(CUdeviceptr to, unsigned char value, size_t bytes, CUstream stream) {
    return call([&] {
        current_context();
        const Copy fill{{to, bytes}, {}, bytes, 1};
        if (fill.empty()) return;
        check(fill, fill.to, Place::device);
        enqueue(stream, {"a fill",
                         [=] { std::memset(reinterpret_cast<void *>(to), value, bytes); },
                         {{to, bytes}},
                         {}});
    });
}
