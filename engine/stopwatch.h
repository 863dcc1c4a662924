// SPDX-License-Identifier: BSD-2-Clause
#pragma once

#include <array>
#include <chrono>
#include <span>

#include "mdrn.h"

namespace mdrn {

// How long stages take. Not thread safe.
class alignas(64) Stopwatch {  // each of a thread's own in a line of the cache
public:
    void start() { last_ = Clock::now(); }

    // The time since start() or the last lap was this stage's.
    void lap(mdrn_stage stage) { seconds_[stage] += since_last(); }

    // That time was spent by threads in several stages: it is shared out as theirs, whose watches
    // are at zero again then.
    void lap(std::span<Stopwatch> threads) {
        Seconds theirs{};
        double all = 0;
        for (Stopwatch &thread : threads) {
            for (int stage = 0; stage < MDRN_STAGES; ++stage) {
                theirs[stage] += thread.seconds_[stage];
                all += thread.seconds_[stage];
            }
            thread.seconds_ = {};
        }
        const double ours = since_last();
        for (int stage = 0; all > 0 && stage < MDRN_STAGES; ++stage)
            seconds_[stage] += ours * theirs[stage] / all;
    }

    using Seconds = std::array<double, MDRN_STAGES>;  // by mdrn_stage
    const Seconds &seconds() const { return seconds_; }

private:
    using Clock = std::chrono::steady_clock;

    double since_last() {
        const Clock::time_point now = Clock::now();
        const std::chrono::duration<double> taken = now - last_;
        last_ = now;
        return taken.count();
    }

    Clock::time_point last_;
    Seconds seconds_{};
};

}  // namespace mdrn
