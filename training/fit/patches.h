// SPDX-License-Identifier: BSD-2-Clause
// Between 8-bit RGB in memory and what the network takes and gives.
#pragma once

#include "data/picture.h"
#include "fit/libtorch.h"

namespace mdrn::training {

// (count, height, width, 3) -> (count, 3, height, width) in [0, 1], channels last.
torch::Tensor to_tensor(const std::vector<uint8_t> &rgb, int64_t count, int64_t height,
                        int64_t width, const torch::Device &device);

// (1, 3, height, width), clipped to [0, 1] and rounded.
Picture to_picture(const torch::Tensor &tensor);

}  // namespace mdrn::training
