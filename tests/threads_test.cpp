// SPDX-License-Identifier: BSD-2-Clause
#include "cpu/threads.h"

#include <gtest/gtest.h>

#include <atomic>
#include <stdexcept>
#include <string>

namespace mdrn::cpu {
namespace {

TEST(Threads, RunEveryTaskOnce) {
    for (int count : {1, 2, 5}) {
        Threads threads(count);
        ASSERT_EQ(threads.count(), count);
        for (int tasks : {0, 1, 100}) {
            std::vector<std::atomic<int>> runs(100);
            threads.run(tasks, [&](int number, int thread) {
                EXPECT_TRUE(thread >= 0 && thread < count);
                ++runs[number];
            });
            for (int number = 0; number < 100; ++number) EXPECT_EQ(runs[number], number < tasks);
        }
    }
}

TEST(Threads, WhatATaskThrowsReachesTheCallerAndTheTeamGoesOn) {
    for (int count : {1, 3})
        for (int thrower : {0, 7, 99}) {
            Threads threads(count);
            std::atomic<int> running = 0, begun = 0;
            std::string caught;
            try {
                threads.run(100, [&](int number, int) {
                    ++begun;
                    ++running;
                    std::this_thread::yield();
                    --running;
                    if (number == thrower) throw std::runtime_error(std::to_string(number));
                });
            } catch (const std::runtime_error &error) {
                caught = error.what();
            }
            EXPECT_EQ(caught, std::to_string(thrower));
            EXPECT_EQ(running, 0);
            EXPECT_GT(begun, thrower);
            begun = 0;
            threads.run(10, [&](int, int) { ++begun; });
            EXPECT_EQ(begun, 10);
        }
}

}  // namespace
}  // namespace mdrn::cpu
