// SPDX-License-Identifier: BSD-2-Clause
#pragma once

#include "engines.h"

namespace emulated::cudnn {

// y = conv(x) + beta y, zero padding kernel / 2: x (H, W, inputs), y (H, W, outputs), weight
// (outputs, kernel, kernel, inputs). tf32: products of fp32 rounded to 10 bits of mantissa.
void convolve(const Convolution &convolution, bool tf32, const void *x, const void *weight,
              void *y);

}  // namespace emulated::cudnn
