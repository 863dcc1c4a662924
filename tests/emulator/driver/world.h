// SPDX-License-Identifier: BSD-2-Clause
// The emulated driver's state: devices, contexts, memory, streams. Everything is under one lock,
// device work too, so that one thing happens at a time and the same things in the same order.
//
// Work put on a stream is deferred until something waits for it (an event, the stream, the
// context): a synchronisation that is missing shows, as data that is still old.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "cuda.h"

namespace emulated {

// A point of a stream: its first `position` pieces of work.
struct Mark {
    std::shared_ptr<CUstream_st> stream;
    uint64_t position = 0;
};

// Bytes in emulated memory, or anywhere on the host.
struct Range {
    uintptr_t begin = 0;
    size_t bytes = 0;
};

struct Work {
    std::string name;
    std::function<void()> run;  // throws CUresult
    std::vector<Range> uses;
    std::vector<Mark> after;
};

enum class Memory { device, pinned, managed };

struct Allocation {
    uintptr_t begin;
    size_t bytes;
    Memory kind;
    CUcontext context;
    unsigned char guard;  // what the bands around it hold
};

}  // namespace emulated

struct CUctx_st {
    CUdevice device = 0;
    unsigned flags = 0;
    std::shared_ptr<CUstream_st> null_stream;
    CUresult error = CUDA_SUCCESS;  // of a kernel; stays, as on a device
};

struct CUgraph_st {
    CUcontext context;
    std::vector<emulated::Work> work;
};

struct CUgraphExec_st {
    CUcontext context;
    std::shared_ptr<const std::vector<emulated::Work>> work;
};

struct CUstream_st {
    CUcontext context = nullptr;
    bool blocking = true;  // waits for the NULL stream, and the NULL stream for it
    std::deque<emulated::Work> queue;
    uint64_t issued = 0;
    uint64_t done = 0;

    std::unique_ptr<std::vector<emulated::Work>> capture;
    CUstreamCaptureMode mode = CU_STREAM_CAPTURE_MODE_GLOBAL;
    std::thread::id capturer;
    bool invalidated = false;
};

struct CUevent_st {
    CUcontext context = nullptr;
    emulated::Mark recorded;
    CUstream capturing = nullptr;  // recorded while this stream was being captured
};

namespace emulated {

struct Device {
    std::unique_ptr<CUctx_st> primary;
    int retained = 0;
    unsigned flags = 0;
};

struct World {
    World();
    std::recursive_mutex mutex;

    int capability;  // major x 10 + minor
    size_t device_memory;
    uint64_t seed;
    bool twice;
    float matrix_error = 0;
    bool eager;

    bool initialised = false;
    std::vector<Device> devices;
    std::set<CUcontext> contexts;
    std::map<CUstream, std::shared_ptr<CUstream_st>> streams;
    std::set<CUevent> events;
    std::set<CUgraph> graphs;
    std::set<CUgraphExec> execs;
    std::map<uintptr_t, Allocation> memory;  // by address
    int running = 0;                         // device work, nested

    uint64_t calls = 0;
    uint64_t allocations = 0;
    uint64_t calls_to_failure;
    uint64_t allocations_to_failure;
    // Left in contexts that were destroyed.
    uint64_t abandoned_bytes = 0;
    uint64_t abandoned_streams = 0;
    uint64_t abandoned_events = 0;
    std::vector<std::string> faults;
};
World &world();

// contexts.cpp
CUcontext current_context();  // throws INVALID_CONTEXT; a context's sticky error
std::unique_ptr<CUctx_st> make_context(CUdevice device);
void end_context(CUcontext context);

// memory.cpp
const Allocation *find(uintptr_t address);  // nullptr: not ours. The end counts as inside
size_t free_memory(CUdevice device);
void forget_memory(CUcontext context);
void paint_guards(uintptr_t begin, unsigned char byte);
void check_guards(const Allocation &allocation, const std::string &who);
void check_guards();

// While one lives, the device runs; else the host crashes where it touches device memory.
class AccessGuard {
public:
    AccessGuard();
    ~AccessGuard();
    AccessGuard(const AccessGuard &) = delete;
    AccessGuard &operator=(const AccessGuard &) = delete;
};

// streams.cpp
std::shared_ptr<CUstream_st> resolve(CUstream stream);
void enqueue(CUstream stream, Work work);
void drain(const Mark &mark);
void drain_context(CUcontext context);
void fault_if_in_use(uintptr_t address);
// While this thread captures, calls that could wait or allocate are refused and end the capture.
void refuse_while_capturing();

// report.cpp
void fault(const std::string &what);  // see emulator/control.h
void count_call();                    // throws where this one is to fail
void count_allocation();

// Every driver call: under the lock, counted, exceptions turned into codes.
template <class Body>
CUresult call(Body body, bool may_fail = true) noexcept {
    try {
        std::lock_guard lock(world().mutex);
        if (!world().initialised) return CUDA_ERROR_NOT_INITIALIZED;
        if (may_fail) count_call();
        body();
        return CUDA_SUCCESS;
    } catch (CUresult error) {
        return error;
    } catch (const std::bad_alloc &) {
        return CUDA_ERROR_OUT_OF_MEMORY;
    }
}

// Calls that give back what others took are not made to fail.
template <class Body>
CUresult give_back(Body body) noexcept {
    return call(body, false);
}

inline void require(bool condition, CUresult error) {
    if (!condition) throw error;
}

}  // namespace emulated
