// SPDX-License-Identifier: BSD-2-Clause
#include "device/fiber.h"

#include <boost/context/protected_fixedsize_stack.hpp>
#include <memory>
#include <utility>

#include "device/sanitizers.h"

namespace emulated {

Fiber::Fiber(std::function<void()> body) {
    namespace context = boost::context;
    context::protected_fixedsize_stack allocator(size_t{256} << 10);
    const context::stack_context stack = allocator.allocate();
    inner_.stack = static_cast<const char *>(stack.sp) - stack.size;
    inner_.bytes = stack.size;
    inner_.thread = tsan_create_fiber();
    inside_ = context::fiber(std::allocator_arg, context::preallocated(stack.sp, stack.size, stack),
                             allocator, [this, body = std::move(body)](context::fiber &&outside) {
                                 outside_ = std::move(outside);
                                 arrive(inner_, &outer_);
                                 body();
                                 return std::move(outside_);
                             });
}

void Fiber::resume() {
    outer_.thread = tsan_get_current_fiber();
    leave(outer_, inner_);
    inside_ = std::move(inside_).resume();
    arrive(outer_, nullptr);
}

void Fiber::yield() {
    leave(inner_, outer_);
    outside_ = std::move(outside_).resume();
    arrive(inner_, &outer_);
}

void Fiber::leave(Side &from, const Side &to) {
    asan_start_switch_fiber(&from.fake_stack, to.stack, to.bytes);
    tsan_switch_to_fiber(to.thread);
}

void Fiber::arrive(Side &at, Side *from) {
    asan_finish_switch_fiber(at.fake_stack, from ? &from->stack : nullptr,
                             from ? &from->bytes : nullptr);
}

}  // namespace emulated
