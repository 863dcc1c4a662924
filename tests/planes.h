// SPDX-License-Identifier: BSD-2-Clause
// The network on RGB planes, without a picture's layout and colour around it.
#pragma once

#include <algorithm>
#include <vector>

#include "host.h"
#include "network.h"

namespace mdrn::test {

using Values = std::vector<float>;

inline void set_rgb(HostStages &stages, const float *chw) {
    const Planes rgb = stages.rgb();
    for (int c = 0; c < 3; ++c)
        for (int y = 0; y < rgb.size.height; ++y, chw += rgb.size.width)
            std::copy_n(chw, rgb.size.width, rgb.data + c * rgb.plane + y * rgb.row);
}

inline Values get_hr(HostStages &stages) {
    const Planes hr = stages.hr();
    Values out;
    for (int c = 0; c < 3; ++c)
        for (int y = 0; y < hr.size.height; ++y) {
            const float *row = hr.data + c * hr.plane + y * hr.row;
            out.insert(out.end(), row, row + hr.size.width);
        }
    return out;
}

// (3, H, W) -> (3, sH, sW)
inline Values upscale(HostStages &stages, Size size, const float *rgb) {
    stages.prepare(size, Plan::fast);
    set_rgb(stages, rgb);
    run_planes(stages);
    stages.finish();
    return get_hr(stages);
}

}  // namespace mdrn::test
