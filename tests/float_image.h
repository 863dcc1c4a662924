// SPDX-License-Identifier: BSD-2-Clause
// The picture that programs hand to mdrn.h where any would do.
#pragma once

#include <cstddef>
#include <cstdint>

#include "mdrn.h"

namespace mdrn::test {

// Planar 32-bit RGB without gaps. samples (3, height, width) stay the caller's; in host memory.
inline mdrn_image float_image(void *samples, int width, int height) {
    mdrn_image image = {};
    image.size = sizeof image;
    image.width = width;
    image.height = height;
    image.layout.model = MDRN_COLOR_RGB;
    image.layout.components = 3;
    image.layout.is_float = 1;
    for (uint8_t c = 0; c < 3; ++c) {
        image.layout.component[c] = {c, sizeof(float), 0, 0, 32};
        image.data[c] = static_cast<float *>(samples) + size_t{c} * width * height;
        image.stride[c] = static_cast<ptrdiff_t>(sizeof(float)) * width;
    }
    return image;
}

}  // namespace mdrn::test
