// SPDX-License-Identifier: BSD-2-Clause
// The network's layers on maps (N, C, H, W), differentiable. In LibTorch's own operations, in any
// precision and on any device; but float32 maps on a CPU take the faster way of fused.h, and BSConv
// on a CUDA device that of device_bsconv.h.
#pragma once

#include "fit/libtorch.h"

namespace mdrn::training {

enum class Activation { none, gelu };  // GELU is the exact one (erf)

// 3x3, zero padding; plain or depthwise by its weight, (out, in, 3, 3) or (out, 1, 3, 3).
torch::Tensor convolve(const torch::Tensor &x, const torch::Tensor &weight,
                       const torch::Tensor &bias, int stride = 1, int padding = 1);

// 1x1 over the concatenation of x along channels, weight (out, in, 1, 1).
torch::Tensor pointwise(torch::TensorList x, const torch::Tensor &weight, const torch::Tensor &bias,
                        Activation activation = Activation::none);

struct BSConvWeights {
    torch::Tensor pw;    // (out, in, 1, 1)
    torch::Tensor dw;    // (out, 1, 3, 3)
    torch::Tensor bias;  // (out)
};

// 1x1, then 3x3 depthwise with bias and reflect padding; plus x where residual; then the
// activation.
torch::Tensor bsconv(const torch::Tensor &x, const BSConvWeights &weights, int stride = 1,
                     bool residual = false, Activation activation = Activation::none);

// Unbiased, in windows of 7x7, stride 3, of the map reflect-padded by 1.
torch::Tensor local_variance(const torch::Tensor &x);

// Mean + biased standard deviation over each whole map: (N, C, 1, 1). The gradient of the standard
// deviation of a constant map is 0.
torch::Tensor contrast(const torch::Tensor &x);

}  // namespace mdrn::training
