// SPDX-License-Identifier: BSD-2-Clause
// The CUDA stages on the emulated device against the plain ones and the goldens.
//   MDRN_SEED=n cuda_test     the same numbers again
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <filesystem>

#include "backends.h"
#include "device_stages.h"
#include "network.h"
#include "safetensors.h"
#include "stage_checks.h"

namespace mdrn::test {
namespace {

const std::string kReference = std::string(MDRN_REFERENCE_DIR) + "/reference/";

void quiet(const std::string &) {}

void round_to_half(float &value) {
    value = __half2float(__float2half_rn(value));
}

// Maps that a stage stores in turn, each rounded to half.
int roundings(const std::string &stage) {
    if (stage == "head") return 2;            // rgb, f0
    if (stage == "distill") return 9;         // three times pw and r; c4's pw, d, fused
    if (stage == "mdsa") return 2;            // c, fused
    if (stage.starts_with("ecca")) return 2;  // body_0, x
    return 8 + 4;  // eight times the sum; its GELU, c2's pw, the restored map, subpixels
}

struct Errors {
    double largest = 0, squares = 0;
};

// fp32: as the CPU's kernels. fp16, on weights and maps that are halves: every stored map is off by
// up to 2^-11 of its values, by 2^-11 / sqrt(3) in the mean, and what follows keeps magnitudes
// about as they are. All roundings of one sign at one place are not to be had: a bound on their
// sum, of 2^-11 of the largest value each, holds with room; the mean of their squares grows with
// their number.
void expect_close(const Result &cuda, const Result &plain, Content content, bool half) {
    float largest = 1;
    double power = 0, squares = 0;
    float most = 0;
    ASSERT_EQ(cuda.values.size(), plain.values.size());
    for (size_t i = 0; i < plain.values.size(); ++i) {
        largest = std::max(largest, std::abs(plain.values[i]));
        const float difference = std::abs(cuda.values[i] - plain.values[i]);
        if (!(difference <= most)) most = difference;  // NaN too
        squares += double(difference) * difference;
        power += double(plain.values[i]) * plain.values[i];
    }
    // Behind MDSA's gate stands a variance: what is about the square of the input is rounded.
    if (plain.stage == "mdsa" && content == Content::extremes) largest *= largest;
    if (!half) {
        EXPECT_LE(most, 1e-5F * largest) << plain.stage;
        return;
    }
    const double n = roundings(plain.stage);
    const double scale = std::max(power, double(plain.values.size()));
    std::printf("%-16s %d most %.3f rms %.3f\n", plain.stage.c_str(), int(content),
                most / (largest * n) * 2048, std::sqrt(squares / scale / n) * 2048);
    EXPECT_LE(most, n * largest / 2048) << plain.stage;
    EXPECT_LE(std::sqrt(squares), std::sqrt(scale * n) / 2048) << plain.stage;
}

struct Case {
    int features;
    int scale;
    Size size;
    bool half;
};

void PrintTo(const Case &test, std::ostream *out) {
    *out << "C = " << test.features << ", x" << test.scale << ", " << test.size.width << "x"
         << test.size.height << (test.half ? ", fp16" : ", fp32");
}

std::vector<Case> cases() {
    const std::vector<Size> sizes{{15, 15}, {16, 17}, {17, 64}, {31, 33}, {65, 15}, {127, 65}};
    std::vector<Case> all;
    for (const bool half : {false, true}) {
        for (size_t i = 0; i < sizes.size(); ++i)
            for (int features : {56, 28})
                all.push_back({features, 2 + static_cast<int>(i % 3), sizes[i], half});
        for (int features : {16, 20, 132, 256}) all.push_back({features, 2, {33, 16}, half});
    }
    return all;
}

class CudaStages : public testing::TestWithParam<Case> {};

TEST_P(CudaStages, AgreeWithTheReference) {
    const Case &test = GetParam();
    Random random(seed_of_run());
    Model model = random_model(test.features, test.scale, random);
    if (test.half)
        model.visit([](const std::string &, const std::vector<int64_t> &, Values &values) {
            for (float &value : values) round_to_half(value);
        });
    const auto plain = make_reference_stages(model, quiet);
    DeviceStages cuda(model, test.half);
    for (Content content :
         {Content::random, Content::impulses, Content::extremes, Content::constant}) {
        if (test.features > 56 && content != Content::random) continue;
        SCOPED_TRACE("content " + std::to_string(static_cast<int>(content)) +
                     ", MDRN_SEED=" + std::to_string(seed_of_run()));
        const auto expected = run_stages(*plain, model, test.size, Plan::fast, content, random);
        const auto ours = run_stages(cuda, model, test.size, Plan::fast, content, random);
        for (size_t i = 0; i < ours.size(); ++i)
            expect_close(ours[i], expected[i], content, test.half);
    }
}

INSTANTIATE_TEST_SUITE_P(All, CudaStages, testing::ValuesIn(cases()));

}  // namespace
}  // namespace mdrn::test
