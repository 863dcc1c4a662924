// SPDX-License-Identifier: BSD-2-Clause
#include "device/block.h"

#include <algorithm>
#include <cstring>
#include <numeric>
#include <random>
#include <span>

#include "device/sanitizers.h"
#include "emulator/language.h"

uint3 threadIdx;
uint3 blockIdx;
dim3 blockDim;
dim3 gridDim;

namespace {
constexpr size_t kGuard = 1024;  // bytes behind a block's shared memory
}  // namespace

alignas(1024) unsigned char mdrn_shared[emulated::kMaxShared + kGuard];

void __syncthreads(std::source_location where) {
    emulated::block().barrier(where);
}

namespace emulated {
namespace {

std::string text(uint3 index) {
    return "(" + std::to_string(index.x) + ", " + std::to_string(index.y) + ", " +
           std::to_string(index.z) + ")";
}

std::string text(std::source_location where) {
    return std::string(where.file_name()) + ":" + std::to_string(where.line());
}

uint3 position(uint64_t index, dim3 size) {
    return {static_cast<unsigned>(index % size.x), static_cast<unsigned>(index / size.x % size.y),
            static_cast<unsigned>(index / size.x / size.y)};
}

std::vector<int> shuffled(int count, const Order &order) {
    std::vector<int> numbers(count);
    std::iota(numbers.begin(), numbers.end(), 0);
    std::shuffle(numbers.begin(), numbers.end(), std::mt19937_64(order.seed));
    if (order.reversed) std::reverse(numbers.begin(), numbers.end());
    return numbers;
}

}  // namespace

Block &block() {
    static Block &one = *new Block;
    return one;
}

void Block::run(const Grid &grid, const std::function<void()> &thread, const Order &order) {
    gridDim = grid.blocks;
    blockDim = grid.threads;
    thread_ = &thread;
    shared_ = grid.shared;
    copies_at_once_ = order.reversed;
    const int threads = static_cast<int>(blockDim.x * blockDim.y * blockDim.z);
    const int blocks = static_cast<int>(uint64_t{gridDim.x} * gridDim.y * gridDim.z);
    order_ = shuffled(threads, order);
    threads_.resize(threads);
    for (int t = 0; t < threads; ++t) threads_[t].index = position(t, blockDim);

    const std::span guard(mdrn_shared + shared_, kGuard);
    std::fill(guard.begin(), guard.end(), order.poison);
    asan_forbid(mdrn_shared + shared_, sizeof mdrn_shared - shared_);
    failure_.clear();
    for (const int b : shuffled(blocks, order)) {
        blockIdx = position(b, gridDim);
        std::memset(mdrn_shared, order.poison, shared_);
        run_block();
        if (!failure_.empty()) break;
    }
    asan_allow(mdrn_shared, sizeof mdrn_shared);
    thread_ = nullptr;
    const bool intact = std::all_of(guard.begin(), guard.end(),
                                    [&](unsigned char byte) { return byte == order.poison; });
    if (failure_.empty() && !intact)
        failure_ = "a write behind the " + std::to_string(shared_) + " bytes of shared memory";
    if (!failure_.empty()) throw Misuse(failure_);
}

void Block::run_block() {
    for (Thread &thread : threads_) {
        thread.state = State::fresh;
        thread.copies.clear();
        thread.groups = 0;
    }
    const int count = static_cast<int>(threads_.size());
    arrived_ = returned_ = 0;
    meetings_.clear();
    ready_ = order_;
    next_ = 0;
    while (true) {
        run_ready();
        if (returned_ == count) return;
        if (failure_.empty() && arrived_ < count) failure_ = deadlock();
        if (!failure_.empty()) {
            for (const Thread &thread : threads_)
                if (thread.state != State::fresh && thread.state != State::returned)
                    given_up_.push_back(thread.fiber);
            return;
        }
        arrived_ = 0;
        ready_ = order_;
        next_ = 0;
        for (Thread &thread : threads_) thread.state = State::ready;
    }
}

void Block::run_ready() {
    while (next_ < ready_.size() && failure_.empty()) {
        current_ = ready_[next_++];
        Thread &thread = threads_[current_];
        if (thread.state == State::fresh) {
            if (idle_.empty()) idle_.push_back(new Fiber([this] { work(); }));
            thread.fiber = idle_.back();
            idle_.pop_back();
        }
        threadIdx = thread.index;
        thread.fiber->resume();
    }
}

void Block::work() {
    while (true) {
        Fiber *self = threads_[current_].fiber;
        run_thread();
        while (failure_.empty() && next_ < ready_.size() &&
               threads_[ready_[next_]].state == State::fresh) {
            current_ = ready_[next_++];
            threads_[current_].fiber = self;
            threadIdx = threads_[current_].index;
            run_thread();
        }
        idle_.push_back(self);
        self->yield();
    }
}

void Block::run_thread() {
    const int self = current_;
    threads_[self].state = State::ready;
    (*thread_)();
    threads_[self].state = State::returned;
    ++returned_;
}

void Block::wait(State state, std::source_location where) {
    Thread &self = threads_[current_];
    self.state = state;
    self.where = where;
    self.fiber->yield();
    self.state = State::ready;
}

void Block::barrier(std::source_location where) {
    if (arrived_ == 0) first_ = current_;
    const Thread &first = threads_[first_];
    if (arrived_ > 0 && !same(first.where, where)) {
        fail("barrier at " + text(where) + ", while thread " + text(first.index) +
             " waits at the one at " + text(first.where));
        stop();
    }
    ++arrived_;
    wait(State::at_barrier, where);
}

bool Block::in_shared(const void *from, size_t bytes) const {
    const auto *at = static_cast<const unsigned char *>(from);
    return at >= mdrn_shared && at + bytes <= mdrn_shared + shared_;
}

bool Block::same(std::source_location a, std::source_location b) {
    return a.line() == b.line() && std::strcmp(a.file_name(), b.file_name()) == 0;
}

void Block::fail(const std::string &what) {
    failure_ = "block " + text(blockIdx) + ", thread " + text(threadIdx) + ": " + what;
}

void Block::stop() {
    while (true) threads_[current_].fiber->yield();
}

// Nobody can go on: some wait for others that have returned or wait elsewhere.
std::string Block::deadlock() const {
    std::string what;
    for (const State state : {State::at_barrier, State::in_warp, State::returned}) {
        const auto is = [&](const Thread &thread) { return thread.state == state; };
        const auto first = std::find_if(threads_.begin(), threads_.end(), is);
        if (first == threads_.end()) continue;
        const auto count = std::count_if(threads_.begin(), threads_.end(), is);
        if (!what.empty()) what += "; ";
        what += std::to_string(count) + " of " + std::to_string(threads_.size()) + " threads, " +
                text(first->index) + " among them, ";
        if (state == State::at_barrier) what += "wait at the barrier at " + text(first->where);
        if (state == State::in_warp) what += "wait for their warp at " + text(first->where);
        if (state == State::returned) what += "have returned";
    }
    return "block " + text(blockIdx) + ": " + what;
}

}  // namespace emulated
