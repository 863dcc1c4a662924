// SPDX-License-Identifier: BSD-2-Clause
// Sixteen pixels' channels in a warp's registers, as the tensor cores take and give them: what one
// product gives is, rounded to half, what the next one takes.
//
// Lane l, with g = l / 4 and t = l % 4, has pixels g and g + 8, and for each tile of 8 channels two
// of them: in tiles 2 s and 2 s + 1 together the four from 16 s + 4 t on, for s < C / 16; in each
// tile behind those the two from 8 tile + 2 t on, as far as there are channels. So it reads and
// writes vectors. Products do not depend on the order as long as weights have it too, which
// Weights gives them.
#pragma once

#include <ptx/matrix.h>

#include <cstring>

#include "cuda/device.h"
#include "cuda/weights.h"

namespace mdrn::cuda {

template <int C>
inline constexpr int kTiles = (C + 7) / 8;

// Products of sixteen channels, or the eight that are left.
template <int C>
inline constexpr int kSteps = (kTiles<C> + 1) / 2;

// Pairs of halves: v[tile][pixel].
template <int C>
struct Halves {
    unsigned v[kTiles<C>][2];
};

// Floats: tile[tile].v[2 pixel + i].
template <int C>
struct Tiles {
    Sums tile[kTiles<C>];
};

__device__ __forceinline__ int lane_pixel() {
    return threadIdx.x % 32 / 4;
}
__device__ __forceinline__ int lane_column() {
    return threadIdx.x % 4;
}

// Calls body.operator()<N>(channel, tile) for this lane's vectors of N = 4 or 2 channels; the i-th
// of one is element i % 2 of tile + i / 2.
template <int C, typename Body>
__device__ __forceinline__ void for_channels(const Body &body) {
    const int t = lane_column();
#pragma unroll
    for (int step = 0; step < C / 16; ++step)
        body.template operator()<4>(16 * step + 4 * t, 2 * step);
#pragma unroll
    for (int tile = C / 16 * 2; tile < kTiles<C>; ++tile)
        if (C % 8 == 0 || 8 * tile + 2 * t < C) body.template operator()<2>(8 * tile + 2 * t, tile);
}

__device__ __forceinline__ unsigned pair_of(float low, float high) {
    const __half2 pair = __floats2half2_rn(low, high);
    unsigned bits;
    memcpy(&bits, &pair, sizeof bits);
    return bits;
}

__device__ __forceinline__ float2 floats_of(unsigned bits) {
    __half2 pair;
    memcpy(&pair, &bits, sizeof pair);
    return __half22float2(pair);
}

// A vector of this lane's.
template <int N, int C>
__device__ __forceinline__ Floats<N> vector_of(const Halves<C> &halves, int tile, int pixel) {
    Floats<N> values;
#pragma unroll
    for (int i = 0; i < N; i += 2) {
        const float2 pair = floats_of(halves.v[tile + i / 2][pixel]);
        values.v[i] = pair.x;
        values.v[i + 1] = pair.y;
    }
    return values;
}
template <int N, int C>
__device__ __forceinline__ Floats<N> vector_of(const Tiles<C> &tiles, int tile, int pixel) {
    Floats<N> values;
#pragma unroll
    for (int i = 0; i < N; ++i) values.v[i] = tiles.tile[tile + i / 2].v[2 * pixel + i % 2];
    return values;
}
template <int N, int C>
__device__ __forceinline__ void set_vector(Halves<C> &halves, int tile, int pixel,
                                           const Floats<N> &values) {
#pragma unroll
    for (int i = 0; i < N; i += 2)
        halves.v[tile + i / 2][pixel] = pair_of(values.v[i], values.v[i + 1]);
}
template <int N, int C>
__device__ __forceinline__ void set_vector(Tiles<C> &tiles, int tile, int pixel,
                                           const Floats<N> &values) {
#pragma unroll
    for (int i = 0; i < N; ++i) tiles.tile[tile + i / 2].v[2 * pixel + i % 2] = values.v[i];
}

// The lane's two pixels of a map (H, W, C); channels that there are not become 0.
template <int C>
__device__ __forceinline__ Halves<C> load_pixels(const __half *map, const size_t (&pixel)[2]) {
    Halves<C> halves = {};
    for_channels<C>([&]<int N>(int channel, int tile) {
#pragma unroll
        for (int p = 0; p < 2; ++p) {
            const auto vector =
                *reinterpret_cast<const Packed<unsigned, N / 2> *>(map + pixel[p] * C + channel);
#pragma unroll
            for (int i = 0; i < N / 2; ++i) halves.v[tile + i][p] = vector.v[i];
        }
    });
    return halves;
}

template <int C>
__device__ __forceinline__ void store_pixels(__half *map, const size_t (&pixel)[2],
                                             const bool (&inside)[2], const Halves<C> &halves) {
    for_channels<C>([&]<int N>(int channel, int tile) {
#pragma unroll
        for (int p = 0; p < 2; ++p) {
            if (!inside[p]) continue;
            Packed<unsigned, N / 2> vector;
#pragma unroll
            for (int i = 0; i < N / 2; ++i) vector.v[i] = halves.v[tile + i][p];
            *reinterpret_cast<Packed<unsigned, N / 2> *>(map + pixel[p] * C + channel) = vector;
        }
    });
}

template <int C>
__device__ __forceinline__ Tiles<C> floats_of(const Halves<C> &halves) {
    Tiles<C> tiles;
#pragma unroll
    for (int tile = 0; tile < kTiles<C>; ++tile)
#pragma unroll
        for (int p = 0; p < 2; ++p) {
            const float2 pair = floats_of(halves.v[tile][p]);
            tiles.tile[tile].v[2 * p] = pair.x;
            tiles.tile[tile].v[2 * p + 1] = pair.y;
        }
    return tiles;
}
template <int C>
__device__ __forceinline__ Halves<C> rounded(const Tiles<C> &tiles) {
    Halves<C> halves;
#pragma unroll
    for (int tile = 0; tile < kTiles<C>; ++tile)
#pragma unroll
        for (int p = 0; p < 2; ++p)
            halves.v[tile][p] = pair_of(tiles.tile[tile].v[2 * p], tiles.tile[tile].v[2 * p + 1]);
    return halves;
}

// (C) -> the same for each pixel.
template <int C>
__device__ __forceinline__ Tiles<C> spread(const float *values) {
    Tiles<C> tiles = {};
    for_channels<C>([&]<int N>(int channel, int tile) {
        const Floats<N> vector = load<N>(values + channel);
        set_vector(tiles, tile, 0, vector);
        set_vector(tiles, tile, 1, vector);
    });
    return tiles;
}

// sums += what one step of In channels, x, gives with a tile's weights.
template <int In>
__device__ __forceinline__ void multiply_add(Sums &sums, uint2 weights, int step,
                                             const Halves<16> &x) {
    const auto &low = x.v[0], &high = x.v[1];
    if (2 * step + 1 < kTiles<In>)
        multiply_add(sums, Rows<16>{low[0], low[1], high[0], high[1]},
                     Columns<16>{weights.x, weights.y});
    else
        multiply_add(sums, Rows<8>{low[0], low[1]}, Columns<8>{weights.x});
}

// y += weights x, in a fixed order of x's channels.
template <int In, int Out>
__device__ __forceinline__ void multiply_add(Tiles<Out> &y, const Fragments &weights,
                                             const Halves<In> &x) {
    const uint2 *lane = static_cast<const uint2 *>(weights.data) + threadIdx.x % 32;
#pragma unroll
    for (int step = 0; step < kSteps<In>; ++step) {
        Halves<16> two = {};
#pragma unroll
        for (int p = 0; p < 2; ++p) {
            two.v[0][p] = x.v[2 * step][p];
            if (2 * step + 1 < kTiles<In>) two.v[1][p] = x.v[2 * step + 1][p];
        }
#pragma unroll
        for (int tile = 0; tile < kTiles<Out>; ++tile)
            multiply_add<In>(y.tile[tile], lane[32 * (step * kTiles<Out> + tile)], step, two);
    }
}

}  // namespace mdrn::cuda
