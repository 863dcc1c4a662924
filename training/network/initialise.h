// SPDX-License-Identifier: BSD-2-Clause
// What a network's weights are before its first step.
#pragma once

#include <cstdint>
#include <map>

#include "network/network.h"

namespace mdrn::training {

enum class Init {
    pytorch,       // torch.nn.Conv2d's, with which the paper's runs begin
    interpolator,  // enlarges as the best linear 3x3 filter from the first step on
};

struct Crops {
    torch::Tensor lq;  // (N, 3, h, w) in [0, 1], each side at least 3
    torch::Tensor gt;  // (N, 3, sh, sw)
};

// pytorch: weights and biases uniform in +-1 / sqrt(inputs x kernel size), drawn from seed in the
// order of the parameters.
//
// interpolator: these, and then: the head's channels 0 to 2 pass RGB; c2's depthwise gives 0 there
// and a tenth elsewhere; c5 is a tenth, cca.body.3 zero; of the upsamplers' taps a tenth, but those
// that read a channel 0 to 2 for the same colour: they are the 3x3 filters that come nearest to gt
// in the least-squares sense, and no channel 0 to 2 is read for another colour. crops: some of the
// training data for each scale of the network, without which std::runtime_error is thrown.
void initialise(Network &network, Init init, uint64_t seed, const std::map<int, Crops> &crops = {});

}  // namespace mdrn::training
