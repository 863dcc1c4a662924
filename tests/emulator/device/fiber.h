// SPDX-License-Identifier: BSD-2-Clause
// A fiber: a stack of its own, that runs until it yields. Sanitizers are told of every switch.
#pragma once

#include <boost/context/fiber.hpp>
#include <cstddef>
#include <functional>

namespace emulated {

class Fiber {
public:
    // The body starts at the first resume(). It neither returns nor throws: fibers are for good.
    explicit Fiber(std::function<void()> body);
    ~Fiber() = delete;
    Fiber(const Fiber &) = delete;
    Fiber &operator=(const Fiber &) = delete;

    // From outside: goes on inside until it yields.
    void resume();
    // From inside: back to whom resumed.
    void yield();

private:
    boost::context::fiber inside_;
    boost::context::fiber outside_;
    struct Side {
        const void *stack = nullptr;  // its lowest address
        size_t bytes = 0;
        void *fake_stack = nullptr;  // AddressSanitizer's
        void *thread = nullptr;      // ThreadSanitizer's
    };
    static void leave(Side &from, const Side &to);
    static void arrive(Side &at, Side *from);
    Side inner_;
    Side outer_;
};

}  // namespace emulated
