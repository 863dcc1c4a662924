// SPDX-License-Identifier: BSD-2-Clause
// Set5 through the CUDA stages on the emulated device: what fp16 costs, and how far it is from
// overflowing. Slow.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "backends.h"
#include "device_stages.h"
#include "emulated.h"
#include "set5.h"

namespace mdrn::test {
namespace {

void quiet(const std::string &) {}

class CudaSet5 : public emulated::Device, public testing::WithParamInterface<std::string> {
protected:
    void SetUp() override {
        emulated::Device::SetUp();
        emulated::set_twice(false);
        if (!std::filesystem::exists(kReference / "data/eval/Set5"))
            GTEST_SKIP() << "no Set5: MDRN_REFERENCE_DIR is \"" MDRN_REFERENCE_DIR "\"";
    }
    // "mdrn_x2.official" is a published file, "mdrn_x2" one of the library's own.
    static Model model() {
        const std::string &name = GetParam();
        if (name.ends_with(".official"))
            return load_model(kReference / "reference/weights" / (name + ".safetensors"), 0);
        const size_t x = name.rfind("_x");
        return load_model(name.substr(0, x), std::stoi(name.substr(x + 2)));
    }
};

std::string name_of(const testing::TestParamInfo<std::string> &info) {
    std::string name = info.param;
    for (char &letter : name)
        if (letter == '-' || letter == '.') letter = '_';
    return name;
}

class CudaSet5Psnr : public CudaSet5 {};

TEST_P(CudaSet5Psnr, OfFp16IsThatOfFp32) {
    const Model weights = model();
    const test::Device device;
    DeviceStages fp16(weights, device, true);
    DeviceStages fused(weights, device, true, cuda::Path::fused);
    const auto fp32 = make_cpu_stages(weights, {}, quiet);
    double sum16 = 0, sum_fused = 0, sum32 = 0;
    for_set5(weights.scale, [&](const Values &rgb, Size size, const Rgb8 &original) {
        const Size large{weights.scale * size.width, weights.scale * size.height};
        const auto psnr_of = [&](HostStages &stages) {
            return psnr(rounded(upscale(stages, size, rgb.data()), large), original, weights.scale);
        };
        sum16 += psnr_of(fp16);
        sum_fused += psnr_of(fused);
        sum32 += psnr_of(*fp32);
    });
    std::printf("%s: fp16 %.4f dB, fused %.4f dB, fp32 %.4f dB\n", GetParam().c_str(), sum16 / 5,
                sum_fused / 5, sum32 / 5);
    EXPECT_NEAR(sum16, sum32, 5 * 0.01);
    EXPECT_NEAR(sum_fused, sum32, 5 * 0.01);
}

INSTANTIATE_TEST_SUITE_P(Published, CudaSet5Psnr,
                         testing::Values("mdrn_x2.official", "mdrn_x3.official", "mdrn_x4.official",
                                         "mdrn-s_x4.official"),
                         name_of);

class CudaSet5Largest : public CudaSet5 {};

// A map that a launch writes.
struct Output {
    std::string name;
    const void *map;
    int channels;
};

std::vector<Output> outputs_of(const std::string &launch, const cuda::Places &places,
                               const cuda::Channels &n) {
    const void *const x = places.maps[int(Map::x)], *const fused = places.maps[int(Map::fused)];
    if (launch == "unpack") return {{"rgb", places.rgb, 4}};
    if (launch == "convolution fea_conv") return {{"f0", x, n.c}};
    if (launch == "convolution c_r.pw, c_d") return {{"c_r.pw, c_d", places.stacked, n.stacked}};
    if (launch == "refine") return {{"r", fused, n.c}, {"d", places.distilled, n.distilled}};
    if (launch == "convolution c4.pw") return {{"c4.pw", places.stacked, n.d}};
    if (launch == "refine_last") return {{"d", places.distilled, n.distilled}};
    if (launch == "convolution c5") return {{"c5", fused, n.c}};
    if (launch == "convolution conv1") return {{"conv1", places.dispersed, n.dispersed}};
    if (launch == "gate") return {{"MDSA", fused, n.c}};
    if (launch == "convolution body_0") return {{"body_0", places.stacked, n.c}};
    if (launch == "depthwise") return {{"ECCA", x, n.c}};
    if (launch == "convolution c1") return {{"sum", places.sum, n.c}};
    if (launch == "activate") return {{"GELU(sum)", fused, n.c}};
    if (launch == "convolution c2.pw") return {{"c2.pw", places.stacked, n.c}};
    if (launch == "restore") return {{"c2 + f0", fused, n.c}};
    if (launch == "convolution upsampler") return {{"subpixels", places.stacked, n.subpixels}};
    // What these write is float in fp16 too.
    static const std::set<std::string> others{"disperse", "mix", "statistics", "attention", "pack"};
    if (!others.contains(launch)) ADD_FAILURE() << "unknown launch: " << launch;
    return {};
}

float largest_of(const Output &output, Size size) {
    Values values(size_t(size.width) * size.height * output.channels);
    cuda::check(cudaMemcpy(values.data(), output.map, values.size() * sizeof(float),
                           cudaMemcpyDeviceToHost),
                "looking at a map");
    float most = 0;
    for (float value : values)
        if (!(std::abs(value) <= most)) most = std::abs(value);  // NaN too
    return most;
}

// The largest value of each map that would be stored as half, in fp32, which does not overflow.
TEST_P(CudaSet5Largest, ValueOfEachMapIsFarFromOverflow) {
    const Model weights = model();
    const test::Device device;
    std::map<std::string, float> largest;
    for_set5(weights.scale, [&](const Values &rgb, Size size, const Rgb8 &) {
        DeviceStages stages(weights, device, false);
        stages.prepare(size, Plan::fast);
        std::string last;
        stages.cuda().queue().recorder = [&](const cuda::Launch &launch) {
            stages.finish();
            const std::string done = std::exchange(last, launch.kernel);
            if (done.empty()) return;
            for (const Output &output :
                 outputs_of(done, stages.cuda().places(), cuda::Channels(weights))) {
                float &most = largest[output.name];
                const float value = largest_of(output, size);
                if (!(value <= most)) most = value;
            }
        };
        set_rgb(stages, rgb.data());
        run_planes(stages);
    });
    EXPECT_EQ(largest.size(), 16U);
    for (const auto &[name, value] : largest) {
        std::printf("%s: %-28s %8.2f\n", GetParam().c_str(), name.c_str(), double(value));
        EXPECT_LT(value, 65504.0F / 4) << name;
        EXPECT_GT(value, 0) << name;
    }
}

INSTANTIATE_TEST_SUITE_P(All, CudaSet5Largest,
                         testing::Values("mdrn_x2.official", "mdrn_x3.official", "mdrn_x4.official",
                                         "mdrn-s_x4.official", "mdrn_x2", "mdrn_x3", "mdrn_x4",
                                         "mdrn-s_x2", "mdrn-s_x3", "mdrn-s_x4"),
                         name_of);

}  // namespace
}  // namespace mdrn::test
