// SPDX-License-Identifier: BSD-2-Clause
// Eq. 3: where MDSA's small maps are read between their samples.
#pragma once

#include "cuda/device.h"
#include "cuda/stages.h"

namespace mdrn::cuda {

// Where pixel i of n lies among m samples: half-pixel centres.
struct Between {
    int at0, at1;
    float fraction;
};
__device__ __forceinline__ Between between(int i, int n, int m) {
    const float at = fmaxf(0, (static_cast<float>(i) + 0.5F) * m / n - 0.5F);
    const int at0 = static_cast<int>(at);
    return {at0, least(at0 + 1, m - 1), at - static_cast<float>(at0)};
}

// Bilinear, of one pixel of (height, width); then for neighbouring channels.
struct Upsampling {
    const float *data;
    int corner[4];
    float fy, fx;

    __device__ __forceinline__ Upsampling(const SmallMap &map, int channels, int y, int x,
                                          int height, int width) {
        const Between row = between(y, height, map.height);
        const Between column = between(x, width, map.width);
        data = map.data;
        corner[0] = (row.at0 * map.width + column.at0) * channels;
        corner[1] = (row.at0 * map.width + column.at1) * channels;
        corner[2] = (row.at1 * map.width + column.at0) * channels;
        corner[3] = (row.at1 * map.width + column.at1) * channels;
        fy = row.fraction;
        fx = column.fraction;
    }
    template <int N>
    __device__ __forceinline__ Floats<N> at(int channel) const {
        const float *at = data + channel;
        const Floats<N> a = load<N>(at + corner[0]), b = load<N>(at + corner[1]);
        const Floats<N> c = load<N>(at + corner[2]), d = load<N>(at + corner[3]);
        Floats<N> values;
#pragma unroll
        for (int i = 0; i < N; ++i)
            values.v[i] = (1 - fy) * ((1 - fx) * a.v[i] + fx * b.v[i]) +
                          fy * ((1 - fx) * c.v[i] + fx * d.v[i]);
        return values;
    }
};

}  // namespace mdrn::cuda
