// SPDX-License-Identifier: BSD-2-Clause
// The numbers that training changes, in flat buffers that the network's parameters are views of: a
// step is a few passes over them, processes share one sum, and a checkpoint is four tensors.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "fit/group.h"
#include "network/network.h"
#include "weights/safetensors.h"

namespace mdrn::training {

class State {
public:
    // Moves the network's parameters into `parameters`, and their gradients into `gradient`. The
    // network must outlive this.
    explicit State(Network &network);

    // One step of Adam (Kingma and Ba 2015, algorithm 1, epsilon 1e-8), then of the average.
    struct Step {
        double lr, beta1, beta2, weight_decay, ema_decay;
    };
    void step(const Step &step);

    void zero_gradient();

    // Values of every buffer, under the names "parameters", "ema", "adam.m", "adam.v".
    std::map<std::string, Tensor> save() const;
    // Throws std::runtime_error where the buffers have other sizes.
    void load(const std::map<std::string, Tensor> &tensors);

    // Takes over every buffer of the group's first process.
    void share(Group &group);

    int64_t updates = 0;  // steps taken, of which the moments know

    torch::Tensor parameters;  // (N) float
    torch::Tensor gradient;    // (N + kShared) float: after the gradient what processes also add up
    torch::Tensor ema;         // (N) float
    static constexpr int64_t kShared = 2;

    torch::Tensor parameters_gradient() const;  // (N), of gradient

private:
    std::vector<std::pair<std::string, torch::Tensor>> buffers() const;

    torch::Tensor m_, v_;  // (N) float, Adam's first and second moment
};

// The average in the place of the parameters as long as this lives.
class WithEma {
public:
    explicit WithEma(State &state);
    ~WithEma();
    WithEma(const WithEma &) = delete;
    WithEma &operator=(const WithEma &) = delete;

private:
    State &state_;
    torch::Tensor parameters_;
};

}  // namespace mdrn::training
