// SPDX-License-Identifier: BSD-2-Clause
#pragma once

#include <map>
#include <vector>

#include "data/layouts.h"
#include "fit/recipe.h"
#include "fit/report.h"
#include "network/network.h"

namespace mdrn::training {

struct Validated {
    std::map<int, double> psnr;  // by scale: the mean over the pictures, Y channel, dB
    std::vector<Strip> strips;   // of the first pictures

    double mean() const;  // over the scales
};

// Enlarges every picture at every scale of the recipe, and measures. LR pictures are those that are
// given, else MATLAB's bicubic. Throws std::runtime_error where one cannot be read, or does not
// match its LR's size.
Validated validate(const Network &network, const Recipe &recipe, const Listing &pictures);

}  // namespace mdrn::training
