// SPDX-License-Identifier: BSD-2-Clause
// Errors that grow with the frame, as those of ECCA's sums would, on more pixels than goldens have.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <iostream>
#include <random>

#include "backends.h"
#include "float64.h"
#include "planes.h"

namespace mdrn::test {

namespace {

constexpr Size kSize{320, 180};

// Gradients, edges and noise: (3, H, W).
Values picture() {
    std::mt19937 random(1);
    std::uniform_real_distribution<float> noise(-0.05F, 0.05F);
    Values rgb;
    for (int c = 0; c < 3; ++c)
        for (int y = 0; y < kSize.height; ++y)
            for (int x = 0; x < kSize.width; ++x) {
                const float gradient = 0.1F + 0.8F * static_cast<float>(x + c * y) / 700;
                const bool edge = (x / 24 + y / 18) % 2 != 0;
                rgb.push_back(gradient + (edge ? 0.1F : -0.05F) + noise(random));
            }
    return rgb;
}

void check(const std::string &name, HostStages &stages, const Values &rgb,
           const std::vector<double> &expected) {
    const Values out = upscale(stages, kSize, rgb.data());
    ASSERT_EQ(out.size(), expected.size());
    double most = 0;
    for (size_t i = 0; i < out.size(); ++i) {
        const double error = std::abs(out[i] - expected[i]);
        if (!(error <= most)) most = error;  // NaN too
    }
    EXPECT_LE(most, 1e-5) << name;
    std::cout << name << ": largest error " << most << std::endl;
}

}  // namespace

TEST(Accumulated, ErrorOfALargerFrameIsSmall) {
    if (cpu_targets().empty()) GTEST_SKIP() << "the CPU backend has no targets";
    const Model model = load_model("mdrn", 4);
    const WarnOnce quiet = [](const std::string &) {};
    const Values rgb = picture();
    const std::vector<double> expected = float64::upscale(model, kSize, rgb);
    for (const std::string &target : cpu_targets())
        check(target, *make_cpu_stages(model, {0, 0, target}, quiet), rgb, expected);
}

}  // namespace mdrn::test
