// SPDX-License-Identifier: BSD-2-Clause
// The declared networks against what the paper and the engine say of them.
#include "model/architecture.h"

#include <gtest/gtest.h>

#include <cmath>
#include <stdexcept>

#include "model.h"

namespace mdrn::training {
namespace {

TEST(Architecture, ParametersOfPublishedNetworks) {
    EXPECT_EQ(parameters(architecture("mdrn", 2)), 303'724);
    EXPECT_EQ(parameters(architecture("mdrn", 3)), 311'299);
    EXPECT_EQ(parameters(architecture("mdrn", 4)), 321'904);
    EXPECT_EQ(parameters(architecture("mdrn-s", 4)), 95'396);
}

// The rows of the paper's Tables 1 to 4, in thousands.
TEST(Architecture, ParametersOfAblations) {
    const std::pair<const char *, int> rows[] = {
        {"mdrn", 322},
        {"mdrn-no-spatial", 280},
        {"mdrn-esa", 317},
        {"mdrn-d7", 303},
        {"mdrn-d7-d5", 311},
        {"mdrn-d7-d5-d3", 319},
        {"mdrn", 322},
        {"mdrn-no-channel", 289},
        {"mdrn-cca", 292},
        {"mdrn-lr-cca", 322},
        {"mdrn", 322},
        {"mdrn-no-dispersion", 295},
        {"mdrn-no-refinement", 320},
        {"mdrn-esa-cca", 287},
    };
    for (const auto &[name, thousands] : rows)
        EXPECT_EQ(std::lround(parameters(architecture(name, 4)) / 1e3), thousands) << name;
}

TEST(Architecture, TensorsAreTheEngines) {
    for (const auto &[name, features] : {std::pair{"mdrn", 56}, std::pair{"mdrn-s", 28}})
        for (int scale : {2, 3, 4}) {
            Model model;
            model.features = features;
            model.scale = scale;
            std::map<std::string, std::vector<int64_t>> expected, found;
            model.visit([&](const std::string &tensor, const std::vector<int64_t> &shape,
                            std::vector<float> &) { expected[tensor] = shape; });
            for (const TensorShape &tensor : tensors(architecture(name, scale)))
                EXPECT_TRUE(found.emplace(tensor.name, tensor.shape).second) << tensor.name;
            EXPECT_EQ(found, expected) << name << " x" << scale;
        }
}

struct Cost {
    int64_t multiply_adds = 0, activations = 0, layers = 0;
};

Cost cost(const std::string &name, int scale, int width, int height) {
    Cost cost;
    for (const ConvLayer &layer : convolutions(architecture(name, scale))) {
        cost.multiply_adds += layer.multiply_adds(height, width);
        cost.activations += layer.activations(height, width);
        cost.layers++;
    }
    return cost;
}

TEST(Architecture, CostOfPublishedNetworks) {
    const auto expect = [](const Cost &found, double giga, double tolerance, double mega,
                           double mega_tolerance) {
        EXPECT_NEAR(static_cast<double>(found.multiply_adds) / 1e9, giga, tolerance);
        EXPECT_NEAR(static_cast<double>(found.activations) / 1e6, mega, mega_tolerance);
        EXPECT_EQ(found.layers, 317);
    };
    expect(cost("mdrn", 2, 640, 360), 63.81, 0.005, 1533.7, 0.05);
    expect(cost("mdrn", 3, 427, 240), 29.16, 0.005, 683.7, 0.05);
    expect(cost("mdrn", 4, 320, 180), 17.00, 0.005, 385.5, 0.05);
    expect(cost("mdrn-s", 4, 256, 256), 5.581, 0.0005, 220.88, 0.005);
}

TEST(Architecture, SmallestFrame) {
    EXPECT_EQ(smallest_side(architecture("mdrn", 2)), 15);  // the engine's kSmallest
    EXPECT_EQ(smallest_side(architecture("mdrn-esa", 2)), 21);
    EXPECT_EQ(smallest_side(architecture("mdrn-no-spatial", 2)), 2);
}

TEST(Architecture, AnUnknownNameIsAnsweredWithThoseThereAre) {
    try {
        architecture("mdrm", 2);
        FAIL();
    } catch (const std::runtime_error &error) {
        const std::string text = error.what();
        EXPECT_NE(text.find("mdrm"), std::string::npos);
        for (const std::string &name : architecture_names())
            EXPECT_NE(text.find(name), std::string::npos) << name;
    }
    EXPECT_THROW(architecture("mdrn", 5), std::runtime_error);
}

}  // namespace
}  // namespace mdrn::training
