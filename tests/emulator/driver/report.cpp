// SPDX-License-Identifier: BSD-2-Clause
// Faults, failures on demand, and what a process has to say at its end.
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <utility>

#include "driver/world.h"
#include "emulator/control.h"

namespace emulated {
namespace {

uint64_t setting(const char *name, uint64_t otherwise) {
    const char *text = std::getenv(name);
    return text ? std::strtoull(text, nullptr, 10) : otherwise;
}

// Counts down; true at the one that fails.
bool fails(uint64_t &left) {
    return left > 0 && --left == 0;
}

}  // namespace

World::World()
    : capability(static_cast<int>(setting("MDRN_EMULATED_CAPABILITY", 75))),
      device_memory(setting("MDRN_EMULATED_MEMORY", uint64_t{4} << 30)),
      seed(setting("MDRN_EMULATED_SEED", 1)),
      twice(setting("MDRN_EMULATED_TWICE", 1) != 0),
      eager(setting("MDRN_EMULATED_EAGER", 0) != 0),
      devices(setting("MDRN_EMULATED_DEVICES", 1)),
      calls_to_failure(setting("MDRN_EMULATED_FAIL_CALL", 0)),
      allocations_to_failure(setting("MDRN_EMULATED_FAIL_ALLOCATION", 0)) {}

void count_call() {
    ++world().calls;
    require(!fails(world().calls_to_failure), CUDA_ERROR_UNKNOWN);
}

void count_allocation() {
    ++world().allocations;
    require(!fails(world().allocations_to_failure), CUDA_ERROR_OUT_OF_MEMORY);
}

void fault(const std::string &what) {
    std::lock_guard lock(world().mutex);
    std::fprintf(stderr, "emulated device: %s (MDRN_EMULATED_SEED=%llu)\n", what.c_str(),
                 static_cast<unsigned long long>(world().seed));
    world().faults.push_back(what);
}

std::vector<std::string> take_faults() {
    std::lock_guard lock(world().mutex);
    return std::exchange(world().faults, {});
}

void fail_allocation(uint64_t nth) {
    world().allocations_to_failure = nth;
}
void fail_call(uint64_t nth) {
    world().calls_to_failure = nth;
}
void set_capability(int capability) {
    world().capability = capability;
}
void set_seed(uint64_t seed) {
    world().seed = seed;
}
void set_twice(bool twice) {
    world().twice = twice;
}
void set_eager(bool eager) {
    world().eager = eager;
}

void set_matrix_error(float proportion) {
    world().matrix_error = proportion;
}

uint64_t allocations() {
    return world().allocations;
}
uint64_t calls() {
    return world().calls;
}

size_t bytes_in_use() {
    std::lock_guard lock(world().mutex);
    size_t bytes = 0;
    for (const auto &[begin, allocation] : world().memory) bytes += allocation.bytes;
    return bytes;
}

size_t bytes_abandoned() {
    return world().abandoned_bytes;
}

namespace {

void write_report(const char *path) {
    FILE *file = std::fopen(path, "w");
    if (!file) return std::perror(path);
    const World &w = world();
    const auto line = [&](const char *name, uint64_t value) {
        std::fprintf(file, "%s %llu\n", name, static_cast<unsigned long long>(value));
    };
    uint64_t contexts = w.contexts.size();
    for (const Device &device : w.devices) contexts -= device.primary != nullptr;
    line("calls", w.calls);
    line("allocations", w.allocations);
    line("bytes", w.abandoned_bytes + bytes_in_use());
    line("contexts", contexts);
    line("streams", w.abandoned_streams + w.streams.size());
    line("events", w.abandoned_events + w.events.size());
    line("graphs", w.graphs.size() + w.execs.size());
    for (const std::string &what : w.faults) std::fprintf(file, "fault: %s\n", what.c_str());
    std::fclose(file);
}

[[gnu::destructor]] void at_exit() {
    check_guards();
    if (const char *path = std::getenv("MDRN_EMULATED_REPORT")) write_report(path);
    if (world().faults.empty()) return;
    std::fflush(nullptr);
    _exit(86);
}

}  // namespace
}  // namespace emulated
