// SPDX-License-Identifier: BSD-2-Clause
#include "fit/schedule.h"

#include <gtest/gtest.h>

#include <cmath>

namespace mdrn::training {
namespace {

// The paper's: 2e-3, halved at 100k, 500k, 800k, 900k and 950k of 1,000k steps.
TEST(Schedule, StepsDownAtTheMilestones) {
    Schedule schedule{.lr = 2e-3,
                      .total = 1'000'000,
                      .milestones = {100'000, 500'000, 800'000, 900'000, 950'000}};
    EXPECT_EQ(schedule.at(0), 2e-3);
    EXPECT_EQ(schedule.at(99'999), 2e-3);
    EXPECT_EQ(schedule.at(100'000), 1e-3);
    EXPECT_EQ(schedule.at(499'999), 1e-3);
    EXPECT_EQ(schedule.at(500'000), 5e-4);
    EXPECT_EQ(schedule.at(800'000), 2.5e-4);
    EXPECT_EQ(schedule.at(900'000), 1.25e-4);
    EXPECT_EQ(schedule.at(999'999), 6.25e-5);
}

TEST(Schedule, FollowsHalfACosine) {
    Schedule schedule{.type = Schedule::Type::cosine, .lr = 1e-3, .total = 4000, .eta_min = 1e-5};
    EXPECT_DOUBLE_EQ(schedule.at(0), 1e-3);
    EXPECT_DOUBLE_EQ(schedule.at(2000), (1e-3 + 1e-5) / 2);
    // cos(pi / 4) = sqrt(1 / 2), cos(3 pi / 4) = -sqrt(1 / 2)
    EXPECT_DOUBLE_EQ(schedule.at(1000), 1e-5 + 0.5 * 0.99e-3 * (1 + std::sqrt(0.5)));
    EXPECT_DOUBLE_EQ(schedule.at(3000), 1e-5 + 0.5 * 0.99e-3 * (1 - std::sqrt(0.5)));
}

TEST(Schedule, IsConstantThenFallsInALine) {
    Schedule schedule{.type = Schedule::Type::linear, .lr = 1e-3, .total = 100, .decay = 9};
    for (int done = 0; done <= 90; done++) EXPECT_EQ(schedule.at(done), 1e-3) << done;
    for (int done = 91; done < 100; done++)
        EXPECT_DOUBLE_EQ(schedule.at(done), 1e-4 * (100 - done)) << done;
}

TEST(Schedule, WithoutDecayStaysConstant) {
    Schedule schedule{.type = Schedule::Type::linear, .lr = 1e-3, .total = 100};
    EXPECT_EQ(schedule.at(99), 1e-3);
}

TEST(Schedule, WarmsUpInEqualParts) {
    Schedule schedule{.lr = 1e-3, .total = 100, .warmup = 10, .milestones = {5}, .gamma = 0.5};
    EXPECT_DOUBLE_EQ(schedule.at(0), 1e-4);
    EXPECT_DOUBLE_EQ(schedule.at(4), 5e-4);
    EXPECT_DOUBLE_EQ(schedule.at(5), 3e-4);  // the milestone's half of 6 parts
    EXPECT_DOUBLE_EQ(schedule.at(9), 5e-4);
    EXPECT_DOUBLE_EQ(schedule.at(10), 5e-4);
}

}  // namespace
}  // namespace mdrn::training
