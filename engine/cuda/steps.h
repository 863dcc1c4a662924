// SPDX-License-Identifier: BSD-2-Clause
// fragments.h's pixels a step at a time: sixteen channels, or the eight that are left, which one
// matrix product takes. Kernels that have no registers for all channels work with these.
#pragma once

#include "cuda/fragments.h"

namespace mdrn::cuda {

// y += what one step of In channels gives, of P times two pixels and some of Out channels, from
// tile `first` on: weights are read once for all pixels.
template <int In, int Out, int Some, int P>
__device__ __forceinline__ void multiply_add(Tiles<Some> (&y)[P], const Fragments &weights,
                                             int first, int step, const Halves<16> (&x)[P]) {
    const uint2 *lane = static_cast<const uint2 *>(weights.data) +
                        32 * (step * kTiles<Out> + first) + threadIdx.x % 32;
#pragma unroll
    for (int tile = 0; tile < kTiles<Some>; ++tile) {
        const uint2 b = lane[32 * tile];
#pragma unroll
        for (int p = 0; p < P; ++p) multiply_add<In>(y[p].tile[tile], b, step, x[p]);
    }
}

// One step of the channels of two pixels, as load_pixels() gives them.
template <int C>
__device__ __forceinline__ Halves<16> load_step(const __half *map, const int (&pixel)[2],
                                                int step) {
    Halves<16> x = {};
#pragma unroll
    for (int p = 0; p < 2; ++p) {
        const __half *at = map + pixel[p] * C;
        if (step < C / 16) {
            const uint2 four = *reinterpret_cast<const uint2 *>(at + 16 * step + 4 * lane_column());
            x.v[0][p] = four.x;
            x.v[1][p] = four.y;
            continue;
        }
#pragma unroll
        for (int tile = 0; tile < 2; ++tile) {
            const int channel = 8 * (2 * step + tile) + 2 * lane_column();
            if (channel < C) x.v[tile][p] = *reinterpret_cast<const unsigned *>(at + channel);
        }
    }
    return x;
}

// The counterpart of load_step().
template <int C>
__device__ __forceinline__ void store_step(__half *map, const int (&pixel)[2], int step,
                                           const Halves<16> &y) {
#pragma unroll
    for (int p = 0; p < 2; ++p) {
        __half *at = map + pixel[p] * C;
        if (step < C / 16) {
            *reinterpret_cast<uint2 *>(at + 16 * step + 4 * lane_column()) = {y.v[0][p], y.v[1][p]};
            continue;
        }
#pragma unroll
        for (int tile = 0; tile < 2; ++tile) {
            const int channel = 8 * (2 * step + tile) + 2 * lane_column();
            if (channel < C) *reinterpret_cast<unsigned *>(at + channel) = y.v[tile][p];
        }
    }
}

// The first of this lane's two channels of a tile of C channels; perhaps there are none.
template <int C>
__device__ __forceinline__ int channel_of(int tile) {
    const int t = lane_column();
    return tile < C / 16 * 2 ? tile / 2 * 16 + 4 * t + tile % 2 * 2 : 8 * tile + 2 * t;
}

}  // namespace mdrn::cuda
