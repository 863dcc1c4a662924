// SPDX-License-Identifier: BSD-2-Clause
// Warp operations. Lanes named in the mask wait for each other, at the same place in the source;
// a value is taken only from a lane that takes part.
#pragma once

#include <cstdint>
#include <cstring>
#include <source_location>

namespace emulated {

// Hands over this lane's value and returns that of the lane `from`.
uint64_t exchange(unsigned mask, uint64_t value, int from, std::source_location where);
int lane();

template <class T>
T shuffle(unsigned mask, T value, int from, std::source_location where) {
    static_assert(sizeof(T) == 4 || sizeof(T) == 8, "the device shuffles 4 or 8 bytes");
    uint64_t word = 0;
    std::memcpy(&word, &value, sizeof value);
    word = exchange(mask, word, from, where);
    std::memcpy(&value, &word, sizeof value);
    return value;
}

}  // namespace emulated

// Within groups of `width` lanes; a lane beyond the end of the group stands for the caller's own.

template <class T>
T __shfl_sync(unsigned mask, T value, int from, int width = 32,
              std::source_location where = std::source_location::current()) {
    const int group = emulated::lane() & -width;
    return emulated::shuffle(mask, value, group | (from & (width - 1)), where);
}

template <class T>
T __shfl_up_sync(unsigned mask, T value, unsigned distance, int width = 32,
                 std::source_location where = std::source_location::current()) {
    const int self = emulated::lane();
    const int from = self - static_cast<int>(distance);
    return emulated::shuffle(mask, value, from < (self & -width) ? self : from, where);
}

template <class T>
T __shfl_down_sync(unsigned mask, T value, unsigned distance, int width = 32,
                   std::source_location where = std::source_location::current()) {
    const int self = emulated::lane();
    const int from = self + static_cast<int>(distance);
    return emulated::shuffle(mask, value, from >= (self & -width) + width ? self : from, where);
}

template <class T>
T __shfl_xor_sync(unsigned mask, T value, int bits, int width = 32,
                  std::source_location where = std::source_location::current()) {
    const int self = emulated::lane();
    const int from = self ^ bits;
    return emulated::shuffle(mask, value, from >= (self & -width) + width ? self : from, where);
}

inline void __syncwarp(unsigned mask = 0xFFFFFFFFU,
                       std::source_location where = std::source_location::current()) {
    emulated::exchange(mask, 0, emulated::lane(), where);
}
