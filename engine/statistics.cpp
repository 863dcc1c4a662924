// SPDX-License-Identifier: BSD-2-Clause
#include "statistics.h"

#include <algorithm>
#include <cstdio>

namespace mdrn {

void Statistics::sent(Clock::time_point since, bool reused) {
    if (pictures_ == 0) first_ = last_ = since;
    ++pictures_;
    reused_ += reused;
}

mdrn_statistics Statistics::filled(const Stopwatch::Seconds &stages) const {
    mdrn_statistics result{};
    result.size = sizeof result;
    result.pictures = pictures_;
    result.reused = reused_;
    result.seconds = std::chrono::duration<double>(last_ - first_).count();
    std::copy(stages.begin(), stages.end(), result.stage_seconds);
    return result;
}

std::string counts_text(const mdrn_statistics &statistics) {
    char time[64];
    std::snprintf(time, sizeof time, "%.3g a second, %.3g s in all",
                  double(statistics.pictures) / statistics.seconds, statistics.seconds);
    return std::to_string(statistics.reused) + " of " + std::to_string(statistics.pictures) +
           " pictures were the same as the one before; " + time;
}

std::string shares_text(const mdrn_statistics &statistics) {
    constexpr const char *kNames[MDRN_STAGES] = {"unpack", "head",   "distill", "mdsa",
                                                 "ecca",   "gather", "tail",    "pack"};
    double all = 0;
    for (const double seconds : statistics.stage_seconds) all += seconds;
    if (all <= 0) return "";
    std::string text;
    for (int stage = 0; stage < MDRN_STAGES; ++stage) {
        char share[64];
        std::snprintf(share, sizeof share, "%s%s %.1f %%", stage ? ", " : "", kNames[stage],
                      100 * statistics.stage_seconds[stage] / all);
        text += share;
    }
    char sum[64];
    std::snprintf(sum, sizeof sum, "%.3g s of computation: ", all);
    return sum + text;
}

}  // namespace mdrn
