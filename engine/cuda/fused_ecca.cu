// SPDX-License-Identifier: BSD-2-Clause
// The fused path behind MDSA's small maps: Eq. 3, 4, 7 and 10. What MDSA's gate gives and y are
// computed anew wherever they are read, by tensor cores, and never stored: two kernels read fused,
// one for the statistics of y, one for all that follows.
#include <algorithm>

#include "cuda/fragments.h"
#include "cuda/gate.h"
#include "cuda/moments.h"
#include "cuda/stages.h"

namespace mdrn::cuda {
namespace {

constexpr int kWarps = 6;  // so that each thread may have 168 registers, which suffice everywhere
constexpr int kThreads = 32 * kWarps;
constexpr int kResident = 2;  // blocks on a multiprocessor at once, at least
constexpr float kMostHalf = 65504;

template <int C>
inline constexpr int kMixed = (C / 4 + 7) / 8 * 8;

struct GateArguments {
    int height, width;
    SmallMap v[3];
    Fragments conv_f, conv4;
    const float *conv_f_bias, *conv4_bias;
};

// The lane's two pixels of a row or elsewhere; those that are not inside stand for some that are.
struct Pixels {
    int y[2], x[2];
    bool inside[2];
    size_t at[2];

    __device__ __forceinline__ Pixels(int height, int width, int y0, int x0, int y1, int x1)
        : y{y0, y1}, x{x0, x1} {
#pragma unroll
        for (int p = 0; p < 2; ++p) {
            inside[p] = y[p] >= 0 && y[p] < height && x[p] >= 0 && x[p] < width;
            y[p] = clamped(y[p], height);
            x[p] = clamped(x[p], width);
            at[p] = static_cast<size_t>(y[p]) * width + x[p];
        }
    }
};

// fused (1 + sigmoid(conv4(up(v_0) + up(v_1) + up(v_2) + conv_f c))); c is dispersed.
template <int C>
__device__ __forceinline__ Halves<C> gated(const GateArguments &a, const Pixels &pixels,
                                           const __half *__restrict__ c,
                                           const __half *__restrict__ fused) {
    Tiles<kMixed<C>> sums = spread<kMixed<C>>(a.conv_f_bias);
    multiply_add(sums, a.conv_f, load_pixels<kMixed<C>>(c, pixels.at));
#pragma unroll
    for (int p = 0; p < 2; ++p)
#pragma unroll
        for (const SmallMap &v : a.v) {
            const Upsampling up(v, kMixed<C>, pixels.y[p], pixels.x[p], a.height, a.width);
            for_channels<kMixed<C>>([&]<int N>(int channel, int tile) {
                set_vector(sums, tile, p, vector_of<N>(sums, tile, p) + up.template at<N>(channel));
            });
        }
        // Half has room for no more, and a sigmoid none for that.
#pragma unroll
    for (Sums &tile : sums.tile)
#pragma unroll
        for (float &value : tile.v) value = fminf(fmaxf(value, -kMostHalf), kMostHalf);
    Tiles<C> m = spread<C>(a.conv4_bias);
    multiply_add(m, a.conv4, rounded(sums));
    Halves<C> values = load_pixels<C>(fused, pixels.at);
#pragma unroll
    for (int tile = 0; tile < kTiles<C>; ++tile)
#pragma unroll
        for (int p = 0; p < 2; ++p) {
            const float2 value = floats_of(values.v[tile][p]);
            const float *logit = m.tile[tile].v + 2 * p;
            values.v[tile][p] = pair_of(fmaf(value.x, sigmoid(logit[0]), value.x),
                                        fmaf(value.y, sigmoid(logit[1]), value.y));
        }
    return values;
}

// body_0 of what is gated, with its bias.
template <int C>
__device__ __forceinline__ Tiles<C> body_0(const Fragments &weights, const float *bias,
                                           const Halves<C> &gated) {
    Tiles<C> y = spread<C>(bias);
    multiply_add(y, weights, gated);
    return y;
}

// A warp takes every kWarps-th segment of the block's part. parts (parts.count, C); shared:
// (8 kWarps, C) Moments, and as many counts of pixels.
template <int C>
__global__ void __launch_bounds__(kThreads, kResident)
    fused_statistics(Parts shares, GateArguments gate, Fragments body, const float *bias,
                     const __half *__restrict__ c, const __half *__restrict__ fused,
                     Moments *__restrict__ parts) {
    constexpr int kRows = 8 * kWarps;
    auto *rows = reinterpret_cast<Moments *>(mdrn_shared);
    auto *counts = reinterpret_cast<float *>(rows + kRows * C);
    const size_t first = first_segment(shares, blockIdx.x);
    const size_t end = first_segment(shares, blockIdx.x + 1);
    const int in_row = (shares.width + shares.segment - 1) / shares.segment;
    Moments moments[kTiles<C>][2] = {};
    float n = 0;
#pragma unroll 1
    for (size_t segment = first + threadIdx.x / 32; segment < end; segment += kWarps) {
        const auto y = static_cast<int>(segment / in_row);
        const int x = static_cast<int>(segment % in_row) * shares.segment + lane_pixel();
        const Pixels pixels(gate.height, gate.width, y, x, y, x + 8);
        const Tiles<C> raw = body_0<C>(body, bias, gated<C>(gate, pixels, c, fused));
#pragma unroll
        for (int p = 0; p < 2; ++p) {
            if (!pixels.inside[p]) continue;
            n += 1;
            const float weight = 1 / n;
#pragma unroll
            for (int tile = 0; tile < kTiles<C>; ++tile)
#pragma unroll
                for (int i = 0; i < 2; ++i)
                    take(moments[tile][i], gelu(raw.tile[tile].v[2 * p + i]), weight);
        }
    }
    const int row = threadIdx.x / 32 * 8 + lane_pixel();
    for_channels<C>([&]<int N>(int channel, int tile) {
#pragma unroll
        for (int i = 0; i < N; ++i) rows[row * C + channel + i] = moments[tile + i / 2][i % 2];
    });
    if (lane_column() == 0) counts[row] = n;
    __syncthreads();
    if (threadIdx.x < C)
        parts[blockIdx.x * C + threadIdx.x] = merged(
            kRows, [&](int r) { return counts[r]; },
            [&](int r) { return rows[r * C + threadIdx.x]; });
}

// A block has a tile of pixels; y is needed of their neighbours too, nearly four times 16.
constexpr int kColumns = 16;
constexpr int kRows = 2;  // for each warp
constexpr int kTall = kRows * kWarps;
constexpr int kWide = kColumns + 2;
constexpr int kPlaces = kWide * (kTall + 2);
constexpr int kRing = kPlaces - kColumns * kTall;

// y of the block's pixels and their ring, as vectors of for_channels().
struct Activated {
    __half *data;

    template <int N>
    __device__ __forceinline__ __half *at(int tile, int place) const {
        return data + tile * 8 * kPlaces + place * 4 * N + N * lane_column();
    }
};

template <int C>
__device__ __forceinline__ void activate(const Activated &activated, const Tiles<C> &raw,
                                         const bool (&inside)[2], int place0, int place1) {
    for_channels<C>([&]<int N>(int, int tile) {
        store(activated.at<N>(tile, place0),
              inside[0] ? gelu(vector_of<N>(raw, tile, 0)) : zeros<N>());
        store(activated.at<N>(tile, place1),
              inside[1] ? gelu(vector_of<N>(raw, tile, 1)) : zeros<N>());
    });
}

// The i-th place of the ring: the upper row, the lower one, then both sides.
__device__ __forceinline__ int ring_place(int i) {
    if (i < kWide) return i;
    if (i < 2 * kWide) return (kTall + 1) * kWide + i - kWide;
    i -= 2 * kWide;
    return (1 + i / 2) * kWide + i % 2 * (kWide - 1);
}

template <int C>
__device__ __forceinline__ void push(Halves<C> (&queue)[kRows], const Halves<C> &last) {
#pragma unroll
    for (int i = 0; i + 1 < kRows; ++i) queue[i] = queue[i + 1];
    queue[kRows - 1] = last;
}

// What gather adds: c1's columns of the block before and of this one.
struct GatherArguments {
    bool gathers;
    bool more;  // to what is there already
    Fragments before, here;
};

struct EccaArguments {
    GateArguments gate;
    Fragments body_0;
    const float *body_0_bias;
    Depthwise body_3;
    GatherArguments gather;
};

// x += dw (a y) + gated; where it gathers, sum (+)= c1_before x_before + c1_here x.
template <int C>
__global__ void __launch_bounds__(kThreads, kResident)
    fused_ecca(EccaArguments p, const float *__restrict__ a, const __half *__restrict__ c,
               const __half *__restrict__ fused, __half *__restrict__ x, __half *__restrict__ sum) {
    const Activated activated{reinterpret_cast<__half *>(mdrn_shared)};
    const int height = p.gate.height, width = p.gate.width;
    const int top = blockIdx.y * kTall, left = blockIdx.x * kColumns;
    const int warp = threadIdx.x / 32;
    const auto pixels_of = [&](int row) {
        const int column = left + lane_pixel();
        return Pixels(height, width, top + row, column, top + row, column + 8);
    };

#pragma unroll 1
    for (int first = 16 * warp; first < kRing; first += 16 * kWarps) {
        const int place0 = ring_place(least(first + lane_pixel(), kRing - 1));
        const int place1 = ring_place(least(first + lane_pixel() + 8, kRing - 1));
        const Pixels pixels(height, width, top + place0 / kWide - 1, left + place0 % kWide - 1,
                            top + place1 / kWide - 1, left + place1 % kWide - 1);
        activate<C>(activated,
                    body_0<C>(p.body_0, p.body_0_bias, gated<C>(p.gate, pixels, c, fused)),
                    pixels.inside, place0, place1);
    }
    Halves<C> own[kRows] =
        {};  // a queue, since registers have no index; loops not unrolled take fewer
#pragma unroll 1
    for (int row = warp; row < kTall; row += kWarps) {
        const Pixels pixels = pixels_of(row);
        const Halves<C> values = gated<C>(p.gate, pixels, c, fused);
        push(own, values);
        const int place = (row + 1) * kWide + lane_pixel() + 1;
        activate<C>(activated, body_0<C>(p.body_0, p.body_0_bias, values), pixels.inside, place,
                    place + 8);
    }
    __syncthreads();

#pragma unroll 1
    for (int row = warp; row < kTall; row += kWarps) {
        const Pixels pixels = pixels_of(row);
        const Halves<C> before = load_pixels<C>(x, pixels.at);
        Halves<C> now = {};
        for_channels<C>([&]<int N>(int channel, int tile) {
            Floats<N> sums[2] = {zeros<N>(), zeros<N>()};
#pragma unroll
            for (int k = 0; k < 9; ++k) {
                const Floats<N> tap = load<N>(p.body_3.taps + k * C + channel);
                const int place = (row + k / 3) * kWide + lane_pixel() + k % 3;
#pragma unroll
                for (int q = 0; q < 2; ++q)
                    sums[q] =
                        multiply_add(load<N>(activated.at<N>(tile, place + 8 * q)), tap, sums[q]);
            }
            const Floats<N> bias = load<N>(p.body_3.bias + channel), scale = load<N>(a + channel);
#pragma unroll
            for (int q = 0; q < 2; ++q) {
                const Floats<N> rest =
                    vector_of<N>(own[0], tile, q) + vector_of<N>(before, tile, q) + bias;
                set_vector(now, tile, q, multiply_add(scale, sums[q], rest));
            }
        });
        store_pixels<C>(x, pixels.at, pixels.inside, now);
        if (p.gather.gathers) {
            Tiles<C> total = {};
            if (p.gather.more) total = floats_of(load_pixels<C>(sum, pixels.at));
            multiply_add(total, p.gather.before, before);
            multiply_add(total, p.gather.here, now);
            store_pixels<C>(sum, pixels.at, pixels.inside, rounded(total));
        }
        push(own, {});
    }
}

// Multiply-adds of the tensor cores for a pixel: MDSA's gate and body_0.
template <int C>
double products() {
    const double mixed = kMixed<C>, c = 8 * kTiles<C>;
    return mixed * mixed + mixed * c + c * c;
}

// Plain instructions for a pixel of the gate and GELU.
template <int C>
double instructions() {
    return C * (kSigmoidInstructions + kGeluInstructions + 4.0) + 3 * (12 * kMixed<C> + 24.0);
}

}  // namespace

template <int C>
void CudaStages::fused_ecca_of(int block) {
    const EadbWeights &weights = weights_.blocks[block];
    const Branches &branches = places_->branches;
    const GateArguments gate{size_.height,
                             size_.width,
                             {branches.mixed[0], branches.mixed[1], branches.mixed[2]},
                             weights.fused.conv_f,
                             weights.fused.conv4,
                             weights.conv_f_bias,
                             weights.conv4_bias};
    const auto *c = static_cast<const __half *>(places_->dispersed);
    const auto *fused = static_cast<const __half *>(map(Map::fused));
    const double read = map_bytes(C + kMixed<C>) + branches.mixed_bytes(channels_);

    Parts parts{0, size_.width, 16, 1};
    parts.segments = size_t(size_.height) * parts.in_row();
    parts.count =
        static_cast<int>(std::clamp<size_t>(parts.segments / (2 * kWarps), 1, kMostParts));
    Launch what{"fused_statistics",
                unsigned(parts.count),
                kThreads,
                (sizeof(Moments) * C + sizeof(float)) * 8 * kWarps,
                {}};
    double computed = 16.0 * double(parts.segments);
    what.cost = {read,
                 sizeof(Moments) * double(parts.count) * C,
                 2.0 * C * computed,
                 computed * (instructions<C>() + 4.0 * C),
                 computed * products<C>(),
                 0};
    launch(queue_, what, fused_statistics<C>, parts, gate, weights.fused.body_0,
           weights.body_0_bias, c, fused, places_->parts);

    attend(block, parts);

    const bool gathers = block % 2 == 1, more = block > 1;
    what = {"fused_ecca",
            dim3(blocks(size_.width, kColumns), blocks(size_.height, kTall)),
            kThreads,
            sizeof(__half) * 8 * kTiles<C> * kPlaces,
            {}};
    const double tiles = double(what.grid.x) * what.grid.y;
    const double own = tiles * kColumns * kTall;
    computed = own + tiles * round_up(kRing, 16);
    const double c1 = gathers ? 2 * own * 64 * kTiles<C> * kTiles<C> : 0;
    what.cost = {read + map_bytes(C) + (more && gathers ? map_bytes(C) : 0),
                 map_bytes(gathers ? 2 * C : C),
                 10.0 * C * own,
                 computed * instructions<C>() + 6.0 * C * own,
                 computed * products<C>() + c1,
                 tiles * kRing * (C + kMixed<C>)*sizeof(__half)};
    const GatherArguments gather{gathers, more, weights_.blocks[block - gathers].fused.c1,
                                 weights.fused.c1};
    launch(queue_, what, cuda::fused_ecca<C>,
           EccaArguments{gate, weights.fused.body_0, weights.body_0_bias, weights.body_3, gather},
           places_->attention, c, fused, static_cast<__half *>(map(Map::x)),
           static_cast<__half *>(places_->sum));
}

void CudaStages::fused_ecca(int block) {
    channels_.c == 56 ? fused_ecca_of<56>(block) : fused_ecca_of<28>(block);
}

}  // namespace mdrn::cuda
