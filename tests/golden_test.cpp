// SPDX-License-Identifier: BSD-2-Clause
// Every backend against outputs and inner maps of the published weights, computed in float64.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <ostream>
#include <set>

#include "backends.h"
#include "network.h"
#include "planes.h"
#include "reference/stages.h"
#include "safetensors.h"

namespace mdrn {
namespace {

const std::string kReference = std::string(MDRN_REFERENCE_DIR) + "/reference/";

struct Case {
    std::string weights;  // "mdrn_x2"
    std::string size;     // "64x48"
    std::string backend;  // "reference" or a target of the CPU's
};

void PrintTo(const Case &test, std::ostream *out) {
    *out << test.weights << " " << test.size << " " << test.backend;
}

std::vector<Case> cases() {
    std::vector<std::string> backends = cpu_targets();
    backends.insert(backends.begin(), "reference");
    std::vector<Case> all;
    for (const char *weights : {"mdrn_x2", "mdrn_x3", "mdrn_x4", "mdrn-s_x4"})
        for (const char *size : {"15x15", "37x29", "64x48"})
            for (const std::string &backend : backends) all.push_back({weights, size, backend});
    return all;
}

float largest_difference(const std::vector<float> &a, const std::vector<float> &b) {
    if (a.size() != b.size()) return INFINITY;
    float most = 0;
    for (size_t i = 0; i < a.size(); ++i) {
        const float difference = std::abs(a[i] - b[i]);
        if (!(difference <= most)) most = difference;  // NaN too
    }
    return most;
}

class Golden : public testing::TestWithParam<Case> {
protected:
    void compare(const std::string &name, const std::vector<float> &values) {
        const auto found = golden.find("tap." + name);
        if (found == golden.end()) return;
        seen.insert(name);
        float largest = 1;
        for (float value : found->second.values) largest = std::max(largest, std::abs(value));
        EXPECT_LE(largest_difference(values, found->second.values), 1e-5F * largest) << name;
    }
    void compare(const std::string &name, HostStages &stages, Map map, const Model &model) {
        const Size size = stages.rgb().size;
        std::vector<float> values(static_cast<size_t>(model.features) * size.width * size.height);
        stages.read(map, values.data());
        compare(name, values);
    }
    std::map<std::string, Tensor> golden;
    std::set<std::string> seen;
};

TEST_P(Golden, OutputAndTaps) {
    if (!std::filesystem::exists(kReference + "golden"))
        GTEST_SKIP() << "no goldens: set MDRN_REFERENCE_DIR";
    const Case &test = GetParam();
    golden =
        read_safetensors(kReference + "golden/" + test.weights + "_" + test.size + ".safetensors");
    const Model model =
        load_model(kReference + "weights/" + test.weights + ".official.safetensors", 0);
    std::unique_ptr<HostStages> stages;
    if (test.backend == "reference") {
        stages = make_reference_stages(model, [](const std::string &) {});
        dynamic_cast<reference::ReferenceStages &>(*stages).tap =
            [this](const std::string &name, const reference::Tensor &output) {
                compare(name, output.values);
            };
    } else {
        CpuOptions options;
        options.target = test.backend;
        stages = make_cpu_stages(model, options, [](const std::string &) {});
    }
    const Tensor &input = golden.at("input");
    stages->prepare({static_cast<int>(input.shape[2]), static_cast<int>(input.shape[1])},
                    Plan::fast);
    test::set_rgb(*stages, input.values.data());

    stages->head();
    compare("fea_conv", *stages, Map::x, model);
    for (int block = 0; block < kBlocks; ++block) {
        const std::string name = "B" + std::to_string(block + 1);
        stages->distill(block);
        compare(name + ".c5", *stages, Map::fused, model);
        stages->mdsa(block);
        compare(name + ".esa", *stages, Map::fused, model);
        stages->ecca(block);
        compare(name, *stages, Map::x, model);
        stages->gather(block);
    }
    stages->tail();
    EXPECT_LE(largest_difference(test::get_hr(*stages), golden.at("output").values), 1e-5F);

    const size_t taps = golden.size() - 2;
    // All; or f0, and in blocks 1 and 8 fused twice and x.
    EXPECT_EQ(seen.size(), test.backend == "reference" || taps == 0 ? taps : 7);
}

INSTANTIATE_TEST_SUITE_P(All, Golden, testing::ValuesIn(cases()), [](const auto &test) {
    std::string name = test.param.weights + "_" + test.param.size + "_" + test.param.backend;
    std::replace(name.begin(), name.end(), '-', '_');
    return name;
});

}  // namespace
}  // namespace mdrn
