// SPDX-License-Identifier: BSD-2-Clause
// MATLAB's imresize(picture, factor, 'bicubic'), computed without error and rounded once, half up.
// The kernel is Keys' (1981) with a = -1/2; where a picture is reduced it is stretched by the
// scale, which is what MATLAB calls antialiasing. Beyond its edges a picture is mirrored, the
// outermost pixel repeated.
#pragma once

#include "picture.h"

namespace mdrn::training {

// How far a reduced pixel reads beyond the scale x scale pixels that it covers, in reduced pixels.
inline constexpr int kBicubicMargin = 2;

// (height, width) to (height / scale, width / scale); what is beyond a multiple of scale is left
// out first. Throws std::runtime_error where that leaves nothing. scale: 2, 3 or 4.
Picture reduce(const Picture &picture, int scale);

// (height, width) to (scale x height, scale x width).
Picture enlarge(const Picture &picture, int scale);

}  // namespace mdrn::training
