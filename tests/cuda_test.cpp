// SPDX-License-Identifier: BSD-2-Clause
// The CUDA stages on the emulated device against the plain ones and the goldens.
//   MDRN_SEED=n cuda_test     the same numbers again
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <map>

#include "backends.h"
#include "device_stages.h"
#include "emulated.h"
#include "network.h"
#include "rounded.h"
#include "safetensors.h"
#include "stage_checks.h"

namespace mdrn::test {
namespace {

const std::string kReference = std::string(MDRN_REFERENCE_DIR) + "/reference/";

void quiet(const std::string &) {}

// Maps that a stage is given or stores on its way, each rounded to half.
int roundings(const std::string &stage) {
    if (stage == "head") return 2;      // rgb, x
    if (stage == "distill") return 10;  // x; three times pw and r; c4's pw, d, fused
    if (stage == "mdsa") return 3;      // fused, c, fused
    if (stage == "ecca") return 4;      // fused, x, body_0, x
    if (stage == "block") return 17;    // all of these three
    if (stage == "blocks") return 34;
    return 13;  // x, eight times the sum; its GELU, c2's pw, the restored map, subpixels
}

// fp32: as the CPU's kernels. fp16: see rounded.h.
void expect_close(const Result &cuda, const Result &plain, Content content, bool half) {
    SCOPED_TRACE(plain.stage);
    float largest = 1, most = 0;
    for (float value : plain.values) largest = std::max(largest, std::abs(value));
    // Behind MDSA's gate stands a variance: what is about the square of the input is rounded.
    const bool gates = plain.stage != "head" && plain.stage != "distill" && plain.stage != "ecca";
    const float grown = gates && content == Content::extremes ? largest : 1;
    if (half) return expect_rounded(cuda.values, plain.values, roundings(plain.stage), grown);
    ASSERT_EQ(cuda.values.size(), plain.values.size());
    for (size_t i = 0; i < plain.values.size(); ++i) {
        const float difference = std::abs(cuda.values[i] - plain.values[i]);
        if (!(difference <= most)) most = difference;  // NaN too
    }
    EXPECT_LE(most, 1e-5F * largest * grown);
}

struct Case {
    int features;
    int scale;
    Size size;
    bool half;
    bool plain;  // convolutions, without cuDNN
};

void PrintTo(const Case &the, std::ostream *out) {
    *out << "C = " << the.features << ", x" << the.scale << ", " << the.size.width << "x"
         << the.size.height << (the.half ? ", fp16" : ", fp32") << (the.plain ? ", plain" : "");
}

std::vector<Case> cases() {
    const std::vector<Size> sizes{{15, 15}, {16, 17}, {17, 64}, {31, 33}, {65, 15}, {127, 65}};
    std::vector<Case> all;
    for (const bool half : {false, true}) {
        for (size_t i = 0; i < sizes.size(); ++i)
            for (int features : {56, 28})
                all.push_back({features, 2 + static_cast<int>(i % 3), sizes[i], half, false});
        for (int features : {16, 20, 132, 256}) all.push_back({features, 2, {33, 16}, half, false});
        all.push_back({56, 4, {16, 15}, half, true});
    }
    return all;
}

class CudaStages : public emulated::Device, public testing::WithParamInterface<Case> {};

TEST_P(CudaStages, AgreeWithTheReference) {
    const Case &the = GetParam();
    Random random(seed_of_run());
    Model model = random_model(the.features, the.scale, random);
    if (the.half) round_to_half(model);
    const auto plain = make_reference_stages(model, quiet);
    const test::Device device(!the.plain);
    DeviceStages cuda(model, device, the.half);
    for (Content content :
         {Content::random, Content::impulses, Content::extremes, Content::constant}) {
        if (the.features > 56 && content != Content::random) continue;
        SCOPED_TRACE("content " + std::to_string(static_cast<int>(content)) +
                     ", MDRN_SEED=" + std::to_string(seed_of_run()));
        const auto expected = run_stages(*plain, model, the.size, Plan::fast, content, random);
        const auto ours = run_stages(cuda, model, the.size, Plan::fast, content, random);
        for (size_t i = 0; i < ours.size(); ++i)
            expect_close(ours[i], expected[i], content, the.half);
    }
}

INSTANTIATE_TEST_SUITE_P(All, CudaStages, testing::ValuesIn(cases()));

class CudaFused : public emulated::Device, public testing::WithParamInterface<Case> {};

TEST_P(CudaFused, BlocksAgreeWithTheReference) {
    const Case &the = GetParam();
    Random random(seed_of_run());
    Model model = random_model(the.features, the.scale, random);
    round_to_half(model);
    const auto plain = make_reference_stages(model, quiet);
    const test::Device device;
    DeviceStages cuda(model, device, true, cuda::Path::fused);
    for (Content content :
         {Content::random, Content::impulses, Content::extremes, Content::constant}) {
        if (the.size.width > 100 && content != Content::random) continue;  // for time
        SCOPED_TRACE("content " + std::to_string(static_cast<int>(content)) +
                     ", MDRN_SEED=" + std::to_string(seed_of_run()));
        const Values x = make(content, model.features, the.size, random);
        const auto run = [&](HostStages &stages) {
            std::vector<Result> results;
            Values out(x.size());
            stages.prepare(the.size, Plan::fast);
            for (Map map : {Map::x, Map::fused}) stages.write(map, x.data());
            for (const char *stage : {"block", "blocks"}) {
                stages.block(static_cast<int>(results.size()));
                stages.read(Map::x, out.data());
                results.push_back({stage, the.size, out});
            }
            return results;
        };
        const auto expected = run(*plain), ours = run(cuda);
        for (size_t i = 0; i < ours.size(); ++i) expect_close(ours[i], expected[i], content, true);
    }
}

std::vector<Case> fused_cases() {
    std::vector<Case> all;
    for (const Case &the : cases())
        if (the.half && !the.plain && (the.features == 56 || the.features == 28))
            all.push_back(the);
    return all;
}

INSTANTIATE_TEST_SUITE_P(All, CudaFused, testing::ValuesIn(fused_cases()));

struct Network {
    std::string weights;  // "mdrn_x2"
    std::string size;     // "64x48"
};

void PrintTo(const Network &network, std::ostream *out) {
    *out << network.weights << " " << network.size;
}

class CudaGolden : public emulated::Device, public testing::WithParamInterface<Network> {
protected:
    void SetUp() override {
        emulated::Device::SetUp();
        if (!std::filesystem::exists(kReference + "golden"))
            GTEST_SKIP() << "no goldens: set MDRN_REFERENCE_DIR";
        const auto &[weights, size] = GetParam();
        golden = read_safetensors(kReference + "golden/" + weights + "_" + size + ".safetensors");
        model = load_model(kReference + "weights/" + weights + ".official.safetensors", 0);
        const Tensor &input = golden.at("input");
        frame = {static_cast<int>(input.shape[2]), static_cast<int>(input.shape[1])};
    }
    // Against a tap, where the golden has it; relative to its largest value.
    void compare(const std::string &name, DeviceStages &stages, Map map) {
        const auto tap = golden.find("tap." + name);
        if (tap == golden.end()) return;
        Values values(tap->second.values.size());
        stages.read(map, values.data());
        expect_near(name, values, tap->second.values);
        ++taps;
    }
    static void expect_near(const std::string &name, const Values &ours, const Values &expected) {
        float largest = 1, most = 0;
        for (size_t i = 0; i < expected.size(); ++i) {
            largest = std::max(largest, std::abs(expected[i]));
            const float difference = std::abs(ours[i] - expected[i]);
            if (!(difference <= most)) most = difference;  // NaN too
        }
        EXPECT_LE(most, 1e-5F * largest) << name;
    }
    std::map<std::string, Tensor> golden;
    Model model;
    Size frame;
    int taps = 0;
};

TEST_P(CudaGolden, Fp32) {
    const test::Device device;
    DeviceStages stages(model, device, false);
    stages.prepare(frame, Plan::fast);
    set_rgb(stages, golden.at("input").values.data());
    stages.head();
    compare("fea_conv", stages, Map::x);
    for (int block = 0; block < kBlocks; ++block) {
        const std::string name = "B" + std::to_string(block + 1);
        stages.distill(block);
        compare(name + ".c5", stages, Map::fused);
        stages.mdsa(block);
        compare(name + ".esa", stages, Map::fused);
        stages.ecca(block);
        compare(name, stages, Map::x);
        stages.gather(block);
    }
    stages.tail();
    expect_near("output", get_hr(stages), golden.at("output").values);
    EXPECT_EQ(taps, golden.size() > 2 ? 7 : 0);
}

constexpr cuda::Path kPaths[] = {cuda::Path::cudnn, cuda::Path::fused};

// Noise of fp16 may cost 0.01 dB where the network's own error is largest in proportion: at x2's 38
// dB on Set5 that is noise 26.4 dB below it.
TEST_P(CudaGolden, Fp16) {
    const test::Device device;
    emulated::set_twice(false);  // for time; CudaFused does it
    for (const cuda::Path path : kPaths) {
        DeviceStages stages(model, device, true, path);
        const Values ours = upscale(stages, frame, golden.at("input").values.data());
        const Values &expected = golden.at("output").values;
        double squares = 0;
        for (size_t i = 0; i < expected.size(); ++i)
            squares += std::pow(double(ours[i]) - expected[i], 2);
        const double psnr = 10 * std::log10(double(expected.size()) / squares);
        std::printf("fp16%s against float64: %.1f dB\n",
                    path == cuda::Path::fused ? ", fused," : "", psnr);
        EXPECT_GE(psnr, 38 + 26.4);
    }
}

std::vector<Network> networks() {
    std::vector<Network> all;
    for (const char *weights : {"mdrn_x2", "mdrn_x3", "mdrn_x4", "mdrn-s_x4"})
        for (const char *size : {"15x15", "37x29", "64x48"}) all.push_back({weights, size});
    return all;
}

INSTANTIATE_TEST_SUITE_P(All, CudaGolden, testing::ValuesIn(networks()), [](const auto &network) {
    std::string name = network.param.weights + "_" + network.param.size;
    std::replace(name.begin(), name.end(), '-', '_');
    return name;
});

class CudaNetwork : public emulated::Device {};

TEST_F(CudaNetwork, SameBitsWhateverRanBeforeInWhateverOrder) {
    Random random(seed_of_run());
    const Model model = random_model(28, 2, random);
    const Size size{37, 34};
    const Values rgb = make(Content::random, 3, size, random);
    const test::Device device;
    for (const cuda::Path path : kPaths) {
        DeviceStages stages(model, device, true, path);
        const Values first = upscale(stages, size, rgb.data());
        upscale(stages, {20, 50}, rgb.data());
        emulated::set_seed(seed_of_run() + 1);  // of the order of blocks and threads
        EXPECT_EQ(upscale(stages, size, rgb.data()), first);
    }
}

TEST_F(CudaNetwork, TheFusedPathHasFewLaunches) {
    Random random(1);
    const test::Device device;
    for (int features : {56, 28}) {
        const Model model = random_model(features, 2, random);
        DeviceStages stages(model, device, true, cuda::Path::fused);
        stages.prepare({33, 20}, Plan::fast);
        std::vector<std::string> launches;
        stages.cuda().queue().recorder = [&](const cuda::Launch &launch) {
            launches.push_back(launch.kernel);
        };
        stages.block(3);
        EXPECT_EQ(launches,
                  (std::vector<std::string>{"fused_distill", "disperse", "mix", "fused_statistics",
                                            "attention", "fused_ecca"}));
        stages.finish();
    }
}

TEST_F(CudaNetwork, TakesTheMemoryThatItSays) {
    if (!emulated::kEmulated) GTEST_SKIP() << "this needs the emulated device";
    Random random(1);
    const Model model = random_model(56, 4, random);
    const test::Device device;
    for (const bool half : {false, true}) {
        cuda::CudaStages stages(model, device.cudnn.get(), half, device.stream, quiet);
        const size_t before = emulated::bytes_in_use();
        for (const Size size : {Size{64, 48}, Size{300, 200}, Size{15, 15}}) {
            stages.take(cuda::Path::cudnn);
            const uint64_t by_cudnn = stages.memory_needed(size, Plan::fast);
            if (half) {
                stages.take(cuda::Path::fused);
                // Without [d_1 ... d_4 1], and d_k beside c_k_r.pw; places begin at 256 bytes.
                const double saved = 2.0 * size.width * size.height * (120 + 28);
                EXPECT_NEAR(double(stages.memory_needed(size, Plan::fast)),
                            double(by_cudnn) - saved, 512);
            }
            stages.prepare(size, Plan::fast);
            EXPECT_EQ(emulated::bytes_in_use() - before, stages.memory_needed(size, Plan::fast));
        }
    }
}

// Nothing else keeps fp16 from overflowing where the input is absurd.
TEST_F(CudaNetwork, Fp16ClampsItsInput) {
    Random random(seed_of_run());
    const Model model = random_model(28, 2, random);
    const Size size{16, 15};
    Values rgb = make(Content::random, 3, size, random);
    rgb[40] = 1e30F;
    rgb[90] = -65000;
    rgb[300] = 17;
    Values clamped = rgb;
    for (float &value : clamped) value = std::clamp(value, -16.0F, 16.0F);
    const test::Device device;
    for (const cuda::Path path : kPaths) {
        DeviceStages stages(model, device, true, path);
        const Values ours = upscale(stages, size, rgb.data());
        EXPECT_EQ(ours, upscale(stages, size, clamped.data()));
        for (float value : ours) ASSERT_TRUE(std::isfinite(value));
    }
}

}  // namespace
}  // namespace mdrn::test
