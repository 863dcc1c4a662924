// SPDX-License-Identifier: BSD-2-Clause
// A kernel bound to its arguments: what a launch puts on a stream.
#pragma once

#include <cstdint>
#include <cstring>
#include <functional>
#include <memory>
#include <tuple>
#include <type_traits>
#include <vector>

namespace emulated {

struct Kernel {
    const void *function = nullptr;
    std::function<void()> thread;      // what one thread does
    std::vector<uintptr_t> pointers;   // arguments that are pointers
    std::vector<uintptr_t> addresses;  // every word in the arguments, of which some are addresses

    template <class... Parameters>
    static Kernel of(void (*function)(Parameters...),
                     std::tuple<std::remove_cv_t<Parameters>...> arguments) {
        Kernel kernel;
        kernel.function = reinterpret_cast<const void *>(function);
        std::apply([&](const auto &...values) { (kernel.note(values), ...); }, arguments);
        kernel.thread = [function, arguments = std::move(arguments)] {
            std::apply(function, arguments);
        };
        return kernel;
    }

private:
    template <class T>
    void note(const T &value) {
        static_assert(std::is_trivially_copyable_v<T>, "arguments are copied to the device");
        if constexpr (std::is_pointer_v<T>) pointers.push_back(reinterpret_cast<uintptr_t>(value));
        for (size_t at = 0; at + sizeof(uintptr_t) <= sizeof value; at += sizeof(uintptr_t)) {
            uintptr_t word;
            std::memcpy(&word, reinterpret_cast<const char *>(&value) + at, sizeof word);
            addresses.push_back(word);
        }
    }
};

}  // namespace emulated
