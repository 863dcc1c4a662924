// SPDX-License-Identifier: BSD-2-Clause
#include "fit/schedule.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace mdrn::training {
namespace {

double without_warmup(const Schedule &schedule, int64_t done) {
    double range = schedule.lr - schedule.eta_min;
    switch (schedule.type) {
        case Schedule::Type::step: {
            auto &milestones = schedule.milestones;
            auto reached = std::upper_bound(milestones.begin(), milestones.end(), done);
            return schedule.lr * std::pow(schedule.gamma, double(reached - milestones.begin()));
        }
        case Schedule::Type::cosine: {
            double part = double(done) / double(schedule.total);
            return schedule.eta_min + range * (1 + std::cos(std::numbers::pi * part)) / 2;
        }
        case Schedule::Type::linear: {
            int64_t left = schedule.total - done;
            if (left > schedule.decay) return schedule.lr;
            return schedule.eta_min + range * double(left) / double(schedule.decay + 1);
        }
    }
    return schedule.lr;
}

}  // namespace

double Schedule::at(int64_t done) const {
    double lr_done = without_warmup(*this, done);
    return done < warmup ? lr_done * double(done + 1) / double(warmup) : lr_done;
}

}  // namespace mdrn::training
