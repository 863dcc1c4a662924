// SPDX-License-Identifier: BSD-2-Clause
// Gradients: LibTorch's way against finite differences in double, and the fused float32 way against
// LibTorch's.
#include "network/layers.h"

#include <gtest/gtest.h>

#include <set>

#include "network/network.h"
#include "training/gradients.h"

namespace mdrn::training {
namespace {

using namespace test;

void check_differences(const Function &f, const std::vector<torch::Tensor> &values) {
    const std::vector<torch::Tensor> found = gradients(f, values, torch::kDouble);
    for (size_t i = 0; i < values.size(); i++) {
        const torch::Tensor direction = uniform(values[i].sizes().vec(), 100 + i);
        const double expected = finite_difference(f, values, i, direction);
        const double along = (found[i] * direction).sum().item<double>();
        EXPECT_NEAR(along, expected, 1e-6 * std::max(1.0, std::abs(expected))) << "input " << i;
    }
}

void check_fused(const Function &f, const std::vector<torch::Tensor> &values) {
    std::vector<torch::Tensor> floats;
    for (const torch::Tensor &value : values) floats.push_back(value.to(torch::kFloat));
    EXPECT_LE(relative(f(floats).to(torch::kDouble), f(values)), 2e-6) << "output";
    const auto fused = gradients(f, values, torch::kFloat);
    const auto plain = gradients(f, values, torch::kDouble);
    for (size_t i = 0; i < values.size(); i++)
        EXPECT_LE(relative(fused[i], plain[i]), 5e-6) << "input " << i;
}

void check(const Function &f, const std::vector<torch::Tensor> &values) {
    check_differences(f, values);
    check_fused(f, values);
}

// Channels that fill vectors and that don't, more pixels than a chunk and fewer than a tile.
TEST(Layers, Pointwise) {
    for (Activation activation : {Activation::none, Activation::gelu})
        for (const auto &[in, out, h, w] : {std::tuple{56, 28, 9, 11}, std::tuple{14, 56, 16, 5},
                                            std::tuple{3, 5, 1, 1}, std::tuple{33, 47, 2, 3}}) {
            SCOPED_TRACE(std::to_string(in) + " -> " + std::to_string(out));
            const auto f = [&](const auto &v) { return pointwise(v[0], v[1], v[2], activation); };
            check(f, {uniform({3, in, h, w}, 1), uniform({out, in, 1, 1}, 2), uniform({out}, 3)});
        }
}

TEST(Layers, PointwiseOverMapsSideBySide) {
    const auto f = [](const auto &v) {
        return pointwise({v[0], v[1], v[2]}, v[3], v[4], Activation::gelu);
    };
    check(f, {uniform({2, 28, 7, 10}, 1), uniform({2, 5, 7, 10}, 2), uniform({2, 56, 7, 10}, 3),
              uniform({30, 89, 1, 1}, 4), uniform({30}, 5)});
}

TEST(Layers, BSConv) {
    for (Activation activation : {Activation::none, Activation::gelu})
        for (const auto &[h, w] : {std::pair{2, 2}, std::pair{3, 2}, std::pair{9, 12}})
            for (int stride : {1, 2})
                for (bool residual : {false, true}) {
                    if (residual && stride == 2) continue;
                    SCOPED_TRACE(std::to_string(h) + " x " + std::to_string(w));
                    const int in = 20, out = residual ? 20 : 14;
                    const auto f = [&](const auto &v) {
                        return bsconv(v[0], {v[1], v[2], v[3]}, stride, residual, activation);
                    };
                    check(f, {uniform({2, in, h, w}, 1), uniform({out, in, 1, 1}, 2),
                              uniform({out, 1, 3, 3}, 3), uniform({out}, 4)});
                }
}

TEST(Layers, Depthwise) {
    for (const auto &[h, w] : {std::pair{1, 1}, std::pair{1, 4}, std::pair{8, 7}}) {
        const auto f = [](const auto &v) { return convolve(v[0], v[1], v[2]); };
        check(f, {uniform({2, 18, h, w}, 1), uniform({18, 1, 3, 3}, 2), uniform({18}, 3)});
    }
}

TEST(Layers, MapsOfAnyStrides) {
    const torch::Tensor all = uniform({2, 7, 6, 40}, 1).to(torch::kFloat).permute({0, 3, 1, 2});
    const torch::Tensor weight = uniform({20, 16, 1, 1}, 2).to(torch::kFloat);
    const torch::Tensor bias = uniform({20}, 3).to(torch::kFloat);
    const torch::Tensor slice = all.narrow(1, 8, 16);  // of channels
    const torch::Tensor expected = pointwise(slice.contiguous(), weight, bias);
    EXPECT_TRUE(torch::equal(pointwise(slice, weight, bias), expected));
    const torch::Tensor part = all.narrow(1, 8, 16).narrow(2, 1, 4).narrow(3, 2, 3);
    EXPECT_TRUE(
        torch::equal(pointwise(part, weight, bias), expected.narrow(2, 1, 4).narrow(3, 2, 3)));
}

TEST(Layers, MapsInHalfPrecisionAreComputedInFloat) {
    const torch::Tensor weight = uniform({5, 6, 1, 1}, 2).to(torch::kFloat);
    const torch::Tensor bias = uniform({5}, 3).to(torch::kFloat);
    const torch::Tensor x = uniform({1, 6, 3, 4}, 1).to(torch::kBFloat16).requires_grad_();
    const torch::Tensor out = pointwise(x, weight, bias, Activation::gelu);
    EXPECT_TRUE(torch::equal(out, pointwise(x.to(torch::kFloat), weight, bias, Activation::gelu)));
    out.sum().backward();
    EXPECT_EQ(x.grad().scalar_type(), torch::kBFloat16);
}

TEST(Layers, LocalVariance) {
    const auto f = [](const auto &v) { return local_variance(v[0]); };
    check(f, {uniform({2, 14, 24, 17}, 1)});
}

TEST(Layers, Contrast) {
    const auto f = [](const auto &v) { return contrast(v[0]); };
    check(f, {uniform({2, 19, 6, 5}, 1)});
}

TEST(Layers, AConstantChannelsDeviationHasNoGradient) {
    for (torch::ScalarType type : {torch::kFloat, torch::kDouble}) {
        torch::Tensor x = torch::full({2, 3, 5, 4}, 0.3, type);
        x[0][1][2][3] = 0.7;
        x.requires_grad_();
        contrast(x).sum().backward();
        EXPECT_TRUE(x.grad().isfinite().all().item<bool>());
        // What is left is the mean's.
        EXPECT_LE((x.grad()[1] - 1.0 / 20).abs().max().item<double>(), 1e-7);
        EXPECT_GT((x.grad()[0][1] - 1.0 / 20).abs().max().item<double>(), 0.1);
    }
}

// Values as an initialisation has them, so that every part matters.
Network small(const std::string &name) {
    Network network(architecture(name, 2), {2});
    const torch::NoGradGuard guard;
    uint64_t seed = 0;
    for (torch::Tensor &tensor : network.parameters()) {
        const double inputs = tensor.dim() > 1 ? tensor[0].numel() : 9;
        tensor.copy_(uniform(tensor.sizes().vec(), ++seed) / std::sqrt(inputs));
    }
    return network;
}

double loss(const Network &network, const torch::Tensor &x) {
    const torch::NoGradGuard guard;
    const torch::Tensor out = network.forward(x, 2);
    return (out * uniform(out.sizes().vec(), 7)).sum().item<double>();
}

// The derivative along a direction of the tensors that `chosen` names.
void check_network(const Network &network, const std::function<bool(const std::string &)> &chosen,
                   const std::string &what) {
    const torch::Tensor x = uniform({1, 3, 22, 21}, 3).abs();
    std::vector<std::pair<torch::Tensor, torch::Tensor>> steps;
    double along = 0;
    uint64_t seed = 50;
    for (const auto &[name, tensor] : network.named_parameters()) {
        if (!chosen(name)) continue;
        steps.emplace_back(tensor, uniform(tensor.sizes().vec(), ++seed));
        along += (tensor.grad() * steps.back().second).sum().item<double>();
    }
    constexpr double kStep = 1e-7;
    const torch::NoGradGuard guard;
    const auto move = [&](double by) {
        for (auto &[tensor, direction] : steps) tensor.add_(direction, by);
    };
    move(kStep);
    const double after = loss(network, x);
    move(-2 * kStep);
    const double before = loss(network, x);
    move(kStep);
    const double expected = (after - before) / (2 * kStep);
    EXPECT_NEAR(along, expected, 2e-5 * std::max(1.0, std::abs(expected))) << what;
}

TEST(Gradients, OfEveryArchitectureAgainstFiniteDifferences) {
    for (const std::string &name : architecture_names()) {
        Network network = small(name);
        network.to(torch::kDouble);
        const torch::Tensor out = network.forward(uniform({1, 3, 22, 21}, 3).abs(), 2);
        (out * uniform(out.sizes().vec(), 7)).sum().backward();
        check_network(
            network, [](const std::string &) { return true; }, name);
        if (name != "mdrn-s") continue;
        std::set<std::string> layers;
        for (const auto &[tensor, values] : network.named_parameters())
            if (!tensor.starts_with("B") || tensor.starts_with("B2."))
                layers.insert(tensor.substr(0, tensor.rfind('.')));
        for (const std::string &layer : layers)
            check_network(
                network, [&](const std::string &tensor) { return tensor.starts_with(layer + "."); },
                layer);
    }
}

TEST(Gradients, OfTheFusedNetworkAreThoseOfThePlainOne) {
    Network fused = small("mdrn"), plain = small("mdrn");
    plain.to(torch::kDouble);
    const torch::Tensor x = uniform({2, 3, 26, 21}, 3).abs();
    for (const auto &[network, type] :
         {std::pair{&fused, torch::kFloat}, std::pair{&plain, torch::kDouble}})
        network->forward(x.to(type), 2).square().mean().backward();
    double largest = 0;
    for (const torch::Tensor &tensor : plain.parameters())
        largest = std::max(largest, tensor.grad().abs().max().item<double>());
    const auto expected = plain.named_parameters();
    for (size_t i = 0; i < expected.size(); i++) {
        const torch::Tensor &gradient = expected[i].second.grad();
        const torch::Tensor found = fused.parameters()[i].grad().to(torch::kDouble);
        // A variance's bias has a gradient of 0, but for rounding.
        const double allowed = 1e-4 * gradient.abs().max().item<double>() + 1e-7 * largest;
        EXPECT_LE((found - gradient).abs().max().item<double>(), allowed) << expected[i].first;
    }
}

TEST(Gradients, AreTheSameBitsWithAnyNumberOfThreads) {
    const int before = torch::get_num_threads();
    const torch::Tensor x = uniform({5, 3, 20, 23}, 3).abs().to(torch::kFloat);
    std::vector<std::vector<torch::Tensor>> all;
    const auto f = [](const auto &v) {
        return bsconv(pointwise(v[0], v[1], v[2], Activation::gelu), {v[3], v[4], v[2]}, 1, true,
                      Activation::gelu);
    };
    for (int threads : {1, 2, 5}) {
        torch::set_num_threads(threads);
        all.push_back(gradients(f,
                                {x, uniform({20, 3, 1, 1}, 5), uniform({20}, 6),
                                 uniform({20, 20, 1, 1}, 8), uniform({20, 1, 3, 3}, 9)},
                                torch::kFloat));
    }
    torch::set_num_threads(before);
    for (size_t i = 0; i < all[0].size(); i++) {
        EXPECT_TRUE(torch::equal(all[0][i], all[1][i])) << i;
        EXPECT_TRUE(torch::equal(all[0][i], all[2][i])) << i;
    }
}

}  // namespace
}  // namespace mdrn::training
