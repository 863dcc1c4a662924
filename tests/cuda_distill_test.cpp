// SPDX-License-Identifier: BSD-2-Clause
// The fused distillation on the emulated device against the plain stages.
//   MDRN_SEED=n cuda_distill_test     the same numbers again
#include <gtest/gtest.h>

#include <cstring>
#include <limits>

#include "backends.h"
#include "device_stages.h"
#include "emulated.h"
#include "rounded.h"
#include "stage_checks.h"

namespace mdrn::test {
namespace {

constexpr int kBlock = 2;

void quiet(const std::string &) {}

struct Distilled {
    Values fused;      // (C, H, W)
    Values dispersed;  // (f, H, W), conv1's, without bias
    bool operator==(const Distilled &) const = default;
};

Values dispersed_of(const Values &fused, const Model &model) {
    const Values &weight = model.blocks[kBlock].esa.conv1.weight;
    const size_t c = model.features, f = c / 4, plane = fused.size() / c;
    Values all(f * plane);
    for (size_t o = 0; o < f; ++o)
        for (size_t i = 0; i < plane; ++i) {
            double sum = 0;
            for (size_t k = 0; k < c; ++k) sum += double{weight[o * c + k]} * fused[k * plane + i];
            all[o * plane + i] = static_cast<float>(sum);
        }
    return all;
}

Distilled reference(const Model &model, Size size, const Values &x) {
    const auto plain = make_reference_stages(model, quiet);
    plain->prepare(size, Plan::fast);
    plain->write(Map::x, x.data());
    plain->distill(kBlock);
    Distilled result;
    result.fused.resize(x.size());
    plain->read(Map::fused, result.fused.data());
    result.dispersed = dispersed_of(result.fused, model);
    return result;
}

// The channels that pad `dispersed` have to be 0: what reads it multiplies them with 0.
Distilled ours(const Model &model, Size size, const Values &x) {
    const Device device;
    DeviceStages stages(model, device, true);
    stages.prepare(size, Plan::fast);
    stages.write(Map::x, x.data());
    const Values poison(x.size(), std::numeric_limits<float>::quiet_NaN());
    stages.write(Map::fused, poison.data());
    const size_t f = model.dispersion(), padded = cuda::Channels(model).dispersed;
    const size_t plane = x.size() / model.features;
    std::vector<__half> c(plane * padded);
    const size_t bytes = c.size() * sizeof(__half);
    void *map = stages.cuda().places().dispersed;
    EXPECT_EQ(cudaMemsetAsync(map, 0xFF, bytes, device.stream), cudaSuccess);

    stages.cuda().fused_distill(kBlock);

    Distilled result;
    result.fused.resize(x.size());
    stages.read(Map::fused, result.fused.data());
    EXPECT_EQ(cudaMemcpy(c.data(), map, bytes, cudaMemcpyDeviceToHost), cudaSuccess);
    result.dispersed.resize(f * plane);
    for (size_t i = 0; i < c.size(); ++i) {
        const float value = __half2float(c[i]);
        if (i % padded < f)
            result.dispersed[i % padded * plane + i / padded] = value;
        else if (value != 0)
            ADD_FAILURE() << "a padding channel is " << value;
    }
    return result;
}

Model rounded_model(int features, Random &random) {
    Model model = random_model(features, 2, random);
    round_to_half(model);
    return model;
}

struct Case {
    int features;
    int capability;  // tiles are of 16 pixels by 4 (75), 10 (86), 23 (80) or 30 (90) rows where C =
                     // 56, by 16 (75), 29 (86) or 30 rows where C = 28
    Size size;
};

void PrintTo(const Case &the, std::ostream *out) {
    *out << "C = " << the.features << ", sm_" << the.capability << ", " << the.size.width << "x"
         << the.size.height;
}

std::vector<Case> cases() {
    std::vector<Case> all;
    for (int features : {56, 28}) {
        // With edges of tiles and beside them, at the frame's edges too.
        for (Size size : {Size{15, 15}, {16, 17}, {31, 33}, {33, 19}, {15, 20}, {16, 21}})
            all.push_back({features, 86, size});
        for (Size size : {Size{15, 29}, {16, 30}, {17, 31}, {65, 15}, {17, 64}, {127, 65}})
            all.push_back({features, 90, size});
        for (Size size : {Size{15, 22}, {16, 23}, {49, 24}}) all.push_back({features, 80, size});
        for (Size size : {Size{16, 15}, {15, 16}, {33, 17}}) all.push_back({features, 75, size});
    }
    return all;
}

class FusedDistill : public emulated::Device, public testing::WithParamInterface<Case> {};

TEST_P(FusedDistill, AgreesWithTheReference) {
    const Case &the = GetParam();
    emulated::set_capability(the.capability);
    Random random(seed_of_run());
    const Model model = rounded_model(the.features, random);
    for (Content content :
         {Content::random, Content::impulses, Content::extremes, Content::constant}) {
        // What other contents show does not depend on the size.
        if (content != Content::random && the.capability != 86) continue;
        SCOPED_TRACE("content " + std::to_string(static_cast<int>(content)) +
                     ", MDRN_SEED=" + std::to_string(seed_of_run()));
        const Values x = make(content, the.features, the.size, random);
        const Distilled expected = reference(model, the.size, x);
        const Distilled result = ours(model, the.size, x);
        // x; three times pw and r; c4's pw, d, fused; then conv1
        expect_rounded(result.fused, expected.fused, 10);
        expect_rounded(result.dispersed, expected.dispersed, 11);
    }
}

INSTANTIATE_TEST_SUITE_P(All, FusedDistill, testing::ValuesIn(cases()));

class FusedDistillBits : public emulated::Device {};

// Neither with the order of threads and blocks nor with the tile that a device has room for.
TEST_F(FusedDistillBits, DoNotChange) {
    Random random(seed_of_run());
    const Size size{33, 35};
    for (int features : {56, 28}) {
        const Model model = rounded_model(features, random);
        const Values x = make(Content::random, features, size, random);
        const Distilled first = ours(model, size, x);
        for (int capability : {75, 80, 86, 90}) {
            SCOPED_TRACE(capability);
            emulated::set_capability(capability);
            emulated::set_seed(seed_of_run() + capability);
            EXPECT_TRUE(ours(model, size, x) == first);
        }
    }
}

}  // namespace
}  // namespace mdrn::test
