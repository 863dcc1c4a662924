// SPDX-License-Identifier: BSD-2-Clause
// Memory: each allocation between guard bands, filled with NaN, aligned as the device aligns it
// and no better. Device memory can be touched only while the device runs.
#include <sys/mman.h>

#include <algorithm>
#include <cstring>
#include <span>

#include "device/sanitizers.h"
#include "driver/world.h"

using namespace emulated;

namespace {

constexpr size_t kPage = 4096;
constexpr size_t kAlignment = 512;  // of the real allocator
constexpr size_t kGuard = 4096;     // at least, on either side
constexpr unsigned char kUnwritten = 0xFF;

size_t mapped_bytes(size_t bytes) {
    return (kGuard + kAlignment + bytes + kGuard + kPage - 1) / kPage * kPage;
}

unsigned char *mapping(const Allocation &allocation) {
    return reinterpret_cast<unsigned char *>(allocation.begin - kGuard - kAlignment);
}

std::span<unsigned char> front(const Allocation &allocation) {
    return {mapping(allocation), kGuard + kAlignment};
}

std::span<unsigned char> back(const Allocation &allocation) {
    unsigned char *end = reinterpret_cast<unsigned char *>(allocation.begin + allocation.bytes);
    return {end, mapping(allocation) + mapped_bytes(allocation.bytes)};
}

void protect(const Allocation &allocation, bool accessible) {
    if (allocation.kind == Memory::device)
        mprotect(mapping(allocation), mapped_bytes(allocation.bytes),
                 accessible ? PROT_READ | PROT_WRITE : PROT_NONE);
}

void *allocate(size_t bytes, Memory kind) {
    refuse_while_capturing();
    const CUcontext context = current_context();
    require(bytes > 0, CUDA_ERROR_INVALID_VALUE);
    count_allocation();
    require(bytes <= free_memory(context->device), CUDA_ERROR_OUT_OF_MEMORY);
    void *map = mmap(nullptr, mapped_bytes(bytes), PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    require(map != MAP_FAILED, CUDA_ERROR_OUT_OF_MEMORY);
    const uintptr_t begin = reinterpret_cast<uintptr_t>(map) + kGuard + kAlignment;
    const Allocation &allocation =
        world().memory.insert({begin, {begin, bytes, kind, context, 0}}).first->second;
    std::memset(reinterpret_cast<void *>(begin), kUnwritten, bytes);
    paint_guards(begin, kUnwritten);
    if (world().running == 0) protect(allocation, false);
    return reinterpret_cast<void *>(begin);
}

void forget(const Allocation &allocation) {
    const AccessGuard access;
    check_guards(allocation, "a free");
    asan_allow(mapping(allocation), mapped_bytes(allocation.bytes));
    munmap(mapping(allocation), mapped_bytes(allocation.bytes));
    world().memory.erase(allocation.begin);
}

const Allocation &exactly(uintptr_t address) {
    const auto at = world().memory.find(address);
    require(at != world().memory.end(), CUDA_ERROR_INVALID_VALUE);
    return at->second;
}

}  // namespace

namespace emulated {

AccessGuard::AccessGuard() {
    if (world().running++ == 0)
        for (const auto &[begin, allocation] : world().memory) protect(allocation, true);
}

AccessGuard::~AccessGuard() {
    if (--world().running == 0)
        for (const auto &[begin, allocation] : world().memory) protect(allocation, false);
}

const Allocation *find(uintptr_t address) {
    auto after = world().memory.upper_bound(address);
    if (after == world().memory.begin()) return nullptr;
    const Allocation &allocation = std::prev(after)->second;
    return address <= allocation.begin + allocation.bytes ? &allocation : nullptr;
}

size_t free_memory(CUdevice device) {
    size_t used = 0;
    for (const auto &[begin, allocation] : world().memory)
        if (allocation.kind != Memory::pinned && allocation.context->device == device)
            used += allocation.bytes;
    return world().device_memory - used;
}

void paint_guards(uintptr_t begin, unsigned char byte) {
    Allocation &allocation = world().memory.at(begin);
    allocation.guard = byte;
    for (const auto guard : {front(allocation), back(allocation)}) {
        asan_allow(guard.data(), guard.size());
        std::fill(guard.begin(), guard.end(), byte);
        asan_forbid(guard.data(), guard.size());
    }
}

void check_guards(const Allocation &allocation, const std::string &who) {
    bool intact = true;
    for (const auto guard : {front(allocation), back(allocation)}) {
        asan_allow(guard.data(), guard.size());
        intact &= std::all_of(guard.begin(), guard.end(),
                              [&](unsigned char byte) { return byte == allocation.guard; });
        asan_forbid(guard.data(), guard.size());
    }
    if (intact) return;
    fault(who + ": a write outside of an allocation of " + std::to_string(allocation.bytes) +
          " bytes");
    paint_guards(allocation.begin, allocation.guard);
}

void check_guards() {
    const AccessGuard access;
    for (const auto &[begin, allocation] : world().memory)
        check_guards(allocation, "something since the last check");
}

void forget_memory(CUcontext context) {
    std::vector<Allocation> left;
    for (const auto &[begin, allocation] : world().memory)
        if (allocation.context == context) left.push_back(allocation);
    for (const Allocation &allocation : left) {
        world().abandoned_bytes += allocation.bytes;
        forget(world().memory.at(allocation.begin));
    }
}

}  // namespace emulated

CUresult cuMemGetInfo(size_t *free, size_t *total) {
    return call([&] {
        *free = free_memory(current_context()->device);
        *total = world().device_memory;
    });
}

CUresult cuMemAlloc(CUdeviceptr *address, size_t bytes) {
    return call([&] { *address = reinterpret_cast<CUdeviceptr>(allocate(bytes, Memory::device)); });
}

CUresult cuMemAllocPitch(CUdeviceptr *address, size_t *pitch, size_t width, size_t height,
                         unsigned element) {
    return call([&] {
        require(element == 4 || element == 8 || element == 16, CUDA_ERROR_INVALID_VALUE);
        *pitch = (width + kAlignment - 1) / kAlignment * kAlignment;
        *address = reinterpret_cast<CUdeviceptr>(allocate(*pitch * height, Memory::device));
    });
}

CUresult cuMemAllocManaged(CUdeviceptr *address, size_t bytes, unsigned) {
    return call(
        [&] { *address = reinterpret_cast<CUdeviceptr>(allocate(bytes, Memory::managed)); });
}

CUresult cuMemHostAlloc(void **address, size_t bytes, unsigned) {
    return call([&] { *address = allocate(bytes, Memory::pinned); });
}

// As the real one, waits for work in its context.
CUresult cuMemFree(CUdeviceptr address) {
    return give_back([&] {
        if (!address) return;
        refuse_while_capturing();
        const Allocation &allocation = exactly(address);
        require(allocation.kind != Memory::pinned, CUDA_ERROR_INVALID_VALUE);
        drain_context(allocation.context);
        forget(allocation);
    });
}

CUresult cuMemFreeHost(void *address) {
    return give_back([&] {
        refuse_while_capturing();
        const Allocation &allocation = exactly(reinterpret_cast<uintptr_t>(address));
        require(allocation.kind == Memory::pinned, CUDA_ERROR_INVALID_VALUE);
        drain_context(allocation.context);
        forget(allocation);
    });
}
