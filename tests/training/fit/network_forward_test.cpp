// SPDX-License-Identifier: BSD-2-Clause
// The trainable network against the goldens, and what it says of wrong input.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <functional>
#include <stdexcept>

#include "network/network.h"

namespace mdrn::training {
namespace {

const std::string kReference = std::string(MDRN_REFERENCE_DIR) + "/reference/";

torch::Tensor picture(const Tensor &chw) {
    return torch::tensor(chw.values).view({1, chw.shape[0], chw.shape[1], chw.shape[2]});
}

struct Case {
    const char *network;
    int scale;
    const char *size;
    std::string file() const { return std::string(network) + "_x" + std::to_string(scale); }
};

std::vector<Case> cases() {
    std::vector<Case> all;
    for (const char *size : {"15x15", "37x29", "64x48"}) {
        for (int scale : {2, 3, 4}) all.push_back({"mdrn", scale, size});
        all.push_back({"mdrn-s", 4, size});
    }
    return all;
}

std::string case_name(const testing::TestParamInfo<Case> &test) {
    std::string name = test.param.file() + "_" + test.param.size;
    std::replace(name.begin(), name.end(), '-', '_');
    return name;
}

class Golden : public testing::TestWithParam<Case> {};

TEST_P(Golden, Forward) {
    if (!std::filesystem::exists(kReference + "golden"))
        GTEST_SKIP() << "no goldens: set MDRN_REFERENCE_DIR";
    const Case &test = GetParam();
    const Weights golden =
        read_safetensors(kReference + "golden/" + test.file() + "_" + test.size + ".safetensors");
    Network network(architecture(test.network, test.scale), {test.scale});
    network.load(read_safetensors(kReference + "weights/" + test.file() + ".official.safetensors"));
    const torch::NoGradGuard guard;
    const torch::Tensor input = picture(golden.tensors.at("input"));
    const torch::Tensor expected = picture(golden.tensors.at("output"));
    const torch::Tensor difference = network.forward(input, test.scale) - expected;
    EXPECT_LE(difference.abs().max().item<float>(), 1e-5);
}

INSTANTIATE_TEST_SUITE_P(All, Golden, testing::ValuesIn(cases()), case_name);

// Values that tell tensors and places apart.
void number(const Network &network) {
    const torch::NoGradGuard guard;
    double offset = 0;
    for (torch::Tensor &tensor : network.parameters())
        tensor.copy_(torch::sin(torch::arange(tensor.numel()) + (offset += 0.1)).view_as(tensor) /
                     10);
}

TEST(Network, OneBodyHasAnUpsamplerForEachScale) {
    const Network several(architecture("mdrn-s", 4), {2, 3, 4});
    number(several);
    const torch::NoGradGuard guard;
    const torch::Tensor input = torch::rand({2, 3, 17, 15});
    for (int scale : {2, 3, 4}) {
        Network one(architecture("mdrn-s", scale), {scale});
        one.load(several.weights(scale));
        const torch::Tensor output = several.forward(input, scale);
        EXPECT_EQ(output.sizes(), (std::vector<int64_t>{2, 3, 17 * scale, 15 * scale}));
        EXPECT_TRUE(torch::equal(output, one.forward(input, scale)));
    }
    EXPECT_EQ(several.parameters().size(), 521U + 2 + 2);
}

TEST(Network, AnotherScalesWeightsGiveTheBody) {
    const Network x4(architecture("mdrn-s", 4), {4});
    number(x4);
    Network x2(architecture("mdrn-s", 2), {2});
    x2.load(x4.weights(4));
    for (const auto &[name, tensor] : x2.tensors(2)) {
        if (name.starts_with("upsampler."))
            EXPECT_EQ(tensor.abs().max().item<float>(), 0) << name;
        else
            EXPECT_TRUE(torch::equal(tensor, x4.tensors(4).at(name))) << name;
    }
}

TEST(Network, EveryDeclaredOneRunsAndGivesEveryTensorAGradient) {
    for (const std::string &name : architecture_names()) {
        const Network network(architecture(name, 2), {2});
        number(network);
        network.forward(torch::rand({1, 3, 24, 21}), 2).square().mean().backward();
        for (const auto &[tensor_name, tensor] : network.named_parameters())
            EXPECT_TRUE(tensor.grad().defined() && tensor.grad().isfinite().all().item<bool>())
                << name << " " << tensor_name;
    }
}

std::string message(const std::function<void()> &action) {
    try {
        action();
    } catch (const std::runtime_error &error) {
        return error.what();
    }
    return "no exception";
}

TEST(Network, ErrorsNameWhatIsWrong) {
    Network network(architecture("mdrn", 2), {2});
    const auto expect = [](const std::string &found, const std::string &part) {
        EXPECT_NE(found.find(part), std::string::npos) << found;
    };
    expect(message([&] { network.forward(torch::rand({1, 3, 14, 20}), 2); }), "at least 15 x 15");
    expect(message([&] { network.forward(torch::rand({1, 1, 20, 20}), 2); }), "[1, 1, 20, 20]");
    expect(message([&] { network.forward(torch::rand({1, 3, 20, 20}), 3); }), "scale 3");
    expect(message([&] { Network(architecture("mdrn", 2), {2, 2}); }), "2 is named twice");

    number(network);
    Weights weights = network.weights(2);
    weights.tensors["c1.bias"].shape = {7, 8};
    expect(message([&] { network.load(weights); }),
           "\"c1.bias\": expected shape [56], found [7, 8]");
    weights.tensors.erase("c1.bias");
    expect(message([&] { network.load(weights); }), "\"c1.bias\"");
    weights = network.weights(2);
    weights.tensors["more"] = {{1}, {1}};
    expect(message([&] { network.load(weights); }), "\"more\"");
}

}  // namespace
}  // namespace mdrn::training
