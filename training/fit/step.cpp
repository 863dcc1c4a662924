// SPDX-License-Identifier: BSD-2-Clause
#include "fit/step.h"

#include <cmath>

namespace mdrn::training {

Stepped take_step(const Recipe &recipe, Gradient &gradients, State &state, Group &group,
                  const Batch &batch, int64_t done, bool stop) {
    auto [phase, done_in_phase] = recipe.phase(done);
    torch::Tensor loss = gradients.of(batch, phase->loss);

    torch::NoGradGuard guard;
    torch::Tensor shared = state.gradient.narrow(0, state.parameters.numel(), State::kShared);
    shared[0].copy_(loss);
    shared[1].fill_(stop ? 1 : 0);
    group.sum(state.gradient);
    if (group.size() > 1) state.gradient.div_(group.size());
    torch::Tensor told = shared.to(torch::kCPU);
    torch::Tensor gradient = state.parameters_gradient();
    double norm = gradient.norm().item<double>();

    Stepped stepped{told[0].item<double>(), phase->schedule.at(done_in_phase), false,
                    told[1].item<float>() > 0};
    stepped.taken = std::isfinite(stepped.loss) && std::isfinite(norm);
    if (!stepped.taken) return stepped;
    if (recipe.grad_clip > 0 && norm > recipe.grad_clip) gradient.mul_(recipe.grad_clip / norm);
    state.step({stepped.lr, recipe.beta1, recipe.beta2, recipe.weight_decay, recipe.ema_decay});
    return stepped;
}

}  // namespace mdrn::training
