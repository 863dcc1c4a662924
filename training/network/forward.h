// SPDX-License-Identifier: BSD-2-Clause
// The way through the network, a function for each of its parts.
#pragma once

#include <functional>
#include <string>

#include "fit/libtorch.h"
#include "model/architecture.h"

namespace mdrn::training {

// A tensor by its published name.
using Lookup = std::function<const torch::Tensor &(const std::string &name)>;

// The data set's, which the network subtracts and adds again: (1, 3, 1, 1).
torch::Tensor colour_mean(const torch::TensorOptions &options);

// x: (N, 3, H, W) -> (N, 3, sH, sW), s as the upsampler that lookup finds.
torch::Tensor forward(const Architecture &architecture, const Lookup &lookup,
                      const torch::Tensor &x);

}  // namespace mdrn::training
