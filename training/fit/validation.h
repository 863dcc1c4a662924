// SPDX-License-Identifier: BSD-2-Clause
#pragma once

#include <functional>
#include <map>
#include <vector>

#include "fit/recipe.h"
#include "fit/report.h"
#include "network/network.h"

namespace mdrn::training {

struct Validated {
    std::map<int, double> psnr;  // by scale: the mean over the pictures, Y channel, dB
    std::vector<Strip> strips;   // of the first pictures

    double mean() const;  // over the scales
};

// Enlarges every validation picture of the recipe, at every scale, and measures. LR pictures are
// those that are given, else MATLAB's bicubic. Throws std::runtime_error where there is no pair, or
// where sizes do not match.
Validated validate(const Network &network, const Recipe &recipe,
                   const std::function<void(const std::string &)> &warn);

}  // namespace mdrn::training
