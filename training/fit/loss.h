// SPDX-License-Identifier: BSD-2-Clause
#pragma once

#include "fit/libtorch.h"
#include "fit/recipe.h"

namespace mdrn::training {

// The mean over all elements, times the loss's weight. output, hr: (N, 3, H, W) in 0 to 1.
torch::Tensor loss_of(const Loss &loss, const torch::Tensor &output, const torch::Tensor &hr);

}  // namespace mdrn::training
