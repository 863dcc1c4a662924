// SPDX-License-Identifier: BSD-2-Clause
// Gradients of functions of tensors, by LibTorch and by finite differences.
#pragma once

#include <functional>
#include <vector>

#include "fit/libtorch.h"

namespace mdrn::training::test {

using Function = std::function<torch::Tensor(const std::vector<torch::Tensor> &)>;

inline torch::Tensor uniform(const std::vector<int64_t> &shape, uint64_t seed) {
    auto generator = at::detail::createCPUGenerator(seed);
    return torch::rand(shape, generator, torch::kDouble) * 2 - 1;
}

// Of <weighting, f>, which depends on every element of f.
inline std::vector<torch::Tensor> gradients(const Function &f,
                                            const std::vector<torch::Tensor> &values,
                                            torch::ScalarType type) {
    std::vector<torch::Tensor> leaves;
    for (const torch::Tensor &value : values)
        leaves.push_back(value.detach().to(type).clone().requires_grad_());
    const torch::Tensor out = f(leaves);
    (out * uniform(out.sizes().vec(), 7).to(out.scalar_type())).sum().backward();
    std::vector<torch::Tensor> all;
    for (const torch::Tensor &leaf : leaves) all.push_back(leaf.grad().to(torch::kDouble));
    return all;
}

// Along a random direction of one value.
inline double finite_difference(const Function &f, std::vector<torch::Tensor> values, size_t which,
                                const torch::Tensor &direction) {
    const torch::NoGradGuard guard;
    constexpr double kStep = 1e-6;
    double f_at[2];
    const torch::Tensor middle = values[which];
    for (int side : {0, 1}) {
        values[which] = middle + direction * (side ? kStep : -kStep);
        const torch::Tensor out = f(values);
        f_at[side] = (out * uniform(out.sizes().vec(), 7)).sum().item<double>();
    }
    return (f_at[1] - f_at[0]) / (2 * kStep);
}

// The largest distance in parts of the largest b.
inline double relative(const torch::Tensor &a, const torch::Tensor &b) {
    return ((a - b).abs().max() / b.abs().max().clamp_min(1e-30)).item<double>();
}

}  // namespace mdrn::training::test
