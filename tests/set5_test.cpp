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
    const char *model;
    int scale;
    double psnr;
    double tolerance;  // of its digits
};

std::string name_of(const Published &published) {
    return std::string(published.model == std::string("mdrn") ? "Mdrn" : "MdrnS")
        .append("_x")
        .append(std::to_string(published.scale));
}

void PrintTo(const Published &published, std::ostream *stream) {
    *stream << name_of(published);
}

class Set5 : public testing::TestWithParam<Published> {
protected:
    void SetUp() override {
        const auto &[name, scale, psnr, tolerance] = GetParam();
        const std::filesystem::path weights =
            kReference / "reference/weights" /
            (std::string(name) + "_x" + std::to_string(scale) + ".official.safetensors");
        if (!std::filesystem::exists(kReference / "data/eval/Set5") ||
            !std::filesystem::exists(weights))
            GTEST_SKIP() << "no Set5 or weights: MDRN_REFERENCE_DIR is \"" MDRN_REFERENCE_DIR "\"";
        if (cpu_targets().empty()) GTEST_SKIP() << "the CPU backend has no targets";
        model_ = load_model(weights, 0);
    }

    // Of all five.
    double mean_psnr(const CpuOptions &options) {
        const int scale = GetParam().scale;
        const auto stages = make_cpu_stages(model_, options, [](const std::string &) {});
        double sum = 0;
        int images = 0;
        for_set5(scale, [&](const Values &rgb, Size size, const Rgb8 &original) {
            const Size large{scale * size.width, scale * size.height};
            sum += psnr(rounded(upscale(*stages, size, rgb.data()), large), original, scale);
            ++images;
        });
        EXPECT_EQ(images, 5);
        return sum / images;
    }

    Model model_;
};

}  // namespace

TEST_P(Set5, HasThePublishedPsnr) {
    const double psnr = mean_psnr({});
    std::cout << psnr << " dB\n";
    EXPECT_NEAR(psnr, GetParam().psnr, GetParam().tolerance);
}

TEST_P(Set5, LosesLittleInBf16) {
    if (cpu_bf16_units().empty()) GTEST_SKIP() << "this processor does not multiply in bf16";
    const double exact = mean_psnr({});
    for (const std::string &unit : cpu_bf16_units()) {
        const double psnr = mean_psnr({.target = unit, .bf16 = true});
        std::cout << unit << ": " << psnr << " dB, " << exact - psnr << " lost\n";
        EXPECT_NEAR(psnr, exact, 0.005) << unit;
    }
}

INSTANTIATE_TEST_SUITE_P(Published, Set5,
                         testing::Values(Published{"mdrn", 2, 38.1094, 0.001},
                                         Published{"mdrn", 3, 34.5799, 0.001},
                                         Published{"mdrn", 4, 32.3466, 0.001},
                                         Published{"mdrn-s", 4, 32.06, 0.005}),
                         [](const auto &published) { return name_of(published.param); });

}  // namespace mdrn::test
