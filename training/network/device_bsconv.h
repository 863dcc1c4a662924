// SPDX-License-Identifier: BSD-2-Clause
// BSConv as one differentiable function on a device: its 1x1 by LibTorch's matrix product, which is
// as deterministic, all else by depthwise.h.
#pragma once

#include "network/depthwise.h"
#include "network/layers.h"

namespace mdrn::training {

// As bsconv() of layers.h. x and the result are float32, the result with channels last; under
// autocast the matrix products compute in bf16. depthwise has to outlive the backward.
torch::Tensor device_bsconv(const Depthwise &depthwise, const torch::Tensor &x,
                            const BSConvWeights &weights, int stride, bool residual,
                            Activation activation);

}  // namespace mdrn::training
