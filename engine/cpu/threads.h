// SPDX-License-Identifier: BSD-2-Clause
#pragma once

#include <condition_variable>
#include <cstdint>
#include <exception>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace mdrn::cpu {

// A team of threads, the caller's among them, that share out numbered tasks.
class Threads {
public:
    // count: 0 = as many as the process may use. Throws Error where the system has no more threads.
    explicit Threads(int count);
    ~Threads();
    Threads(const Threads &) = delete;

    int count() const { return static_cast<int>(workers_.size()) + 1; }

    // Runs task(number, thread) for every number below tasks, and returns when all are done. What
    // the first of them throws is thrown here, and no more are begun then. Not to be called from
    // within a task.
    using Task = std::function<void(int number, int thread)>;
    void run(int tasks, const Task &task);

private:
    void stop();
    void work(int thread);
    void take_tasks(int thread, std::unique_lock<std::mutex> &lock);

    std::vector<std::thread> workers_;
    std::mutex mutex_;
    std::condition_variable start_, done_;
    const Task *task_ = nullptr;
    int tasks_ = 0;
    int next_ = 0;
    int busy_ = 0;
    uint64_t round_ = 0;
    std::exception_ptr failure_;
    bool ending_ = false;
};

}  // namespace mdrn::cpu
