// SPDX-License-Identifier: BSD-2-Clause
// Every stage of every SIMD target against the plain one, on random weights and maps.
//   MDRN_SEED=n checkops      the same numbers again
//   checkops --bench          each stage's speed on every target, after the checks
#include <gtest/gtest.h>

#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <thread>

#include "backends.h"
#include "peaks.h"
#include "stage_checks.h"

namespace mdrn {

void PrintTo(const Size &size, std::ostream *out) {
    *out << size.width << "x" << size.height;
}

namespace {

using namespace test;

void expect_close(const Result &fast, const Result &plain, Content content) {
    float largest = 1;
    for (float value : plain.values) largest = std::max(largest, std::abs(value));
    // Behind MDSA's gate stands a variance: float32 rounds what is about the square of the input.
    if (plain.stage == "mdsa" && content == Content::extremes) largest *= largest;
    const int margin = 5;
    float border = 0, interior = 0;
    const size_t plane = static_cast<size_t>(plain.size.width) * plain.size.height;
    ASSERT_EQ(fast.values.size(), plain.values.size());
    for (size_t i = 0; i < plain.values.size(); ++i) {
        const int x = static_cast<int>(i % plane) % plain.size.width;
        const int y = static_cast<int>(i % plane) / plain.size.width;
        const bool inside = x >= margin && y >= margin && x < plain.size.width - margin &&
                            y < plain.size.height - margin;
        float &most = inside ? interior : border;
        const float difference = std::abs(fast.values[i] - plain.values[i]);
        if (!(difference <= most)) most = difference;  // NaN too
    }
    EXPECT_LE(interior, 1e-5F * largest) << plain.stage << ", interior";
    EXPECT_LE(border, 1e-5F * largest) << plain.stage << ", border";
}

std::string name_of(Plan plan) {
    return plan == Plan::fast ? "fast plan" : "small plan";
}

struct Case {
    int features;
    int scale;
    Size size;
};

void PrintTo(const Case &test, std::ostream *out) {
    *out << "C = " << test.features << ", x" << test.scale << ", " << test.size.width << "x"
         << test.size.height;
}

std::vector<Case> cases() {
    const std::vector<Size> sizes{{15, 15}, {16, 17}, {17, 64}, {31, 33},
                                  {33, 16}, {64, 31}, {65, 15}, {127, 65}};
    std::vector<Case> all;
    for (size_t i = 0; i < sizes.size(); ++i)
        for (int features : {56, 28})
            all.push_back({features, 2 + static_cast<int>(i % 3), sizes[i]});
    all.push_back({28, 3, {401, 203}});
    return all;
}

void quiet(const std::string &) {}

class CheckOps : public testing::TestWithParam<Case> {
protected:
    void SetUp() override { RecordProperty("seed", std::to_string(seed_of_run())); }
    void TearDown() override {
        if (HasFailure())
            std::printf("repeat with: MDRN_SEED=%llu checkops --gtest_filter=%s.%s\n",
                        static_cast<unsigned long long>(seed_of_run()),
                        testing::UnitTest::GetInstance()->current_test_info()->test_suite_name(),
                        testing::UnitTest::GetInstance()->current_test_info()->name());
    }
};

TEST_P(CheckOps, AgreesWithTheReference) {
    const Case &test = GetParam();
    Random random(seed_of_run());
    const Model model = random_model(test.features, test.scale, random);
    const auto plain = make_reference_stages(model, quiet);
    const bool large = test.size.width > 200;
    for (Content content :
         {Content::random, Content::impulses, Content::extremes, Content::constant}) {
        if (large && content != Content::random) continue;
        SCOPED_TRACE("content " + std::to_string(static_cast<int>(content)));
        const auto expected = run_stages(*plain, model, test.size, Plan::fast, content, random);
        for (const std::string &target : cpu_targets()) {
            SCOPED_TRACE(target);
            const auto fast = make_cpu_stages(model, {0, 0, target}, quiet);
            for (Plan plan : {Plan::fast, Plan::small}) {
                SCOPED_TRACE(name_of(plan));
                const auto ours = run_stages(*fast, model, test.size, plan, content, random);
                for (size_t i = 0; i < ours.size(); ++i)
                    expect_close(ours[i], expected[i], content);
            }
        }
    }
}

INSTANTIATE_TEST_SUITE_P(All, CheckOps, testing::ValuesIn(cases()));

// What block() does in one.
void run_stage_by_stage(Stages &stages) {
    stages.head();
    for (int block = 0; block < kBlocks; ++block) stages.Stages::block(block);
    stages.tail();
}

class SameBits : public testing::TestWithParam<Size> {};

TEST_P(SameBits, ForEveryTargetStripPlanAndNumberOfThreads) {
    const Size size = GetParam();
    Random random(seed_of_run());
    const Model model = random_model(56, 2, random);
    const Values rgb = make(Content::random, 3, size, random);
    std::vector<Result> first;
    const auto compare = [&](const CpuOptions &options, const std::string &what) {
        const auto stages = make_cpu_stages(model, options, quiet);
        for (Plan plan : {Plan::fast, Plan::small}) {
            auto results = run_stages(*stages, model, size, plan, Content::random, random);
            // In memory that holds all kinds of things by now.
            test::set_rgb(*stages, rgb.data());
            run_planes(*stages);
            results.push_back({"network", size, test::get_hr(*stages)});
            test::set_rgb(*stages, rgb.data());
            run_stage_by_stage(*stages);
            EXPECT_EQ(test::get_hr(*stages), results.back().values) << what << ", stage by stage";
            if (first.empty()) first = results;
            for (size_t i = 0; i < results.size(); ++i)
                EXPECT_EQ(std::memcmp(results[i].values.data(), first[i].values.data(),
                                      first[i].values.size() * sizeof(float)),
                          0)
                    << results[i].stage << ", " << what << ", " << name_of(plan);
        }
    };
    for (const std::string &target : cpu_targets()) {
        if (!fuses_multiply_add(target)) continue;
        for (int threads : {1, 2, 3})
            compare({threads, 0, target}, target + ", threads " + std::to_string(threads));
        for (int strip : {16, 48, 120, 1000})
            compare({2, strip, target}, target + ", strip " + std::to_string(strip));
    }
    if (first.empty()) GTEST_SKIP() << "no target of this machine has fused multiply-add";
}

INSTANTIATE_TEST_SUITE_P(All, SameBits,
                         testing::Values(Size{15, 15}, Size{67, 33}, Size{130, 47}, Size{203, 90}));

// Multiply-adds of a stage's convolutions for a pixel; those on MDSA's smallest maps, 1/36 of it,
// are left out.
int macs_of(const std::string &stage, int full) {
    const int half = full / 2, quarter = full / 4;
    if (stage == "head") return 27 * full;
    if (stage == "distill") return 7 * full * half + 3 * full * (full + 9) + half * (full + 9);
    if (stage == "mdsa") return 2 * full * quarter + 5 * quarter * quarter + 9 * quarter;
    return full * (full + 9);  // ecca
}

double best_seconds(const std::function<void()> &work) {
    double best = 1e9, sum = 0;
    for (int round = 0; round < 10 && (round < 2 || sum < 1); ++round) {
        const auto start = std::chrono::steady_clock::now();
        work();
        const std::chrono::duration<double> taken = std::chrono::steady_clock::now() - start;
        best = std::min(best, taken.count());
        sum += taken.count();
    }
    return best;
}

void bench(const Model &model, const CpuOptions &options, Plan plan, double peak) {
    constexpr Size kSize{320, 180};
    constexpr double kPixels = double{kSize.width} * kSize.height;
    const auto stages = make_cpu_stages(model, options, quiet);
    Random random(seed_of_run());
    run_stages(*stages, model, kSize, plan, Content::random, random);
    for (const Stage &stage : kStages) {
        const double seconds = best_seconds([&] { stage.run(*stages); });
        const double channels =
            stage.in.empty() ? 3 + model.features : (stage.in.size() + 1.0) * model.features;
        const double rate = macs_of(stage.name, model.features) * kPixels / seconds / 1e9;
        std::printf("C = %d, %-11s %-10s %-8s %7.4f s %8.1f %4.0f %% %8.1f\n", model.features,
                    options.target.c_str(), name_of(plan).c_str(), stage.name, seconds, rate,
                    100 * rate / peak, channels * sizeof(float) * kPixels / seconds / 1e9);
    }
}

void bench_all() {
    const int threads = static_cast<int>(std::thread::hardware_concurrency());
    const double fma = peak(multiply_fma, threads);
    std::printf(
        "\n320x180, all cores: seconds, best of at most ten; thousand millions of multiply-adds a "
        "second, and their share of the %.1f that fused multiply-adds alone reach; of bytes, each "
        "map that is read or written counted once\n",
        fma);
    Random random(seed_of_run());
    for (int features : {56, 28}) {
        const Model model = random_model(features, 4, random);
        for (Plan plan : {Plan::fast, Plan::small}) {
            for (const std::string &target : cpu_targets()) bench(model, {0, 0, target}, plan, fma);
            for (const std::string &unit : cpu_bf16_units())
                bench(model, {0, 0, unit, true}, plan, fma);
        }
    }
}

}  // namespace
}  // namespace mdrn

int main(int argc, char **argv) {
    testing::InitGoogleTest(&argc, argv);
    std::printf("MDRN_SEED=%llu\n", static_cast<unsigned long long>(mdrn::seed_of_run()));
    const int failed = RUN_ALL_TESTS();
    if (failed == 0 && argc > 1 && std::strcmp(argv[1], "--bench") == 0) mdrn::bench_all();
    return failed;
}
