// SPDX-License-Identifier: BSD-2-Clause
// mdrn-train summary, as the paper's Table 6 and NETWORK.md's have it.
#include <gtest/gtest.h>

#include <filesystem>
#include <regex>

#include "program.h"

namespace mdrn::training {
namespace {

test::Outcome summary(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), {MDRN_TRAIN, "summary"});
    return test::run(arguments);
}

void expect_line(const test::Outcome &outcome, const std::string &pattern) {
    EXPECT_EQ(outcome.status, 0) << outcome.output;
    EXPECT_TRUE(std::regex_search(outcome.output, std::regex(pattern))) << pattern << " in\n"
                                                                        << outcome.output;
}

TEST(Summary, OfTheSmallNetwork) {
    const test::Outcome outcome =
        summary({"--model", "mdrn-s", "--size", "256x256", "--frames", "1"});
    expect_line(outcome, "mdrn-s x4, 256x256 -> 1024x1024");
    expect_line(outcome, "parameters +95396\n");
    expect_line(outcome, "multiply-adds +5\\.581 G");
    expect_line(outcome, "activations +220\\.88 M");
    expect_line(outcome, "convolutions +317\n");
    expect_line(outcome, "peak memory +[1-9][0-9.]* MiB");
    expect_line(outcome, "runtime +[0-9]+\\.[0-9]{4} s");
    EXPECT_EQ(outcome.output.find("runtime     0.0000"), std::string::npos);
}

TEST(Summary, OfTheNetworkAtEveryScale) {
    const auto at = [](const char *scale, const char *size) {
        return summary({"--model", "mdrn", "--scale", scale, "--size", size, "--frames", "0"});
    };
    expect_line(at("2", "640x360"),
                "parameters +303724\nmultiply-adds +63\\.81. G.*\nactivations +1533\\.[67]. M");
    expect_line(at("3", "427x240"),
                "parameters +311299\nmultiply-adds +29\\.1[56]. G.*\nactivations +683\\.[67]. M");
    expect_line(at("4", "320x180"),
                "parameters +321904\nmultiply-adds +(17\\.00.|16\\.99[5-9]) G.*\nactivations "
                "+385\\.[45]. M");
}

TEST(Summary, OfAFile) {
    const std::string file =
        std::string(MDRN_REFERENCE_DIR) + "/reference/weights/mdrn_x3.official.safetensors";
    if (!std::filesystem::exists(file)) GTEST_SKIP() << "no weights: set MDRN_REFERENCE_DIR";
    const test::Outcome outcome = summary({"--model", file, "--size", "32x24", "--frames", "1"});
    expect_line(outcome, "mdrn x3, 32x24 -> 96x72");
    expect_line(outcome, "parameters +311299\n");
    expect_line(outcome, "runtime +[0-9]+\\.[0-9]{4} s");
    EXPECT_NE(summary({"--model", file, "--size", "32x24", "--scale", "2"}).status, 0);
}

TEST(Summary, OfAnAblationThatLibmdrnDoesNotRun) {
    const test::Outcome outcome = summary({"--model", "mdrn-esa-cca", "--size", "64x64"});
    expect_line(outcome, "parameters +287296\n");
    expect_line(outcome, "runtime +-");
}

TEST(Summary, ErrorsSayWhatIsExpected) {
    const auto expect = [](const std::vector<std::string> &arguments, const std::string &part) {
        const test::Outcome outcome = summary(arguments);
        EXPECT_NE(outcome.status, 0);
        EXPECT_NE(outcome.output.find(part), std::string::npos) << outcome.output;
    };
    expect({"--model", "mdrm", "--size", "64x64"}, "mdrn-no-dispersion");
    expect({"--model", "mdrn", "--size", "64"}, "256x256");
    expect({"--model", "mdrn", "--size", "64x64x3"}, "256x256");
    expect({"--model", "mdrn", "--size", "0x64"}, "256x256");
    expect({"--model", "mdrn", "--size", "64x64", "--scale", "7"}, "2, 3 or 4");
    expect({"--model", "/none.safetensors", "--size", "64x64"}, "/none.safetensors");
}

}  // namespace
}  // namespace mdrn::training
