// SPDX-License-Identifier: BSD-2-Clause
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

#include "mdrn.h"
#include "stopwatch.h"

namespace mdrn {

// What a context has done so far. Not thread safe.
class Statistics {
public:
    using Clock = std::chrono::steady_clock;

    void sent(Clock::time_point since, bool reused);
    void received() { last_ = Clock::now(); }

    // stages: all 0 where that is not known.
    mdrn_statistics filled(const Stopwatch::Seconds &stages) const;

private:
    Clock::time_point first_, last_;  // a picture sent, one received
    uint64_t pictures_ = 0, reused_ = 0;
};

// For the user to read: pictures, those that were reused, pictures a second; and shares of time,
// "" where they are not known.
std::string counts_text(const mdrn_statistics &statistics);
std::string shares_text(const mdrn_statistics &statistics);

}  // namespace mdrn
