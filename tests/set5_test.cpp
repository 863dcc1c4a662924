// SPDX-License-Identifier: BSD-2-Clause
// The published weights have the published quality: PSNR of Set5's luma, on 8-bit output.
#include "set5.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <iostream>
#include <ostream>
#include <string>

#include "backends.h"

namespace mdrn::test {

namespace {

struct Published {
    int scale;
    double psnr;
};

void PrintTo(const Published &published, std::ostream *stream) {
    *stream << "x" << published.scale;
}

class Set5 : public testing::TestWithParam<Published> {};

}  // namespace

TEST_P(Set5, HasThePublishedPsnr) {
    const int scale = GetParam().scale;
    const std::string x = std::string("x").append(std::to_string(scale));
    const std::filesystem::path folder = kReference / "data/eval/Set5";
    const std::filesystem::path weights =
        kReference / "reference/weights" / ("mdrn_" + x + ".official.safetensors");
    if (!std::filesystem::exists(folder) || !std::filesystem::exists(weights))
        GTEST_SKIP() << "no Set5 or weights: MDRN_REFERENCE_DIR is \"" MDRN_REFERENCE_DIR "\"";
    if (cpu_targets().empty()) GTEST_SKIP() << "the CPU backend has no targets";

    const Model model = load_model(weights, 0);
    const auto stages = make_cpu_stages(model, {}, [](const std::string &) {});
    double sum = 0;
    int images = 0;
    for_set5(scale, [&](const Values &rgb, Size size, const Rgb8 &original) {
        const Size large{scale * size.width, scale * size.height};
        sum += psnr(rounded(upscale(*stages, size, rgb.data()), large), original, scale);
        ++images;
    });
    ASSERT_EQ(images, 5);
    std::cout << x << ": " << sum / images << " dB\n";
    EXPECT_NEAR(sum / images, GetParam().psnr, 0.001);
}

INSTANTIATE_TEST_SUITE_P(Published, Set5,
                         testing::Values(Published{2, 38.1094}, Published{3, 34.5799},
                                         Published{4, 32.3466}),
                         [](const auto &published) {
                             return std::string("x").append(std::to_string(published.param.scale));
                         });

}  // namespace mdrn::test
