// SPDX-License-Identifier: BSD-2-Clause
// Eq. 5-6 in one kernel, and the convolution that MDSA begins with. A block of threads has a tile
// of the frame and four pixels around it, of which each depthwise convolution takes one. r_k stays
// where x was; c_r.pw of it lies beside. d_k never leaves the registers: as the tensor cores give
// it, c5 takes it.
#include <ptx/copy.h>

#include <algorithm>

#include "cuda/stages.h"
#include "cuda/steps.h"

namespace mdrn::cuda {
namespace {

constexpr int kWarps = 16;
constexpr int kThreads = 32 * kWarps;
constexpr int kHalo = 4;
constexpr int kWidth = 16;  // of a tile: a warp's pixels are a row of it
constexpr int kPitch = kWidth + 2 * kHalo;
constexpr int kMostRows = 30;  // of a tile: most heights of video are multiples
constexpr int kDown = 4;       // pixels of a column that a thread refines at a time

template <int C>
inline constexpr int kDispersed = (C / 4 + 7) / 8 * 8;

// Bytes of shared memory for a tile of so many rows: r and c_r.pw r.
template <int C>
constexpr size_t shared_for(int rows) {
    return size_t{2} * (rows + 2 * kHalo) * kPitch * C * sizeof(__half);
}

struct Arguments {
    int height, width;  // of the frame
    int rows;           // of a tile
    int across, tiles;  // in a row of tiles, and in all
    FusedDistill weights;
    Depthwise dw[4];
    const float *d_bias[3];
};

// A part of a tile with its halo, in pixels of it.
struct Region {
    int top, left, bottom, right;
};

// A tile with its halo: its first pixel, in the frame.
struct Tile {
    int top, left;

    __device__ __forceinline__ Tile(const Arguments &a, int tile)
        : top(tile / a.across * a.rows - kHalo), left(tile % a.across * kWidth - kHalo) {}

    // What the frame has of the tile and so many pixels around it.
    __device__ __forceinline__ Region region(const Arguments &a, int around) const {
        const int margin = kHalo - around;
        return {-least(-margin, top), -least(-margin, left),
                least(a.rows + 2 * kHalo - margin, a.height - top),
                least(kPitch - margin, a.width - left)};
    }
    // A pixel of the frame's, which is reflected at its edges, in the tile.
    __device__ __forceinline__ int row(const Arguments &a, int y) const {
        return reflected(top + y, a.height) - top;
    }
    __device__ __forceinline__ int column(const Arguments &a, int x) const {
        return reflected(left + x, a.width) - left;
    }
};

// The lane's pixel of eight: in this order halves of a warp read 56 channels from different banks.
__device__ __forceinline__ int own_pixel() {
    return lane_pixel() % 4 * 2 + lane_pixel() / 4;
}

__device__ __forceinline__ int warp() {
    return threadIdx.x / 32;
}

// Begins to copy the tile's x to r.
template <int C>
__device__ __forceinline__ void fetch(const Arguments &a, const Tile &tile,
                                      const __half *__restrict__ x, __half *r) {
    constexpr int kHalves = C % 8 == 0 ? 8 : 4;  // of a copy
    const Region all = tile.region(a, kHalo);
    const int count = (all.right - all.left) * (C / kHalves);
#pragma unroll 1  // for want of registers
    for (int y = all.top + warp(); y < all.bottom; y += kWarps) {
        const size_t first = static_cast<size_t>(tile.top + y) * a.width + tile.left + all.left;
#pragma unroll 1
        for (int i = threadIdx.x % 32; i < count; i += 32)
            copy_async<2 * kHalves>(r + (y * kPitch + all.left) * C + i * kHalves,
                                    x + first * C + i * kHalves);
    }
    copy_commit();
}

// pw = weights r, pixel by pixel, for rows [top, bottom) of the tile. A warp has sixteen of the
// outputs, whose weights stay in registers.
template <int C, int Out>
__device__ __forceinline__ void pointwise(const Fragments &weights, int top, int bottom,
                                          const __half *r, __half *pw) {
    constexpr int kShares = kSteps<Out>;
    const int own = warp() % kShares;
    const uint2 *lane = static_cast<const uint2 *>(weights.data) + threadIdx.x % 32;
    uint2 b[kSteps<C>][2];
#pragma unroll
    for (int step = 0; step < kSteps<C>; ++step)
#pragma unroll
        for (int tile = 0; tile < 2; ++tile)
            b[step][tile] =
                lane[32 * (step * kTiles<Out> + least(2 * own + tile, kTiles<Out> - 1))];
    const int end = bottom * kPitch;  // where half of a warp's pixels may be left
    for (int first = top * kPitch + warp() / kShares * 16; first < end;
         first += kWarps / kShares * 16) {
        const int pixel = first + own_pixel();
        const int pixels[2] = {pixel, first + 8 < end ? pixel + 8 : pixel};
        Halves<16> x[kSteps<C>];
#pragma unroll
        for (int step = 0; step < kSteps<C>; ++step) x[step] = load_step<C>(r, pixels, step);
        Tiles<16> sums = {};
#pragma unroll
        for (int tile = 0; tile < 2; ++tile) {
            if (2 * own + tile >= kTiles<Out>) continue;
#pragma unroll
            for (int step = 0; step < kSteps<C>; ++step)
                multiply_add<C>(sums.tile[tile], b[step][tile], step, x[step]);
        }
        store_step<Out>(pw, pixels, own, rounded(sums));
    }
}

// r = GELU(dw pw + r) in the tile and `around` pixels around it. A thread keeps its two channels.
template <int C>
__device__ __forceinline__ void refine(const Arguments &a, const Tile &tile, const Depthwise &dw,
                                       int around, const __half *pw, __half *r) {
    constexpr int kColumns = kThreads / (C / 2);  // at a time
    const int column = threadIdx.x / (C / 2), channel = threadIdx.x % (C / 2) * 2;
    if (column >= kColumns) return;
    Floats<2> taps[9];
#pragma unroll
    for (int k = 0; k < 9; ++k) taps[k] = load<2>(dw.taps + k * C + channel);
    const Floats<2> bias = load<2>(dw.bias + channel);
    const Region region = tile.region(a, around);
    const int above = tile.row(a, region.top - 1), below = tile.row(a, region.bottom);
    for (int x = region.left + column, y = region.top;; x += kColumns) {
        for (; x >= region.right; x -= region.right - region.left) y += kDown;
        if (y >= region.bottom) break;
        const int left = tile.column(a, x - 1) * C, right = tile.column(a, x + 1) * C;
        Floats<2> sums[kDown];
#pragma unroll
        for (int down = 0; down < kDown; ++down) sums[down] = bias;
#pragma unroll
        for (int row = 0; row < kDown + 2; ++row) {
            int from = y + row - 1;
            if (row == 0 && y == region.top)
                from = above;
            else if (from >= region.bottom)
                from = below;
            const __half *at = pw + from * kPitch * C + channel;
            const Floats<2> in[3] = {load<2>(at + left), load<2>(at + x * C), load<2>(at + right)};
#pragma unroll
            for (int k = 0; k < 9; ++k) {
                const int down = row - k / 3;
                if (down >= 0 && down < kDown)
                    sums[down] = multiply_add(in[k % 3], taps[k], sums[down]);
            }
        }
#pragma unroll
        for (int down = 0; down < kDown; ++down) {
            if (y + down >= region.bottom) continue;
            __half *at = r + ((y + down) * kPitch + x) * C + channel;
            store(at, gelu(sums[down] + load<2>(at)));
        }
    }
}

// The p-th row of the tile that this warp has, and the lane's i-th pixel of it. Some may be beyond
// the frame's edges, or the last warps' rows beyond the tile's.
__device__ __forceinline__ int row_of(int p) {
    return kHalo + warp() + kWarps * p;
}
__device__ __forceinline__ int column_of(int i) {
    return kHalo + own_pixel() + 8 * i;
}

// d_k = GELU(c_d r), sixteen channels at a time.
template <int C, int P>
__device__ __forceinline__ void distill(const Arguments &a, int k, const __half *r,
                                        Tiles<C> (&fused)[P]) {
    constexpr int kD = C / 2;
#pragma unroll 1  // for want of registers
    for (int part = 0; part < kTiles<kD> / 2; ++part) {
        Tiles<16> d[P];
#pragma unroll
        for (int tile = 0; tile < 2; ++tile) {
            const int channel = channel_of<kD>(2 * part + tile);
            const Floats<2> bias = channel < kD ? load<2>(a.d_bias[k] + channel) : zeros<2>();
#pragma unroll
            for (int p = 0; p < P; ++p)
                d[p].tile[tile] = {bias.v[0], bias.v[1], bias.v[0], bias.v[1]};
        }
#pragma unroll
        for (int step = 0; step < kSteps<C>; ++step) {
            Halves<16> r_k[P];
#pragma unroll
            for (int p = 0; p < P; ++p) {
                const int row = least(row_of(p), a.rows + kHalo) * kPitch;
                r_k[p] = load_step<C>(r, {row + column_of(0), row + column_of(1)}, step);
            }
            multiply_add<C, kD>(d, a.weights.c_d[k], 2 * part, step, r_k);
        }
        Halves<16> d_k[P];
#pragma unroll
        for (int p = 0; p < P; ++p) {
#pragma unroll
            for (int i = 0; i < 8; ++i) d[p].tile[i / 4].v[i % 4] = gelu(d[p].tile[i / 4].v[i % 4]);
            d_k[p] = rounded(d[p]);
        }
        multiply_add<kD, C>(fused, a.weights.c5[k], 0, part, d_k);
    }
}

// d_4 = GELU(dw pw), sixteen channels at a time.
template <int C, int P>
__device__ __forceinline__ void distill_last(const Arguments &a, const Tile &tile, const __half *pw,
                                             Tiles<C> (&fused)[P]) {
    constexpr int kD = C / 2;
    const Depthwise &dw = a.dw[3];
    const Region own = tile.region(a, 0);
    int column[2][3];
#pragma unroll
    for (int i = 0; i < 6; ++i)
        column[i / 3][i % 3] =
            tile.column(a, least(column_of(i / 3), own.right - 1) + i % 3 - 1) * kD;
#pragma unroll 1  // for want of registers
    for (int part = 0; part < kTiles<kD> / 2; ++part) {
        Halves<16> d_4[P] = {};
#pragma unroll
        for (int half = 0; half < 2; ++half) {
            const int channel = channel_of<kD>(2 * part + half);
            if (channel >= kD) continue;
            const Floats<2> bias = load<2>(dw.bias + channel);
#pragma unroll
            for (int p = 0; p < P; ++p) {
                Floats<2> sums[2] = {bias, bias};
#pragma unroll
                for (int k = 0; k < 9; ++k) {
                    const int y = tile.row(a, least(row_of(p), own.bottom - 1) + k / 3 - 1);
                    const __half *row = pw + y * kPitch * kD + channel;
                    const Floats<2> tap = load<2>(dw.taps + k * kD + channel);
#pragma unroll
                    for (int i = 0; i < 2; ++i)
                        sums[i] = multiply_add(load<2>(row + column[i][k % 3]), tap, sums[i]);
                }
#pragma unroll
                for (int i = 0; i < 2; ++i)
                    d_4[p].v[half][i] = pair_of(gelu(sums[i].v[0]), gelu(sums[i].v[1]));
            }
        }
        multiply_add<kD, C>(fused, a.weights.c5[3], 0, part, d_4);
    }
}

// fused and conv1 of it, to device memory.
template <int C>
__device__ __forceinline__ void finish(const Arguments &a, const Tile &tile, int row,
                                       const Tiles<C> &sums, __half *__restrict__ fused,
                                       __half *__restrict__ dispersed) {
    constexpr int kC1 = kDispersed<C>;
    const Halves<C> out = rounded(sums);
    Tiles<kC1> conv1 = {};
    multiply_add(conv1, a.weights.conv1, out);
    const Region own = tile.region(a, 0);
    const size_t first = static_cast<size_t>(tile.top + row) * a.width + tile.left;
    const size_t at[2] = {first + column_of(0), first + column_of(1)};
    const bool inside[2] = {row < own.bottom && column_of(0) < own.right,
                            row < own.bottom && column_of(1) < own.right};
    store_pixels<C>(fused, at, inside, out);
    store_pixels<kC1>(dispersed, at, inside, rounded(conv1));
}

// x (H, W, C) -> fused (H, W, C), dispersed (H, W, kDispersed). A warp has P rows of each tile.
template <int C, int P>
__global__ void __launch_bounds__(kThreads, 1)
    fused_distill(Arguments a, const __half *__restrict__ x, __half *__restrict__ fused,
                  __half *__restrict__ dispersed) {
    auto *r = reinterpret_cast<__half *>(mdrn_shared);
    __half *pw = r + (a.rows + 2 * kHalo) * kPitch * C;
    fetch<C>(a, Tile(a, blockIdx.x), x, r);
    const int stride = static_cast<int>(gridDim.x);
    for (int i = blockIdx.x; i < a.tiles; i += stride) {
        const Tile tile(a, i);
        const bool has_rows = row_of(0) < tile.region(a, 0).bottom;
        const Tiles<C> bias = spread<C>(a.weights.c5_bias);
        Tiles<C> sums[P];
#pragma unroll
        for (int p = 0; p < P; ++p) sums[p] = bias;
        copy_wait();
        __syncthreads();
        for (int k = 0; k < 3; ++k) {
            const Region before = tile.region(a, kHalo - k);
            pointwise<C, C>(a.weights.c_r[k], before.top, before.bottom, r, pw);
            if (has_rows) distill<C>(a, k, r, sums);
            __syncthreads();
            refine<C>(a, tile, a.dw[k], kHalo - 1 - k, pw, r);
            __syncthreads();
        }
        const Region last = tile.region(a, 1);
        pointwise<C, C / 2>(a.weights.c4, last.top, last.bottom, r, pw);
        __syncthreads();
        if (i + stride < a.tiles) fetch<C>(a, Tile(a, i + stride), x, r);
        if (!has_rows) continue;
        distill_last<C>(a, tile, pw, sums);
#pragma unroll
        for (int p = 0; p < P; ++p) finish<C>(a, tile, row_of(p), sums[p], fused, dispersed);
    }
}

// Rows or columns that tiles have of a frame of n, with those around them.
double covered(int n, int size, int around) {
    double sum = 0;
    for (int first = 0; first < n; first += size)
        sum += std::min(first + size + around, n) - std::max(first - around, 0);
    return sum;
}

template <int C>
Cost cost_of(const Arguments &a) {
    constexpr int kD = C / 2;
    constexpr auto padded = [](int channels) { return (channels + 7) / 8 * 8.0; };
    const double pixels = double(a.height) * a.width;
    const auto with = [&](int around) {
        return covered(a.height, a.rows, around) * covered(a.width, kWidth, around);
    };
    // Products are of whole rows of tiles.
    const auto rows = [&](int around) { return covered(a.height, a.rows, around) * a.across; };
    Cost cost;
    cost.read = pixels * C * sizeof(__half);
    cost.halo = (with(kHalo) - pixels) * C * sizeof(__half);
    cost.written = pixels * (C + kDispersed<C>)*sizeof(__half);
    cost.matrix =
        kPitch * padded(C) * ((rows(4) + rows(3) + rows(2)) * padded(C) + rows(1) * padded(kD)) +
        kWidth * rows(0) *
            (3 * padded(C) * padded(kD) + 4 * padded(kD) * padded(C) + padded(C) * kDispersed<C>);
    const double refined = (with(3) + with(2) + with(1)) * C + pixels * kD;
    cost.multiply_adds = 9 * refined;
    // Beside GELU and the taps, as cuobjdump counts them for each value.
    cost.instructions =
        refined * (kGeluInstructions + 26) + 3 * pixels * kD * (kGeluInstructions + 12);
    return cost;
}

template <int C>
void start(const Queue &queue, Arguments a, const void *x, void *fused, void *dispersed) {
    int device = 0, shared = 0, processors = 0;
    const char *doing = "asking for the GPU's shared memory";
    check(cudaGetDevice(&device), doing);
    check(cudaDeviceGetAttribute(&shared, cudaDevAttrMaxSharedMemoryPerBlockOptin, device), doing);
    check(cudaDeviceGetAttribute(&processors, cudaDevAttrMultiProcessorCount, device), doing);
    a.rows =
        std::min(static_cast<int>(shared / shared_for<C>(1 - 2 * kHalo)) - 2 * kHalo, kMostRows);
    a.across = static_cast<int>(blocks(a.width, kWidth));
    a.tiles = a.across * static_cast<int>(blocks(a.height, a.rows));
    const auto kernel = a.rows > kWarps ? fused_distill<C, 2> : fused_distill<C, 1>;
    const Launch what{"fused_distill", unsigned(std::min(a.tiles, processors)), kThreads,
                      shared_for<C>(a.rows), cost_of<C>(a)};
    check(cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize,
                               static_cast<int>(what.shared)),
          doing);
    launch(queue, what, kernel, a, static_cast<const __half *>(x), static_cast<__half *>(fused),
           static_cast<__half *>(dispersed));
}

}  // namespace

void CudaStages::fused_distill(int block) {
    const EadbWeights &weights = weights_.blocks[block];
    Arguments a = {};
    a.height = size_.height;
    a.width = size_.width;
    a.weights = weights.fused.distill;
    for (int k = 0; k < 3; ++k) {
        a.dw[k] = weights.refine[k].dw;
        a.d_bias[k] = weights.refine[k].d_bias;
    }
    a.dw[3] = weights.c4_dw;
    (channels_.c == 56 ? start<56> : start<28>)(queue_, a, map(Map::x), map(Map::fused),
                                                places_->dispersed);
}

}  // namespace mdrn::cuda
