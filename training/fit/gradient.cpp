// SPDX-License-Identifier: BSD-2-Clause
#include "fit/gradient.h"

#include "fit/loss.h"
#include "fit/patches.h"

namespace mdrn::training {

Gradient::Gradient(const Recipe &recipe, const Network &network, State &state)
    : recipe_(recipe), network_(network), state_(state) {}

torch::Tensor Gradient::of(const Batch &batch, const Loss &loss) {
    if (loss_ != &loss) work_.clear();
    loss_ = &loss;
    const torch::Device device = state_.parameters.device();
    int64_t lq_size = batch.lq_size, gt_size = batch.scale * lq_size;
    torch::Tensor lq = to_tensor(batch.lq, batch.count, lq_size, lq_size, device);
    torch::Tensor gt = to_tensor(batch.gt, batch.count, gt_size, gt_size, device);
    Work &work = work_[batch.scale];
    if (work.repeated) {
        work.lq.copy_(lq);
        work.gt.copy_(gt);
    } else {
        work.lq = lq;
        work.gt = gt;
        work.loss = torch::zeros({}, lq.options());
        work.repeated = std::make_unique<Repeated>(
            [this, &work, scale = batch.scale] { compute(scale, work); });
    }
    work.repeated->run(device);
    return work.loss;
}

void Gradient::compute(int scale, Work &work) const {
    state_.zero_gradient();
    torch::Tensor output;
    {
        Bf16 guard(work.lq.device().type(), recipe_.precision == "bf16");
        output = network_.forward(work.lq, scale);
    }
    torch::Tensor loss = loss_of(*loss_, output.to(torch::kFloat), work.gt);
    loss.backward();
    torch::NoGradGuard guard;
    work.loss.copy_(loss);
}

}  // namespace mdrn::training
