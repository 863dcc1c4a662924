// SPDX-License-Identifier: BSD-2-Clause
// What results may differ by where maps are stored as half.
#pragma once

#include <cuda_fp16.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "model.h"
#include "planes.h"

namespace mdrn::test {

inline void round_to_half(Model &model) {
    model.visit([](const std::string &, const std::vector<int64_t> &, Values &values) {
        for (float &value : values) value = __half2float(__float2half_rn(value));
    });
}

// Each of so many roundings on the way is off by at most 2^-11 of a value, and what follows keeps
// magnitudes about as they are (random_model), or lets them grow so many times; so errors add up to
// less than their number times 2^-11 of the largest value, and their squares in the mean to less
// than their number times 2^-22 of the mean square.
inline void expect_rounded(const Values &ours, const Values &expected, int roundings,
                           float grown = 1) {
    float largest = 1, most = 0;
    double power = 0, squares = 0;
    ASSERT_EQ(ours.size(), expected.size());
    for (size_t i = 0; i < expected.size(); ++i) {
        largest = std::max(largest, std::abs(expected[i]));
        const float difference = std::abs(ours[i] - expected[i]);
        if (!(difference <= most)) most = difference;  // NaN too
        squares += double(difference) * difference;
        power += double(expected[i]) * expected[i];
    }
    const double n = roundings;
    const double scale = std::max(power, double(expected.size())) * grown * grown;
    EXPECT_LE(most, n * largest * grown / 2048);
    EXPECT_LE(std::sqrt(squares), std::sqrt(scale * n) / 2048);
}

}  // namespace mdrn::test
