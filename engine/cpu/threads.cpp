// SPDX-License-Identifier: BSD-2-Clause
#include "cpu/threads.h"

#include <algorithm>
#include <string>
#include <system_error>
#include <utility>

#include "error.h"
#include "os.h"

namespace mdrn::cpu {

Threads::Threads(int count) {
    if (count == 0) count = usable_processors();
    try {
        workers_.reserve(static_cast<size_t>(count));
        for (int thread = 1; thread < count; ++thread)
            workers_.emplace_back([this, thread] { work(thread); });
    } catch (const std::system_error &) {
        stop();
        throw Error(MDRN_ERROR_OUT_OF_MEMORY,
                    "the system refused to start " + std::to_string(count) + " threads: set fewer");
    } catch (...) {
        stop();
        throw;
    }
}

Threads::~Threads() {
    stop();
}

void Threads::stop() {
    {
        std::lock_guard lock(mutex_);
        ending_ = true;
    }
    start_.notify_all();
    for (std::thread &worker : workers_) worker.join();
}

void Threads::run(int tasks, const Task &task) {
    std::unique_lock lock(mutex_);
    task_ = &task;
    tasks_ = tasks;
    next_ = 0;
    ++round_;
    start_.notify_all();
    take_tasks(0, lock);
    done_.wait(lock, [this] { return busy_ == 0; });
    if (failure_) std::rethrow_exception(std::exchange(failure_, nullptr));
}

void Threads::work(int thread) {
    std::unique_lock lock(mutex_);
    uint64_t seen = 0;
    for (;;) {
        start_.wait(lock, [&] { return ending_ || round_ != seen; });
        if (ending_) return;
        seen = round_;
        take_tasks(thread, lock);
    }
}

void Threads::take_tasks(int thread, std::unique_lock<std::mutex> &lock) {
    while (next_ < tasks_) {
        const int number = next_++;
        ++busy_;
        lock.unlock();
        std::exception_ptr failure;
        try {
            (*task_)(number, thread);
        } catch (...) {
            failure = std::current_exception();
        }
        lock.lock();
        if (failure) {
            next_ = tasks_;
            if (!failure_) failure_ = failure;
        }
        if (--busy_ == 0 && next_ == tasks_) done_.notify_all();
    }
}

}  // namespace mdrn::cpu
