// SPDX-License-Identifier: BSD-2-Clause
#include "excess.h"

#include <algorithm>

namespace mdrn {

void Excess::take(const Planes &rgb) {
    size_ = rgb.size;
    taken_.resize(3 * size_t(size_.width) * size_t(size_.height));
    float *to = taken_.data();
    unsigned any = 0;
    for (int c = 0; c < 3; ++c)
        for (int y = 0; y < size_.height; ++y, to += size_.width) {
            float *line = line_of(rgb, c, y);
            for (int x = 0; x < size_.width; ++x) {
                const float value = line[x];
                const float inside = std::min(std::max(value, 0.F), 1.F);
                to[x] = value - inside;
                any |= unsigned(value != inside);
                line[x] = inside;
            }
        }
    any_ = any != 0;
}

void Excess::give_back(const Planes &hr) {
    if (!any_) return;
    const PlanarFormat from{.planes = 3, .size = size_};
    const PlanarFormat to{.planes = 3, .size = hr.size};
    graph_for(graph_, from, to)
        .run(
            [&](int c, int y, int left, int right, float *line) {
                const float *row = taken_.data() + (ptrdiff_t(c) * size_.height + y) * size_.width;
                std::copy(row + left, row + std::min(right, size_.width), line + left);
            },
            [&](int c, int y, int left, int right, const float *line) {
                float *out = line_of(hr, c, y);
                for (int x = left; x < std::min(right, hr.size.width); ++x) out[x] += line[x];
            });
}

}  // namespace mdrn
