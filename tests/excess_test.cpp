// SPDX-License-Identifier: BSD-2-Clause
// What lies outside 0 to 1 comes through, and no network sees it.
#include "excess.h"

#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <filesystem>
#include <string>

#include "colour_model.h"

namespace mdrn::test {
namespace {

TEST(Excess, IsTakenOffAndGivenBackEnlarged) {
    for (const int scale : {1, 2, 3, 4}) {
        Rgb rgb(17, 15), hr(17 * scale, 15 * scale);
        std::vector<Plane> outside(3, Plane(17, 15));
        for (int c = 0; c < 3; ++c)
            for (int y = 0; y < 15; ++y)
                for (int x = 0; x < 17; ++x) {
                    const double v = rgb.at(c, y, x) = float(0.5 + std::sin(x + 2 * y + c));
                    outside[size_t(c)].at(y, x) = v < 0 ? v : v > 1 ? v - 1 : 0;
                }
        Excess excess;
        excess.take(rgb.planes);
        for (int c = 0; c < 3; ++c)
            for (int y = 0; y < 15; ++y)
                for (int x = 0; x < 17; ++x) {
                    ASSERT_GE(rgb.at(c, y, x), 0);
                    ASSERT_LE(rgb.at(c, y, x), 1);
                    ASSERT_NEAR(rgb.at(c, y, x),
                                0.5 + std::sin(x + 2 * y + c) - outside[size_t(c)].at(y, x), 1e-6);
                }
        for (int c = 0; c < 3; ++c)
            for (int y = 0; y < 15 * scale; ++y)
                for (int x = 0; x < 17 * scale; ++x) hr.at(c, y, x) = 0.25F;
        excess.give_back(hr.planes);
        for (int c = 0; c < 3; ++c) {
            const double first = 0.5 / scale - 0.5;
            Plane wide = resampled(outside[size_t(c)], 17 * scale, first, 1.0 / scale);
            wide = transposed(wide);
            Plane both = resampled(wide, 15 * scale, first, 1.0 / scale);
            for (int y = 0; y < 15 * scale; ++y)
                for (int x = 0; x < 17 * scale; ++x)
                    ASSERT_NEAR(hr.at(c, y, x), 0.25 + both.at(x, y), 1e-6) << scale;
        }
    }
}

TEST(Excess, InsideNothingIsTouched) {
    Rgb rgb(16, 15), hr(32, 30);
    for (float &v : rgb.memory) v = 1;
    Excess excess;
    rgb.at(0, 3, 3) = 2;
    excess.take(rgb.planes);  // the next picture must not have this one's
    rgb.at(1, 2, 2) = 0;
    excess.take(rgb.planes);
    const std::vector<float> before = hr.memory;
    excess.give_back(hr.planes);
    EXPECT_EQ(hr.memory, before);
}

// The whole library on one colour: its codes stay, but near the border, where a network sees the
// padding.
void expect_kept(const std::string &model) {
    mdrn_settings settings;
    mdrn_settings_default(&settings, sizeof settings);
    settings.model = model.c_str();
    settings.device = MDRN_DEVICE_CPU;
    mdrn_context *context = nullptr;
    ASSERT_EQ(mdrn_open(&context, &settings), 0) << mdrn_last_error();
    const int scale = mdrn_scale(context);
    using Colour = std::array<uint32_t, 3>;
    for (const Colour &colour : {Colour{16, 128, 128},
                                 {235, 128, 128},
                                 {126, 128, 128},
                                 {0, 128, 128},
                                 {255, 128, 128},
                                 {81, 90, 240},
                                 {200, 240, 16}})
        for (const int depth : {8, 10}) {
            const mdrn_layout layout = planar(MDRN_COLOR_YUV, 3, depth, 1, 1);
            Picture in(40, 36, layout), out(40 * scale, 36 * scale, layout);
            in.image.matrix = out.image.matrix = 1;
            for (int i = 0; i < 3; ++i)
                for (int y = 0; y < in.lines(i); ++y)
                    for (int x = 0; x < in.columns(i); ++x)
                        in.set(i, y, x, colour[size_t(i)] << (depth - 8));
            EXPECT_EQ(mdrn_send(context, &in.image, &out.image, nullptr), 0) << mdrn_last_error();
            EXPECT_EQ(mdrn_receive(context, nullptr), 0) << mdrn_last_error();
            for (int i = 0; i < 3; ++i)
                for (int y = out.lines(i) / 3; y < out.lines(i) * 2 / 3; ++y)
                    for (int x = out.columns(i) / 3; x < out.columns(i) * 2 / 3; ++x)
                        EXPECT_NEAR(out.get(i, y, x), colour[size_t(i)] << (depth - 8),
                                    depth == 8 ? 0 : 1)
                            << model << " " << depth << " bits, component " << i;
        }
    mdrn_close(&context);
}

TEST(Excess, OneColourKeepsItsCodes) {
    for (const char *model : {"mdrn", "mdrn-s"}) expect_kept(model);
}

TEST(Excess, OneColourKeepsItsCodesWithThePublishedWeights) {
    for (const char *name : {"mdrn_x2", "mdrn_x3", "mdrn_x4", "mdrn-s_x4"}) {
        const std::string path = std::string(MDRN_REFERENCE_DIR) + "/reference/weights/" + name +
                                 ".official.safetensors";
        if (!std::filesystem::exists(path)) GTEST_SKIP() << "no " << path;
        expect_kept(path);
    }
}

}  // namespace
}  // namespace mdrn::test
