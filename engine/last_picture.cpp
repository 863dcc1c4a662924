// SPDX-License-Identifier: BSD-2-Clause
#include "last_picture.h"

#include <algorithm>
#include <cstring>

#include "frame.h"
#include "samples.h"

namespace mdrn {
namespace {

// Calls visit(row, bytes) for the rows of all planes while that returns true; whether it always
// did.
template <typename Visit>
bool each_row(const mdrn_image &image, const Visit &visit) {
    size_t bytes[4] = {};
    int rows[4] = {};
    for (int i = 0; i < image.layout.components; ++i) {
        const mdrn_component &c = image.layout.component[i];
        const Size size = component_size(image, i);
        bytes[c.plane] = std::max(bytes[c.plane], size_t(size.width) * c.step);
        rows[c.plane] = std::max(rows[c.plane], size.height);
    }
    for (int p = 0; p < 4; ++p)
        for (int y = 0; y < rows[p]; ++y)
            if (!visit(static_cast<const uint8_t *>(image.data[p]) + y * image.stride[p], bytes[p]))
                return false;
    return true;
}

}  // namespace

bool LastPicture::is(const mdrn_image &image) const {
    if (!kept_ || image.memory != MDRN_MEMORY_HOST || !same_kind(image, image_)) return false;
    const uint8_t *ours = rows_.data();
    return each_row(image, [&](const uint8_t *row, size_t bytes) {
        const bool same = std::memcmp(row, ours, bytes) == 0;
        ours += bytes;
        return same;
    });
}

void LastPicture::keep(const mdrn_image &image) {
    kept_ = false;
    if (image.memory != MDRN_MEMORY_HOST) return;
    size_t all = 0;
    each_row(image, [&](const uint8_t *, size_t bytes) {
        all += bytes;
        return true;
    });
    rows_.resize(all);
    uint8_t *to = rows_.data();
    each_row(image, [&](const uint8_t *row, size_t bytes) {
        to = std::copy_n(row, bytes, to);
        return true;
    });
    image_ = image;
    kept_ = true;
}

}  // namespace mdrn
