// SPDX-License-Identifier: BSD-2-Clause
// What a context tells of its work.
#include <gtest/gtest.h>

#include <chrono>
#include <cstring>
#include <string>
#include <vector>

#include "api.h"

namespace mdrn::test {
namespace {

constexpr double kSlack = 1e-3;  // seconds, between one reading of the clock and another

mdrn_statistics statistics_of(const Context &context) {
    mdrn_statistics statistics;
    mdrn_get_statistics(context.get(), &statistics, sizeof statistics);
    return statistics;
}

double sum_of_stages(const mdrn_statistics &statistics) {
    double sum = 0;
    for (const double seconds : statistics.stage_seconds) sum += seconds;
    return sum;
}

class Statistics : public testing::TestWithParam<mdrn_device> {
protected:
    static mdrn_settings settings() {
        mdrn_settings settings = small_settings();
        settings.device = GetParam();
        settings.threads = 2;
        settings.reuse = 0;
        return settings;
    }
};

TEST_P(Statistics, AreOfTheTimeThatPicturesTook) {
    const Context context = open(settings());
    const mdrn_statistics none = statistics_of(context);
    EXPECT_EQ(none.pictures, 0U);
    EXPECT_EQ(none.seconds, 0);
    EXPECT_EQ(sum_of_stages(none), 0);

    const FloatPicture in(40, 30);
    FloatPicture out(80, 60);
    const auto begin = std::chrono::steady_clock::now();
    for (int i = 0; i < 3; ++i) ASSERT_EQ(enlarge(context.get(), in.image, out.image), 0);
    const double taken =
        std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();

    const mdrn_statistics some = statistics_of(context);
    EXPECT_EQ(some.pictures, 3U);
    EXPECT_EQ(some.reused, 0U);
    EXPECT_LE(some.seconds, taken + kSlack);
    // What is not in a stage: checks, and allocation for the first picture.
    EXPECT_LE(sum_of_stages(some), some.seconds + kSlack);
    EXPECT_GE(sum_of_stages(some), 0.1 * some.seconds);
    for (const double seconds : some.stage_seconds) EXPECT_GT(seconds, 0);
}

// Nine tenths of the multiply-adds are distill's and ECCA's, one in fifty head's. On a machine that
// is busy with other things a single picture's times may be any.
TEST_P(Statistics, AreOfTheStagesThatTookIt) {
    const FloatPicture in(24, 18);
    FloatPicture out(48, 36);
    const auto plausible = [&] {
        const Context context = open(settings());
        for (int i = 0; i < 3; ++i) EXPECT_EQ(enlarge(context.get(), in.image, out.image), 0);
        const mdrn_statistics statistics = statistics_of(context);
        const auto share = [&](mdrn_stage stage) {
            return statistics.stage_seconds[stage] / sum_of_stages(statistics);
        };
        return share(MDRN_STAGE_DISTILL) > 0.3 && share(MDRN_STAGE_ECCA) > 0.05 &&
               share(MDRN_STAGE_HEAD) < 0.1 && share(MDRN_STAGE_TAIL) < 0.25;
    };
    bool once = false;
    for (int attempt = 0; attempt < 10 && !once; ++attempt) once = plausible();
    EXPECT_TRUE(once);
}

INSTANTIATE_TEST_SUITE_P(Devices, Statistics,
                         testing::Values(MDRN_DEVICE_CPU, MDRN_DEVICE_REFERENCE));

TEST(StatisticsStruct, MayBeOfAnOlderHeader) {
    const Context context = open(small_settings());
    mdrn_statistics statistics;
    std::memset(&statistics, 0x5a, sizeof statistics);
    mdrn_get_statistics(context.get(), &statistics, offsetof(mdrn_statistics, seconds));
    EXPECT_EQ(statistics.size, offsetof(mdrn_statistics, seconds));
    EXPECT_EQ(statistics.reused, 0U);
    const auto *bytes = reinterpret_cast<const unsigned char *>(&statistics);
    for (size_t i = offsetof(mdrn_statistics, seconds); i < sizeof statistics; ++i)
        ASSERT_EQ(bytes[i], 0x5a) << i;
}

// All that a context says at level verbose, with so many pictures, all the same.
std::string said_verbosely(int pictures) {
    std::string text;
    mdrn_settings settings = small_settings();
    settings.threads = 3;
    settings.log_opaque = &text;
    settings.log = [](void *opaque, mdrn_log_level level, const char *message) {
        if (level == MDRN_LOG_VERBOSE)
            *static_cast<std::string *>(opaque) += message + std::string("\n");
    };
    Context context = open(settings);
    const FloatPicture in(20, 15);
    FloatPicture out(40, 30);
    for (int i = 0; i < pictures; ++i) EXPECT_EQ(enlarge(context.get(), in.image, out.image), 0);
    context.reset();
    return text;
}

TEST(Verbose, TellsOfTheDeviceAtTheStartAndOfTheWorkAtTheEnd) {
    const std::string text = said_verbosely(4);
    size_t at = 0;
    for (const char *words :
         {"2 times on: CPU (", "fp32, 3 threads\n", "20x15: ", " MiB of memory",
          "3 of 4 pictures were the same as the one before", " a second, ", "unpack ", "head ",
          "distill ", "mdsa ", "ecca ", "gather ", "tail ", "pack "}) {
        at = text.find(words, at);
        ASSERT_NE(at, std::string::npos) << words << " is not, or not in order, in\n" << text;
    }
}

TEST(Verbose, TellsNothingOfNoPictures) {
    const std::string text = said_verbosely(0);
    EXPECT_EQ(text.find("second"), std::string::npos) << text;
    EXPECT_EQ(text.find("pack"), std::string::npos) << text;
}

}  // namespace
}  // namespace mdrn::test
