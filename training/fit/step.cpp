// SPDX-License-Identifier: BSD-2-Clause
#include "fit/step.h"

#include <cmath>

#include "fit/loss.h"
#include "fit/patches.h"

namespace mdrn::training {
namespace {

torch::Tensor loss_of_batch(const Recipe &recipe, const Network &network, const Batch &batch,
                            const Loss &loss, const torch::Device &device) {
    int64_t lq_size = batch.lq_size, gt_size = batch.scale * lq_size;
    torch::Tensor lq = to_tensor(batch.lq, batch.count, lq_size, lq_size, device);
    torch::Tensor gt = to_tensor(batch.gt, batch.count, gt_size, gt_size, device);
    torch::Tensor output;
    {
        Bf16 guard(device.type(), recipe.precision == "bf16");
        output = network.forward(lq, batch.scale);
    }
    return loss_of(loss, output.to(torch::kFloat), gt);
}

}  // namespace

Stepped take_step(const Recipe &recipe, const Network &network, State &state, Group &group,
                  const Batch &batch, int64_t done, bool stop) {
    auto [phase, done_in_phase] = recipe.phase(done);
    state.zero_gradient();
    torch::Tensor loss =
        loss_of_batch(recipe, network, batch, phase->loss, state.parameters.device());
    loss.backward();

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
