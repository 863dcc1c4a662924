// SPDX-License-Identifier: BSD-2-Clause
// Eq. 5-6 in one kernel, and the convolution that MDSA begins with. A block of threads has a tile
// of the frame and four pixels around it, of which each depthwise convolution takes one. r_k stays
// where x was; c_r.pw of it lies beside. d_k never leaves the registers: as the tensor cores give
// it, c5 takes it.
#include <ptx/copy.h>

#include <algorithm>

#include "cuda/fragments.h"
#include "cuda/stages.h"

namespace mdrn::cuda {
namespace {

constexpr int kWarps = 16;
constexpr int kThreads = 32 * kWarps;
constexpr int kHalo = 4;
constexpr int kWidth = 16;  // of a tile: a warp's pixels are a row of it
constexpr int kPitch = kWidth + 2 * kHalo;
constexpr int kMostRows = 30;  // of a tile: most heights of video are multiples
constexpr int kDown = 4;       // pixels of a column that a thread refines at a time

template <int In>
inline constexpr int kSteps = (kTiles<In> + 1) / 2;  // of 16 channels, the last perhaps of 8
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
    for (int y = all.top + warp(); y < all.bottom; y += kWarps) {
        const size_t first = static_cast<size_t>(tile.top + y) * a.width + tile.left + all.left;
        for (int i = threadIdx.x % 32; i < count; i += 32)
            copy_async<2 * kHalves>(r + (y * kPitch + all.left) * C + i * kHalves,
                                    x + first * C + i * kHalves);
    }
    copy_commit();
}

// sums += what one step of a tile's weights gives with x.
template <int In>
__device__ __forceinline__ void multiply_add(Sums &sums, uint2 weights, const Halves<In> &x,
                                             int step) {
    const auto &low = x.v[2 * step];
    if (2 * step + 1 < kTiles<In>) {
        const auto &high = x.v[2 * step + 1];
        multiply_add(sums, Rows<16>{low[0], low[1], high[0], high[1]},
                     Columns<16>{weights.x, weights.y});
    } else {
        multiply_add(sums, Rows<8>{low[0], low[1]}, Columns<8>{weights.x});
    }
}

// y_p += weights x_p for some tiles of outputs, from `first` on; each weight is read once for all
// p.
template <int In, int Out, int Count, int P>
__device__ __forceinline__ void multiply_add(Sums (&y)[P][Count], const Fragments &weights,
                                             int first, const Halves<In> (&x)[P]) {
    const uint2 *lane = static_cast<const uint2 *>(weights.data) + 32 * first + threadIdx.x % 32;
#pragma unroll
    for (int step = 0; step < kSteps<In>; ++step)
#pragma unroll
        for (int tile = 0; tile < Count; ++tile) {
            const uint2 b = lane[32 * (step * kTiles<Out> + tile)];
#pragma unroll
            for (int p = 0; p < P; ++p) multiply_add(y[p][tile], b, x[p], step);
        }
}

// The first of this lane's two channels of a tile of C channels; perhaps there are none.
template <int C>
__device__ __forceinline__ int channel_of(int tile) {
    const int t = lane_column();
    return tile < C / 16 * 2 ? tile / 2 * 16 + 4 * t + tile % 2 * 2 : 8 * tile + 2 * t;
}

// pw = weights r, pixel by pixel, for rows [top, bottom) of the tile. Half of the warps have the
// first half of the outputs: their weights stay in registers.
template <int C, int Out>
__device__ __forceinline__ void pointwise(const Fragments &weights, int top, int bottom,
                                          const __half *r, __half *pw) {
    constexpr int kOwn = (kTiles<Out> + 1) / 2;
    const int own = warp() % 2 * kOwn;
    const uint2 *lane = static_cast<const uint2 *>(weights.data) + threadIdx.x % 32;
    uint2 b[kSteps<C>][kOwn];
#pragma unroll
    for (int step = 0; step < kSteps<C>; ++step)
#pragma unroll
        for (int tile = 0; tile < kOwn; ++tile)
            b[step][tile] = lane[32 * (step * kTiles<Out> + least(own + tile, kTiles<Out> - 1))];
    const int end = bottom * kPitch;  // where half of a warp's pixels may be left
    for (int first = top * kPitch + warp() / 2 * 16; first < end; first += kWarps / 2 * 16) {
        const auto pixel = static_cast<size_t>(first + lane_pixel());
        const size_t pixels[2] = {pixel, first + 8 < end ? pixel + 8 : pixel};
        const Halves<C> x = load_pixels<C>(r, pixels);
#pragma unroll
        for (int tile = 0; tile < kOwn; ++tile) {
            if (own + tile >= kTiles<Out>) continue;
            Sums sums = {};
#pragma unroll
            for (int step = 0; step < kSteps<C>; ++step) multiply_add(sums, b[step][tile], x, step);
            const int channel = channel_of<Out>(own + tile);
            if (Out % 8 != 0 && channel >= Out) continue;
#pragma unroll
            for (int p = 0; p < 2; ++p)
                store(pw + pixels[p] * Out + channel,
                      Floats<2>{{sums.v[2 * p], sums.v[2 * p + 1]}});
        }
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
    const int width = region.right - region.left;
    const int parts = (region.bottom - region.top + kDown - 1) / kDown;  // of a column
    for (int i = column; i < width * parts; i += kColumns) {
        const int x = region.left + i % width, y = region.top + i / width * kDown;
        const int left = tile.column(a, x - 1) * C, right = tile.column(a, x + 1) * C;
        Floats<2> sums[kDown];
#pragma unroll
        for (int down = 0; down < kDown; ++down) sums[down] = bias;
#pragma unroll
        for (int row = 0; row < kDown + 2; ++row) {
            const int from = tile.row(a, least(y + row - 1, region.bottom));
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

// This lane's pixels of the rows of the tile that are its warp's; those that the frame has not
// stand for some that it has.
template <int P>
struct Pixels {
    int y[P], x[2];
    bool inside[P][2];
    bool any;  // of them, of the whole warp's

    __device__ __forceinline__ Pixels(const Arguments &a, const Tile &tile) {
        const Region own = tile.region(a, 0);
        any = kHalo + warp() < own.bottom;
#pragma unroll
        for (int i = 0; i < 2; ++i) {
            const int column = kHalo + lane_pixel() + 8 * i;
            x[i] = least(column, own.right - 1);
#pragma unroll
            for (int p = 0; p < P; ++p) {
                const int row = kHalo + warp() + kWarps * p;
                y[p] = least(row, own.bottom - 1);
                inside[p][i] = row < own.bottom && column < own.right;
            }
        }
    }
};

// fused += c5's columns of the part of d_k times it.
template <int C, int P>
__device__ __forceinline__ void fuse(Sums (&fused)[P][kTiles<C>], const Fragments &c5, int part,
                                     const Halves<16> (&d_k)[P]) {
    const auto *data = static_cast<const uint2 *>(c5.data);
    multiply_add<16, C>(fused, Fragments{data + part * kTiles<C> * 32}, 0, d_k);
}

// d_k = GELU(c_d r), sixteen channels at a time.
template <int C, int P>
__device__ __forceinline__ void distill(const Arguments &a, int k, const Pixels<P> &pixels,
                                        const __half *r, Sums (&fused)[P][kTiles<C>]) {
    constexpr int kD = C / 2;
    Halves<C> r_k[P];
#pragma unroll
    for (int p = 0; p < P; ++p)
        r_k[p] = load_pixels<C>(r, {size_t(pixels.y[p] * kPitch + pixels.x[0]),
                                    size_t(pixels.y[p] * kPitch + pixels.x[1])});
#pragma unroll
    for (int part = 0; part < kTiles<kD> / 2; ++part) {
        Sums d[P][2];
#pragma unroll
        for (int tile = 0; tile < 2; ++tile) {
            const int channel = channel_of<kD>(2 * part + tile);
            const Floats<2> bias = channel < kD ? load<2>(a.d_bias[k] + channel) : zeros<2>();
#pragma unroll
            for (int p = 0; p < P; ++p) d[p][tile] = {bias.v[0], bias.v[1], bias.v[0], bias.v[1]};
        }
        multiply_add<C, kD>(d, a.weights.c_d[k], 2 * part, r_k);
        Halves<16> d_k[P];
#pragma unroll
        for (int p = 0; p < P; ++p)
#pragma unroll
            for (int i = 0; i < 4; ++i)
                d_k[p].v[i / 2][i % 2] =
                    pair_of(gelu(d[p][i / 2].v[i % 2 * 2]), gelu(d[p][i / 2].v[i % 2 * 2 + 1]));
        fuse<C>(fused, a.weights.c5[k], part, d_k);
    }
}

// d_4 = GELU(dw pw), sixteen channels at a time.
template <int C, int P>
__device__ __forceinline__ void distill_last(const Arguments &a, const Tile &tile,
                                             const Pixels<P> &pixels, const __half *pw,
                                             Sums (&fused)[P][kTiles<C>]) {
    constexpr int kD = C / 2;
    const Depthwise &dw = a.dw[3];
#pragma unroll
    for (int part = 0; part < kTiles<kD> / 2; ++part) {
        Halves<16> d_4[P] = {};
#pragma unroll
        for (int half = 0; half < 2; ++half) {
            const int channel = channel_of<kD>(2 * part + half);
            if (channel >= kD) continue;
            Floats<2> taps[9];
#pragma unroll
            for (int k = 0; k < 9; ++k) taps[k] = load<2>(dw.taps + k * kD + channel);
            const Floats<2> bias = load<2>(dw.bias + channel);
#pragma unroll
            for (int i = 0; i < 2 * P; ++i) {
                const int y = pixels.y[i / 2], x = pixels.x[i % 2];
                Floats<2> sum = bias;
#pragma unroll
                for (int k = 0; k < 9; ++k) {
                    const int from =
                        tile.row(a, y + k / 3 - 1) * kPitch + tile.column(a, x + k % 3 - 1);
                    sum = multiply_add(load<2>(pw + from * kD + channel), taps[k], sum);
                }
                sum = gelu(sum);
                d_4[i / 2].v[half][i % 2] = pair_of(sum.v[0], sum.v[1]);
            }
        }
        fuse<C>(fused, a.weights.c5[3], part, d_4);
    }
}

// fused and conv1 of it, to device memory.
template <int C, int P>
__device__ __forceinline__ void finish(const Arguments &a, const Tile &tile,
                                       const Pixels<P> &pixels, const Sums (&sums)[P][kTiles<C>],
                                       __half *__restrict__ fused, __half *__restrict__ dispersed) {
    constexpr int kC1 = kDispersed<C>;
    Halves<C> out[P];
#pragma unroll
    for (int p = 0; p < P; ++p)
#pragma unroll
        for (int i = 0; i < 2 * kTiles<C>; ++i)
            out[p].v[i / 2][i % 2] =
                pair_of(sums[p][i / 2].v[i % 2 * 2], sums[p][i / 2].v[i % 2 * 2 + 1]);
    Sums conv1[P][kTiles<kC1>] = {};
    multiply_add<C, kC1>(conv1, a.weights.conv1, 0, out);
#pragma unroll
    for (int p = 0; p < P; ++p) {
        const size_t row = static_cast<size_t>(tile.top + pixels.y[p]) * a.width + tile.left;
        const size_t at[2] = {row + pixels.x[0], row + pixels.x[1]};
        store_pixels<C>(fused, at, pixels.inside[p], out[p]);
        Halves<kC1> c;
#pragma unroll
        for (int i = 0; i < 2 * kTiles<kC1>; ++i)
            c.v[i / 2][i % 2] =
                pair_of(conv1[p][i / 2].v[i % 2 * 2], conv1[p][i / 2].v[i % 2 * 2 + 1]);
        store_pixels<kC1>(dispersed, at, pixels.inside[p], c);
    }
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
        const Pixels<P> pixels(a, tile);
        const Tiles<C> bias = spread<C>(a.weights.c5_bias);
        Sums sums[P][kTiles<C>];
#pragma unroll
        for (int p = 0; p < P; ++p)
#pragma unroll
            for (int j = 0; j < kTiles<C>; ++j) sums[p][j] = bias.tile[j];
        copy_wait();
        __syncthreads();
        for (int k = 0; k < 3; ++k) {
            if (pixels.any) distill<C>(a, k, pixels, r, sums);
            const Region before = tile.region(a, kHalo - k);
            pointwise<C, C>(a.weights.c_r[k], before.top, before.bottom, r, pw);
            __syncthreads();
            refine<C>(a, tile, a.dw[k], kHalo - 1 - k, pw, r);
            __syncthreads();
        }
        const Region last = tile.region(a, 1);
        pointwise<C, C / 2>(a.weights.c4, last.top, last.bottom, r, pw);
        __syncthreads();
        if (i + stride < a.tiles) fetch<C>(a, Tile(a, i + stride), x, r);
        if (!pixels.any) continue;
        distill_last<C>(a, tile, pixels, pw, sums);
        finish<C>(a, tile, pixels, sums, fused, dispersed);
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
    // Beside GELU: loads and conversions of nine neighbours shared by four, of r, and the store.
    cost.instructions = refined * (kGeluInstructions + 8) + 3 * pixels * kD * kGeluInstructions;
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
