// SPDX-License-Identifier: BSD-2-Clause
// Random draws without a state that threads or a resumed run could disagree on.
#pragma once

#include <cstdint>

namespace mdrn::training {

// SplitMix64's finaliser (Steele, Lea, Flood 2014): every bit of the result depends on all of x's.
inline uint64_t mixed(uint64_t x) {
    x += 0x9e3779b97f4a7c15;
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9;
    x = (x ^ x >> 27) * 0x94d049bb133111eb;
    return x ^ x >> 31;
}

// A sequence of draws that three numbers fix.
class Draws {
public:
    Draws(uint64_t seed, uint64_t iteration, uint64_t index)
        : state_(mixed(mixed(mixed(seed) ^ iteration) ^ index)) {}

    // One of 0 to n - 1, 0 < n < 2^32.
    uint64_t below(uint64_t n) { return (next() >> 32) * n >> 32; }
    double fraction() { return double(next() >> 11) * 0x1p-53; }  // in [0, 1)
    bool coin() { return next() >> 63; }

private:
    uint64_t next() { return mixed(state_++); }
    uint64_t state_;
};

// The place of position i of n in the order that a seed shuffles 0 to n - 1 into: a Feistel network
// of four rounds over the next even number of bits, repeated until it falls below n.
inline uint64_t shuffled(uint64_t i, uint64_t n, uint64_t seed) {
    int half = 1;
    while (uint64_t(1) << 2 * half < n) ++half;
    const uint64_t mask = (uint64_t(1) << half) - 1;
    do {
        uint64_t left = i >> half, right = i & mask;
        for (uint64_t round = 0; round < 4; ++round) {
            const uint64_t turned = left ^ (mixed(seed ^ mixed(round << 32 | right)) & mask);
            left = right;
            right = turned;
        }
        i = left << half | right;
    } while (i >= n);
    return i;
}

}  // namespace mdrn::training
