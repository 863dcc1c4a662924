// SPDX-License-Identifier: BSD-2-Clause
// The learning rate as a function of the number of steps done, so that a resumed run needs no
// state of it.
#pragma once

#include <cstdint>
#include <vector>

namespace mdrn::training {

struct Schedule {
    enum class Type {
        step,    // MultiStepLR: lr x gamma^(milestones reached)
        cosine,  // CosineAnnealingLR: from lr to eta_min over `total`, half a cosine
        linear,  // ConstantLinearLR: lr, and over the last `decay` steps a line to eta_min
    };
    Type type = Type::step;
    double lr = 2e-3;
    int64_t total = 1;                     // steps
    int64_t warmup = 0;                    // first steps, in which lr grows in equal parts up to lr
    std::vector<int64_t> milestones = {};  // ascending
    double gamma = 0.5;
    double eta_min = 0;
    int64_t decay = 0;  // 0 to total

    // The learning rate of step `done`, 0 for the first; done in 0 to total - 1.
    double at(int64_t done) const;
};

}  // namespace mdrn::training
