// SPDX-License-Identifier: BSD-2-Clause
// Adam and the average against the paper's algorithm in double, a parameter at a time.
#include "fit/state.h"

#include <gtest/gtest.h>

#include <cmath>

#include "network/initialise.h"

namespace mdrn::training {
namespace {

class StateTest : public testing::Test {
protected:
    StateTest() { initialise(network, Init::pytorch, 3); }

    Network network{architecture("mdrn-s", 2), {2}};
};

std::vector<double> values(const torch::Tensor &tensor) {
    torch::Tensor doubles = tensor.detach().to(torch::kDouble).contiguous();
    const double *first = doubles.data_ptr<double>();
    return {first, first + doubles.numel()};
}

// Kingma and Ba, algorithm 1, with L2 regularisation in the gradient.
TEST_F(StateTest, StepsAsAdamDoes) {
    State state(network);
    State::Step step{1e-2, 0.9, 0.95, 0.1, 0.7};
    std::vector<double> theta = values(state.parameters), ema = theta;
    std::vector<double> m(theta.size()), v(theta.size());
    for (int t = 1; t <= 5; t++) {
        torch::manual_seed(uint64_t(t));
        state.parameters_gradient().copy_(torch::randn({int64_t(theta.size())}));
        std::vector<double> g = values(state.parameters_gradient());
        state.step(step);
        for (size_t i = 0; i < theta.size(); i++) {
            double gradient = g[i] + step.weight_decay * theta[i];
            m[i] = step.beta1 * m[i] + (1 - step.beta1) * gradient;
            v[i] = step.beta2 * v[i] + (1 - step.beta2) * gradient * gradient;
            double m_hat = m[i] / (1 - std::pow(step.beta1, t));
            double v_hat = v[i] / (1 - std::pow(step.beta2, t));
            theta[i] -= step.lr * m_hat / (std::sqrt(v_hat) + 1e-8);
            ema[i] = step.ema_decay * ema[i] + (1 - step.ema_decay) * theta[i];
        }
    }
    std::vector<double> found = values(state.parameters), average = values(state.ema);
    double largest = 0, largest_average = 0;
    for (size_t i = 0; i < theta.size(); i++) {
        largest = std::max(largest, std::abs(found[i] - theta[i]));
        largest_average = std::max(largest_average, std::abs(average[i] - ema[i]));
    }
    EXPECT_LT(largest, 2e-6);
    EXPECT_LT(largest_average, 2e-6);
    EXPECT_EQ(state.updates, 5);
}

TEST_F(StateTest, HoldsTheNetworksOwnNumbers) {
    Weights before = network.weights(2);
    State state(network);
    EXPECT_EQ(network.weights(2), before);
    EXPECT_EQ(state.parameters.numel(), 86288);

    torch::Tensor x = torch::rand({1, 3, 20, 20});
    network.forward(x, 2).sum().backward();
    EXPECT_GT(state.parameters_gradient().norm().item<double>(), 0);
    double once = state.parameters_gradient().norm().item<double>();
    state.zero_gradient();
    EXPECT_EQ(state.gradient.norm().item<double>(), 0);
    network.forward(x, 2).sum().backward();
    EXPECT_EQ(state.parameters_gradient().norm().item<double>(), once);
}

TEST_F(StateTest, TheAverageStandsInAndGoes) {
    State state(network);
    Weights before = network.weights(2);
    state.parameters_gradient().fill_(1);
    state.step({1e-2, 0.9, 0.99, 0, 0.5});
    Weights after = network.weights(2);
    EXPECT_NE(after, before);
    {
        WithEma ema(state);
        Weights average = network.weights(2);
        // Of one step, the average is half the way.
        double a = before.tensors.at("c1.bias").values[0],
               b = after.tensors.at("c1.bias").values[0];
        EXPECT_NEAR(average.tensors.at("c1.bias").values[0], (a + b) / 2, 1e-7);
    }
    EXPECT_EQ(network.weights(2), after);
}

TEST_F(StateTest, RefusesAnotherNetworksNumbers) {
    State state(network);
    auto saved = state.save();
    EXPECT_NO_THROW(state.load(saved));
    saved.at("adam.v").values.pop_back();
    EXPECT_THROW(state.load(saved), std::runtime_error);
    saved.erase("adam.v");
    EXPECT_THROW(state.load(saved), std::runtime_error);
}

}  // namespace
}  // namespace mdrn::training
