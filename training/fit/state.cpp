// SPDX-License-Identifier: BSD-2-Clause
#include "fit/state.h"

#include <cmath>
#include <stdexcept>

namespace mdrn::training {
namespace {

constexpr double kEpsilon = 1e-8;

Tensor to_values(const torch::Tensor &tensor) {
    torch::Tensor host = tensor.detach().to(torch::kCPU).contiguous();
    const float *first = host.data_ptr<float>();
    return {host.sizes().vec(), std::vector<float>(first, first + host.numel())};
}

}  // namespace

State::State(Network &network) {
    std::vector<torch::Tensor> tensors = network.parameters();
    int64_t count = 0;
    for (auto &tensor : tensors) count += tensor.numel();
    auto options = tensors.at(0).options().requires_grad(false);
    parameters = torch::empty({count}, options);
    gradient = torch::zeros({count + kShared}, options);
    int64_t start = 0;
    for (auto &tensor : tensors) {
        auto view = [&](torch::Tensor &flat) {
            return flat.narrow(0, start, tensor.numel()).view(tensor.sizes());
        };
        torch::NoGradGuard guard;
        view(parameters).copy_(tensor);
        tensor.set_data(view(parameters));
        tensor.mutable_grad() = view(gradient);
        start += tensor.numel();
    }
    ema = parameters.clone();
    m_ = torch::zeros_like(parameters);
    v_ = torch::zeros_like(parameters);
}

torch::Tensor State::parameters_gradient() const {
    return gradient.narrow(0, 0, parameters.numel());
}

void State::zero_gradient() {
    torch::NoGradGuard guard;
    gradient.zero_();
}

void State::step(const Step &step) {
    torch::NoGradGuard guard;
    torch::Tensor g = parameters_gradient();
    if (step.weight_decay > 0) g.add_(parameters, step.weight_decay);
    updates++;
    m_.mul_(step.beta1).add_(g, 1 - step.beta1);
    v_.mul_(step.beta2).addcmul_(g, g, 1 - step.beta2);
    double unbias_m = 1 - std::pow(step.beta1, double(updates));
    double unbias_v = 1 - std::pow(step.beta2, double(updates));
    torch::Tensor root = (v_ / unbias_v).sqrt_().add_(kEpsilon);
    parameters.addcdiv_(m_, root, -step.lr / unbias_m);
    ema.mul_(step.ema_decay).add_(parameters, 1 - step.ema_decay);
}

void State::share(Group &group) {
    for (auto &[name, buffer] : buffers()) group.broadcast(buffer);
}

std::vector<std::pair<std::string, torch::Tensor>> State::buffers() const {
    return {{"parameters", parameters}, {"ema", ema}, {"adam.m", m_}, {"adam.v", v_}};
}

std::map<std::string, Tensor> State::save() const {
    std::map<std::string, Tensor> saved;
    for (auto &[name, buffer] : buffers()) saved[name] = to_values(buffer);
    return saved;
}

void State::load(const std::map<std::string, Tensor> &tensors) {
    torch::NoGradGuard guard;
    for (auto &[name, buffer] : buffers()) {
        auto found = tensors.find(name);
        if (found == tensors.end() || int64_t(found->second.values.size()) != buffer.numel())
            throw std::runtime_error(name + " is missing or of another network");
        std::vector<float> values = found->second.values;
        buffer.copy_(torch::from_blob(values.data(), {buffer.numel()}));
    }
}

WithEma::WithEma(State &state) : state_(state), parameters_(state.parameters.clone()) {
    torch::NoGradGuard guard;
    state_.parameters.copy_(state_.ema);
}

WithEma::~WithEma() {
    torch::NoGradGuard guard;
    state_.parameters.copy_(parameters_);
}

}  // namespace mdrn::training
