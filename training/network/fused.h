// SPDX-License-Identifier: BSD-2-Clause
// The layers that a training step on a CPU spends its time in, forward and backward each in one
// pass over a picture after the other: float32 maps with channels last. Pictures are shared out to
// LibTorch's threads; weights' gradients are summed in the order of the pictures, so that the
// number of threads does not change a bit.
#pragma once

#include "model/architecture.h"
#include "network/layers.h"

namespace mdrn::training {

// Whether x can be passed to these functions; half precisions are converted.
bool is_fused(const torch::Tensor &x);

// 1x1 over the concatenation of x along channels, which is never made.
torch::Tensor fused_pointwise(torch::TensorList x, const torch::Tensor &weight,
                              const torch::Tensor &bias, Activation activation);

// As bsconv() of layers.h; without weights.pw the depthwise alone.
torch::Tensor fused_bsconv(const torch::Tensor &x, const BSConvWeights &weights, int stride,
                           Padding padding, bool residual, Activation activation);

}  // namespace mdrn::training
