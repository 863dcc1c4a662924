// SPDX-License-Identifier: BSD-2-Clause
#pragma once

#include "fit/gradient.h"
#include "fit/group.h"

namespace mdrn::training {

struct Stepped {
    double loss;  // mean over all processes
    double lr;
    bool taken;  // false: loss or gradient was not finite, and nothing changed
    bool stop;   // a process was told to
};

// One step, number `done` of the run: loss and gradient of this process's batch, their mean over
// the group, Adam and the average. stop: whether this process was told to, for the others to know.
Stepped take_step(const Recipe &recipe, Gradient &gradients, State &state, Group &group,
                  const Batch &batch, int64_t done, bool stop);

}  // namespace mdrn::training
