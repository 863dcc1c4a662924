// SPDX-License-Identifier: BSD-2-Clause
// Launches: refused where a device would refuse them, else put on the stream.
//
// Unless told not to, a kernel runs twice on the same memory: threads and blocks the other way
// round, and other bytes in unwritten shared memory and in the guard bands. Results that differ
// show a barrier that is missing, or a read of what nobody wrote.
#include "device/launch.h"

#include <cstring>
#include <map>
#include <set>

#include "device/block.h"
#include "device/names.h"
#include "driver/limits.h"
#include "driver/world.h"

namespace emulated {
namespace {

constexpr unsigned char kPoison[] = {0xFF, 0x4A};  // NaN; 3.3e6, or 12.6 as half

std::map<const void *, size_t> opted_in;    // kernel -> bytes of shared memory
std::map<const void *, std::string> names;  // of kernels

const std::string &remembered_name(const void *function) {
    std::string &name = names[function];
    if (name.empty()) name = name_of(function);
    return name;
}

struct Contents {
    Allocation allocation;
    std::vector<unsigned char> bytes;
};

unsigned char *bytes_of(const Allocation &allocation) {
    return reinterpret_cast<unsigned char *>(allocation.begin);
}

std::vector<Contents> contents(const std::vector<Allocation> &allocations) {
    std::vector<Contents> all;
    for (const Allocation &a : allocations)
        all.push_back({a, {bytes_of(a), bytes_of(a) + a.bytes}});
    return all;
}

void restore(const std::vector<Contents> &all) {
    for (const Contents &c : all)
        std::memcpy(bytes_of(c.allocation), c.bytes.data(), c.bytes.size());
}

// What the kernel's arguments point into.
std::vector<Allocation> allocations_of(const Kernel &kernel) {
    std::set<const Allocation *> found;
    for (const uintptr_t address : kernel.addresses)
        if (const Allocation *allocation = find(address)) found.insert(allocation);
    std::vector<Allocation> allocations;
    for (const Allocation *allocation : found) allocations.push_back(*allocation);
    return allocations;
}

void run_once(const std::string &name, const Grid &grid, const Kernel &kernel,
              const std::vector<Allocation> &allocations, bool reversed) {
    const unsigned char poison = kPoison[reversed];
    for (const Allocation &a : allocations) paint_guards(a.begin, poison);
    try {
        block().run(grid, kernel.thread, {world().seed, reversed, poison});
    } catch (const Misuse &misuse) {
        fault(name + ": " + misuse.what());
        throw CUDA_ERROR_LAUNCH_FAILED;
    }
    for (const Allocation &a : allocations) check_guards(world().memory.at(a.begin), name);
}

void run(const std::string &name, const Grid &grid, const Kernel &kernel,
         const std::vector<Allocation> &allocations) {
    if (!world().twice) return run_once(name, grid, kernel, allocations, false);
    const std::vector<Contents> before = contents(allocations);
    run_once(name, grid, kernel, allocations, true);
    const std::vector<Contents> first = contents(allocations);
    restore(before);
    run_once(name, grid, kernel, allocations, false);
    for (const Contents &c : first) {
        const unsigned char *now = bytes_of(c.allocation);
        if (std::memcmp(now, c.bytes.data(), c.bytes.size()) == 0) continue;
        size_t at = 0;
        while (now[at] == c.bytes[at]) ++at;
        fault(name + ": its result depends on the order of threads or on unwritten memory (byte " +
              std::to_string(at) + " of an allocation of " + std::to_string(c.bytes.size()) + ")");
    }
}

bool within_limits(const cudaLaunchConfig_t &config) {
    const auto limit = [](CUdevice_attribute attribute) {
        return static_cast<unsigned>(device_attribute(world().capability, attribute));
    };
    const dim3 &grid = config.gridDim;
    const dim3 &threads = config.blockDim;
    return grid.x > 0 && grid.y > 0 && grid.z > 0 && threads.x > 0 && threads.y > 0 &&
           threads.z > 0 && grid.x <= limit(CU_DEVICE_ATTRIBUTE_MAX_GRID_DIM_X) &&
           grid.y <= limit(CU_DEVICE_ATTRIBUTE_MAX_GRID_DIM_Y) &&
           grid.z <= limit(CU_DEVICE_ATTRIBUTE_MAX_GRID_DIM_Z) &&
           threads.x <= limit(CU_DEVICE_ATTRIBUTE_MAX_BLOCK_DIM_X) &&
           threads.y <= limit(CU_DEVICE_ATTRIBUTE_MAX_BLOCK_DIM_Y) &&
           threads.z <= limit(CU_DEVICE_ATTRIBUTE_MAX_BLOCK_DIM_Z) &&
           uint64_t{threads.x} * threads.y * threads.z <=
               limit(CU_DEVICE_ATTRIBUTE_MAX_THREADS_PER_BLOCK);
}

size_t shared_limit(const void *function) {
    const auto at = opted_in.find(function);
    return at != opted_in.end() ? at->second : size_t{48} << 10;
}

CUresult check_pointers(const Kernel &kernel, const std::string &name) {
    const CUcontext context = current_context();
    for (const uintptr_t pointer : kernel.pointers) {
        if (!pointer) continue;
        const Allocation *allocation = find(pointer);
        if (allocation && (allocation->context == context || allocation->kind == Memory::pinned))
            continue;
        fault(name + ": an argument points " +
              (allocation ? "into another context's memory" : "to memory of the host"));
        return context->error = CUDA_ERROR_ILLEGAL_ADDRESS;
    }
    return CUDA_SUCCESS;
}

}  // namespace

CUresult put(const cudaLaunchConfig_t &config, const Kernel &kernel) {
    return call([&] {
        const std::string name = remembered_name(kernel.function);
        const CUresult pointers = check_pointers(kernel, name);
        require(pointers == CUDA_SUCCESS, pointers);
        const std::vector<Allocation> allocations = allocations_of(kernel);
        Work work{name, {}, {}, {}};
        for (const Allocation &a : allocations) work.uses.push_back({a.begin, a.bytes});
        work.run = [=, grid = Grid{config.gridDim, config.blockDim, config.dynamicSmemBytes}] {
            run(name, grid, kernel, allocations);
        };
        enqueue(config.stream, std::move(work));
    });
}

cudaError_t check(const cudaLaunchConfig_t &config, const void *function) {
    std::lock_guard lock(world().mutex);
    if (!within_limits(config)) return cudaErrorInvalidConfiguration;
    if (config.dynamicSmemBytes > shared_limit(function)) return cudaErrorInvalidValue;
    return cudaSuccess;
}

cudaError_t opt_in(const void *function, int bytes) {
    if (bytes < 0 || bytes > shared_optin(world().capability)) return cudaErrorInvalidValue;
    std::lock_guard lock(world().mutex);
    opted_in[function] = bytes;
    return cudaSuccess;
}

}  // namespace emulated
