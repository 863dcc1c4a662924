// SPDX-License-Identifier: BSD-2-Clause
// How near a picture is to its original, as papers on super-resolution measure it.
#pragma once

#include "data/picture.h"

namespace mdrn::training {

struct Quality {
    double psnr;  // dB; infinite where nothing differs
    double ssim;  // up to 1
};

// Of the luma Y = 16 + (65.481 R + 128.553 G + 24.966 B) / 255 (BT.601, not rounded), without a
// border of that many pixels. What the original has beyond result's size, as where that was no
// multiple of the scale, is left out on the right and below.
//
// SSIM is that of Wang et al., "Image Quality Assessment: From Error Visibility to Structural
// Similarity", 2004: windows of 11x11 weighted by a Gaussian of sigma 1.5, K1 = 0.01, K2 = 0.03,
// L = 255, where they lie within the picture.
//
// Throws std::runtime_error where the original is smaller than result, or result without its
// border smaller than a window.
Quality measure(const Picture &result, const Picture &original, int border);

}  // namespace mdrn::training
