// SPDX-License-Identifier: BSD-2-Clause
#include "network/network.h"

#include <algorithm>
#include <set>
#include <stdexcept>

#include "network/forward.h"

namespace mdrn::training {
namespace {

constexpr char kUpsampler[] = "upsampler.";

bool is_upsampler(const std::string &name) {
    return name.starts_with(kUpsampler);
}

std::string own_name(const std::string &published, int scale) {
    return is_upsampler(published) ? "x" + std::to_string(scale) + "." + published : published;
}

Architecture scaled(Architecture architecture, int scale) {
    architecture.scale = scale;
    return architecture;
}

std::string text(const std::vector<int64_t> &shape) {
    std::string all;
    for (int64_t side : shape) all += (all.empty() ? "" : ", ") + std::to_string(side);
    return "[" + all + "]";
}

[[noreturn]] void reject(const std::string &name, const std::string &expected,
                         const std::string &found) {
    throw std::runtime_error("tensor \"" + name + "\": expected " + expected + ", found " + found);
}

int scale_of(const Weights &weights) {
    const std::string name = "upsampler.upsampleOneStep.0.bias";
    const auto bias = weights.tensors.find(name);
    if (bias == weights.tensors.end()) reject(name, "shape [3s²]", "no such tensor");
    for (int s : {2, 3, 4})
        if (bias->second.shape == std::vector<int64_t>{3 * s * s}) return s;
    reject(name, "shape [3s²], s = 2, 3 or 4 (12, 27 or 48)", text(bias->second.shape));
}

// Those of a model of this architecture and scale, no more and no less.
void check(const Weights &weights, const Architecture &architecture) {
    std::set<std::string> known;
    for (const TensorShape &expected : training::tensors(architecture)) {
        known.insert(expected.name);
        const auto found = weights.tensors.find(expected.name);
        const std::string shape = "shape " + text(expected.shape);
        if (found == weights.tensors.end()) reject(expected.name, shape, "no such tensor");
        if (found->second.shape != expected.shape)
            reject(expected.name, shape, text(found->second.shape));
    }
    for (const auto &[name, tensor] : weights.tensors)
        if (!known.contains(name))
            reject(name, "only the tensors of " + architecture.name,
                   "this one too many, of shape " + text(tensor.shape));
}

}  // namespace

Network::Network(const Architecture &architecture, const std::vector<int> &scales)
    : architecture_(architecture), scales_(scales) {
    if (scales.empty()) throw std::runtime_error("scales: expected at least one of 2, 3, 4");
    for (int scale : scales) {
        if (scale < 2 || scale > 4)
            throw std::runtime_error("scales: expected 2, 3 or 4, found " + std::to_string(scale));
        for (const auto &[published, shape] : training::tensors(scaled(architecture, scale))) {
            const std::string name = own_name(published, scale);
            if (!index_.emplace(name, parameters_.size()).second) {
                if (!is_upsampler(published)) continue;  // the body, made with the first scale
                throw std::runtime_error("scales: " + std::to_string(scale) + " is named twice");
            }
            parameters_.emplace_back(name, torch::zeros(shape).requires_grad_());
        }
    }
}

torch::Tensor Network::forward(const torch::Tensor &x, int scale) const {
    const int smallest = smallest_side(architecture_);
    if (x.dim() != 4 || x.size(1) != 3 || x.size(2) < smallest || x.size(3) < smallest)
        throw std::runtime_error(architecture_.name +
                                 ": expected pictures (N, 3, H, W) of at least " +
                                 std::to_string(smallest) + " x " + std::to_string(smallest) +
                                 ", found " + text(x.sizes().vec()));
    at("upsampler.upsampleOneStep.0.weight", scale);
    return training::forward(
        architecture_,
        [&](const std::string &name) -> const torch::Tensor & { return at(name, scale); }, x);
}

const torch::Tensor &Network::at(const std::string &published, int scale) const {
    const auto found = index_.find(own_name(published, scale));
    if (found == index_.end())
        throw std::runtime_error(architecture_.name + ": there is no upsampler for scale " +
                                 std::to_string(scale));
    return parameters_[found->second].second;
}

std::vector<std::pair<std::string, torch::Tensor>> Network::named_parameters() const {
    return parameters_;
}

std::vector<torch::Tensor> Network::parameters() const {
    std::vector<torch::Tensor> all;
    for (const auto &[name, tensor] : parameters_) all.push_back(tensor);
    return all;
}

std::map<std::string, torch::Tensor> Network::tensors(int scale) const {
    std::map<std::string, torch::Tensor> all;
    for (const auto &[name, shape] : training::tensors(scaled(architecture_, scale)))
        all.emplace(name, at(name, scale));
    return all;
}

void Network::load(const Weights &weights) {
    const int scale = scale_of(weights);
    check(weights, scaled(architecture_, scale));
    const bool upsampler = std::find(scales_.begin(), scales_.end(), scale) != scales_.end();
    const torch::NoGradGuard guard;
    for (const auto &[name, tensor] : weights.tensors) {
        if (is_upsampler(name) && !upsampler) continue;
        torch::Tensor own = at(name, scale);
        // from_blob wants what it does not change to be changeable.
        own.copy_(torch::from_blob(const_cast<float *>(tensor.values.data()), tensor.shape));
    }
}

Weights Network::weights(int scale) const {
    Weights all;
    for (const auto &[name, tensor] : tensors(scale)) {
        const torch::Tensor plain = tensor.detach().to(torch::kCPU, torch::kFloat).contiguous();
        const float *values = plain.data_ptr<float>();
        all.tensors[name] = {plain.sizes().vec(), {values, values + plain.numel()}};
    }
    return all;
}

void Network::to(const torch::Device &device) {
    for (auto &[name, tensor] : parameters_) tensor = tensor.detach().to(device).requires_grad_();
}

void Network::to(torch::ScalarType type) {
    for (auto &[name, tensor] : parameters_) tensor = tensor.detach().to(type).requires_grad_();
}

}  // namespace mdrn::training
