// SPDX-License-Identifier: BSD-2-Clause
// Runs a kernel's blocks, one after the other, each with its threads as fibers.
//
// A thread runs until it has to wait: at a barrier for its block, at a warp operation for its
// lanes. A fiber that ends a thread goes on with the next one, so a kernel that never waits
// needs one fiber and no switch. Threads and blocks come in an order that a seed shuffles.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <source_location>
#include <stdexcept>
#include <string>
#include <vector>

#include "device/fiber.h"
#include "emulator/vectors.h"

namespace emulated {

inline constexpr int kMaxThreads = 1024;
inline constexpr size_t kMaxShared = size_t{227} << 10;

struct Grid {
    dim3 blocks;
    dim3 threads;
    size_t shared = 0;  // bytes
};

struct Order {
    uint64_t seed = 0;
    bool reversed = false;        // of threads and blocks: every pair is seen the other way round
    unsigned char poison = 0xFF;  // what shared memory holds before it is written
};

// What a kernel did wrong.
struct Misuse : std::runtime_error {
    using std::runtime_error::runtime_error;
};

class Block {
public:
    // Runs the whole grid. Throws Misuse; the rest of the grid is then left out.
    void run(const Grid &grid, const std::function<void()> &thread, const Order &order);

    bool runs() const { return thread_ != nullptr; }

    // From inside a thread.
    void barrier(std::source_location where);
    int lane() const { return current_ % 32; }
    unsigned lanes() const;  // that the thread's warp has, as a mask
    // The lanes of the mask wait for each other; the last to come acts for all: all[l] is what lane
    // l brings, null where it is not in the mask.
    using Act = void (*)(void *const all[32]);
    void meet(unsigned mask, void *mine, Act act, std::source_location where);
    bool in_shared(const void *from, size_t bytes) const;
    // Copies from device memory that the thread waits for later.
    void copy(void *to, const void *from, int bytes);
    void commit();
    void finish_copies(int under);
    // fail() says what went wrong; stop() ends the grid. The thread and those that wait are left as
    // they are, never to run again: nothing on their stacks may own memory.
    void fail(const std::string &what);
    [[noreturn]] void stop();

private:
    enum class State { fresh, ready, at_barrier, in_warp, returned };
    struct Copy {
        void *to;
        const void *from;
        int bytes;
        int group;
    };
    struct Thread {
        uint3 index;
        State state;
        Fiber *fiber;
        std::source_location where;
        std::vector<Copy> copies;  // that wait, the oldest first
        int groups;                // of copies, committed so far
    };
    // Lanes of a warp that have met so far.
    struct Meeting {
        int warp;
        unsigned mask;
        unsigned arrived;
        Act act;
        std::source_location where;
        void *brought[32];
    };

    void run_block();
    void run_ready();
    void work();  // a fiber's life
    void run_thread();
    void wait(State state, std::source_location where);
    std::string deadlock() const;
    static bool same(std::source_location a, std::source_location b);

    const std::function<void()> *thread_ = nullptr;
    size_t shared_ = 0;
    bool copies_at_once_ = false;
    std::vector<int> order_;  // of the block's threads
    std::vector<Thread> threads_;
    std::vector<int> ready_;  // from next_ on: threads to be run
    size_t next_ = 0;
    int current_ = 0;
    int arrived_ = 0;   // at the barrier
    int first_ = 0;     // of them
    int returned_ = 0;  // from the kernel
    std::vector<Meeting> meetings_;
    std::vector<Fiber *> idle_;
    std::vector<Fiber *> given_up_;
    std::string failure_;
};

// The one there is: builtin variables and shared memory belong to the block that runs.
Block &block();

}  // namespace emulated
