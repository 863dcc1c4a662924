// SPDX-License-Identifier: BSD-2-Clause
// Eq. 1-3. conv1 is a convolution without its bias, which is folded into what reads c; disperse
// makes the pooled maps, mix the small maps' convolutions, gate the rest.
#include <cfloat>

#include "cuda/device.h"
#include "cuda/gate.h"
#include "cuda/stages.h"

namespace mdrn::cuda {
namespace {

// A block of disperse has kPooled x kPooled cells of each pooled map. Under them lie kStrided x
// kStrided pixels of the stride-2 maps t, from 3 * cell - 1 on, and kUnder x kUnder of c.
constexpr int kPooled = 4;
constexpr int kStrided = 3 * kPooled + 4;
constexpr int kUnder = 2 * kStrided + 1;
constexpr int kDisperseThreads = 288;  // kUnder² pixels in four rounds

// Windows of the pooled maps on t: the first row of cell i is 3 * i - pad.
struct Window {
    int size, pad;
};
__device__ __forceinline__ Window window_of(int branch) {
    return {2 * least(branch, 2) + 3, branch == 1 ? 0 : 1};
}

struct DisperseArguments {
    int height, width;  // of c
    int f, dispersed, strided;
    const float *conv2_pw, *conv2_start;
    Depthwise conv2;
    Branches branches;
};

// q (kGroup, kUnder, kUnder): conv2's pw of c, a group of channels; two pixels at a time.
template <typename T>
__device__ __forceinline__ void pointwise(const DisperseArguments &a, const T *__restrict__ c,
                                          int group, int top, int left, const float *weights,
                                          float *q) {
    constexpr int kPixels = kUnder * kUnder;
    const auto place = [&](int i) {
        const int y = clamped(reflected(top + i / kUnder, a.height), a.height);
        const int x = clamped(reflected(left + i % kUnder, a.width), a.width);
        return c + (static_cast<size_t>(y) * a.width + x) * a.dispersed;
    };
    const Floats<kGroup> start = load<kGroup>(a.conv2_start + group * kGroup);
    for (int i = threadIdx.x; i < kPixels; i += 2 * kDisperseThreads) {
        const int j = i + kDisperseThreads;
        const T *at_i = place(i);
        const T *at_j = place(least(j, kPixels - 1));
        Floats<kGroup> sum_i = start, sum_j = start;
        for (int k = 0; k < a.dispersed; k += 4) {
            const Floats<4> c_i = load<4>(at_i + k);
            const Floats<4> c_j = load<4>(at_j + k);
#pragma unroll
            for (int input = 0; input < 4; ++input) {
                const Floats<kGroup> weight = load<kGroup>(weights + (k + input) * kGroup);
#pragma unroll
                for (int o = 0; o < kGroup; ++o) {
                    sum_i.v[o] = fmaf(weight.v[o], c_i.v[input], sum_i.v[o]);
                    sum_j.v[o] = fmaf(weight.v[o], c_j.v[input], sum_j.v[o]);
                }
            }
        }
#pragma unroll
        for (int o = 0; o < kGroup; ++o) {
            q[o * kPixels + i] = sum_i.v[o];
            if (j < kPixels) q[o * kPixels + j] = sum_j.v[o];
        }
    }
}

// t (kGroup, kStrided, kStrided): the stride-2 depthwise of q; least beyond the map's edges.
__device__ __forceinline__ void stride(const DisperseArguments &a, int group, int top, int left,
                                       int t_height, int t_width, const float *q, float *t) {
    constexpr int kPixels = kStrided * kStrided;
    for (int i = threadIdx.x; i < kGroup * kPixels; i += kDisperseThreads) {
        const int channel = group * kGroup + i / kPixels;
        const int y = i % kPixels / kStrided, x = i % kStrided;
        float sum = -FLT_MAX;
        if (top + y >= 0 && top + y < t_height && left + x >= 0 && left + x < t_width) {
            const float *under = q + (i / kPixels) * (kUnder * kUnder) + 2 * y * kUnder + 2 * x;
            sum = a.conv2.bias[channel];
#pragma unroll
            for (int k = 0; k < 9; ++k)
                sum =
                    fmaf(a.conv2.taps[k * a.strided + channel], under[k / 3 * kUnder + k % 3], sum);
        }
        t[i] = sum;
    }
}

// The largest of a window; what is beyond the edges never is.
__device__ __forceinline__ float largest(const float *t, int y, int x, int size) {
    float most = -FLT_MAX;
    for (int ky = 0; ky < size; ++ky)
        for (int kx = 0; kx < size; ++kx) most = fmaxf(most, t[(y + ky) * kStrided + x + kx]);
    return most;
}

// Unbiased variance of a 7x7 window, reflected at the edges.
__device__ __forceinline__ float variance(const float *t, int y, int x, int top, int left,
                                          int t_height, int t_width) {
    const auto at = [&](int i) {
        const int row = reflected(top + y + i / 7, t_height) - top;
        return t[row * kStrided + reflected(left + x + i % 7, t_width) - left];
    };
    float sum = 0;
    for (int i = 0; i < 49; ++i) sum += at(i);
    const float mean = sum / 49;
    float squares = 0;
    for (int i = 0; i < 49; ++i) squares = fmaf(at(i) - mean, at(i) - mean, squares);
    return squares / 48;
}

// c (H, W, dispersed) -> the pooled maps.
template <typename T>
__global__ void __launch_bounds__(kDisperseThreads)
    disperse(DisperseArguments a, const T *__restrict__ c) {
    auto *q = reinterpret_cast<float *>(mdrn_shared);
    float *t = q + kGroup * kUnder * kUnder;
    float *weights = t + kGroup * kStrided * kStrided;  // (dispersed, kGroup)
    const int t_height = (a.height - 1) / 2 + 1, t_width = (a.width - 1) / 2 + 1;
    const int cell_y = blockIdx.y * kPooled, cell_x = blockIdx.x * kPooled;
    const int t_top = 3 * cell_y - 1, t_left = 3 * cell_x - 1;
    for (int group = 0; group < a.strided / kGroup; ++group) {
        for (int i = threadIdx.x; i < a.dispersed * kGroup; i += kDisperseThreads)
            weights[i] = a.conv2_pw[group * a.dispersed * kGroup + i];
        __syncthreads();
        pointwise(a, c, group, 2 * t_top - 1, 2 * t_left - 1, weights, q);
        __syncthreads();
        stride(a, group, t_top, t_left, t_height, t_width, q, t);
        __syncthreads();
        for (int i = threadIdx.x; i < kGroup * kPooled * kPooled; i += kDisperseThreads) {
            const int y = i / kPooled % kPooled, x = i % kPooled;
            const int stacked = group * kGroup + i / (kPooled * kPooled);
            if (stacked >= 4 * a.f) continue;
            const int branch = stacked / a.f, channel = stacked % a.f;
            const SmallMap &map = a.branches.pooled[branch];
            if (cell_y + y >= map.height || cell_x + x >= map.width) continue;
            const float *own = t + i / (kPooled * kPooled) * kStrided * kStrided;
            const Window window = window_of(branch);
            const int from_y = 3 * y + 1 - window.pad, from_x = 3 * x + 1 - window.pad;
            map.data[((cell_y + y) * map.width + cell_x + x) * a.f + channel] =
                branch == 3 ? variance(own, from_y, from_x, t_top, t_left, t_height, t_width)
                            : largest(own, from_y, from_x, window.size);
        }
    }
}

constexpr int kMixThreads = 256;

// (rows, rows, f) in shared memory, whose first pixel is (top, left) of a map (height, width).
struct Tile {
    float *data;
    int rows, top, left, height, width;

    // Pixel i, with its place in the map; beyond the map nothing is computed.
    __device__ bool inside(int i) const {
        const int y = top + i / rows, x = left + i % rows;
        return y >= 0 && y < height && x >= 0 && x < width;
    }
    __device__ const float *at(int y, int x, int f) const {
        const int row = reflected(y, height) - top, column = reflected(x, width) - left;
        return data + (row * rows + column) * f;
    }
};

// The depthwise convolution of a tile at pixel (y, x) of its map.
__device__ __forceinline__ float depthwise_at(const Tile &tile, const Depthwise &dw, int y, int x,
                                              int channel, int f) {
    float sum = dw.bias[channel];
    for (int k = 0; k < 9; ++k)
        sum =
            fmaf(dw.taps[k * f + channel], tile.at(y + k / 3 - 1, x + k % 3 - 1, f)[channel], sum);
    return sum;
}

struct MixArguments {
    Branches branches;
    MixWeights weights[3];
};

// v_i = conv3_i GELU(conv_max_i p_i) for branch i = blockIdx.z; a block has cells x cells of it.
// shared: two tiles, (cells + 4)² f and (cells + 2)² f floats.
__global__ void __launch_bounds__(kMixThreads) mix(MixArguments a, int f, int mixed, int cells) {
    const int branch = blockIdx.z;
    const SmallMap &pooled = a.branches.pooled[branch], &result = a.branches.mixed[branch];
    const MixWeights &w = a.weights[branch];
    const int top = blockIdx.y * cells, left = blockIdx.x * cells;
    if (top >= result.height || left >= result.width) return;
    auto *data = reinterpret_cast<float *>(mdrn_shared);
    const Tile wide{data, cells + 4, top - 2, left - 2, result.height, result.width};
    const Tile narrow{data + wide.rows * wide.rows * f,
                      cells + 2,
                      top - 1,
                      left - 1,
                      result.height,
                      result.width};

    for (int i = threadIdx.x; i < wide.rows * wide.rows * f; i += kMixThreads) {
        const int pixel = i / f, channel = i % f;
        if (!wide.inside(pixel)) continue;
        const size_t at = static_cast<size_t>(wide.top + pixel / wide.rows) * pooled.width +
                          wide.left + pixel % wide.rows;
        float sum = 0;
        for (int k = 0; k < f; ++k) {
            float p = pooled.data[at * f + k];
            if (branch == 2) p += a.branches.pooled[3].data[at * f + k];
            sum = fmaf(w.conv_max_pw[k * f + channel], p, sum);
        }
        wide.data[i] = sum;
    }
    __syncthreads();
    for (int i = threadIdx.x; i < narrow.rows * narrow.rows * f; i += kMixThreads) {
        const int pixel = i / f;
        if (narrow.inside(pixel))
            narrow.data[i] = gelu(depthwise_at(wide, w.conv_max, narrow.top + pixel / narrow.rows,
                                               narrow.left + pixel % narrow.rows, i % f, f));
    }
    __syncthreads();
    const Tile last{wide.data, narrow.rows, narrow.top, narrow.left, narrow.height, narrow.width};
    for (int i = threadIdx.x; i < last.rows * last.rows * f; i += kMixThreads) {
        const int pixel = i / f, channel = i % f;
        if (!last.inside(pixel)) continue;
        float sum = 0;
        for (int k = 0; k < f; ++k)
            sum = fmaf(w.conv3_pw[k * f + channel], narrow.data[pixel * f + k], sum);
        last.data[i] = sum;
    }
    __syncthreads();
    for (int i = threadIdx.x; i < cells * cells * f; i += kMixThreads) {
        const int pixel = i / f, channel = i % f;
        const int y = top + pixel / cells, x = left + pixel % cells;
        if (y < result.height && x < result.width)
            result.data[(static_cast<size_t>(y) * result.width + x) * mixed + channel] =
                depthwise_at(last, w.conv3, y, x, channel, f);
    }
}

constexpr int kGateThreads = 256;

struct GateArguments {
    int height, width, channels, f, dispersed, mixed;
    const float *conv_f, *conv_f_bias, *conv4, *conv4_bias;
    SmallMap v[3];
};

// fused *= 1 + sigmoid(conv4(up(v_0) + up(v_1) + up(v_2) + conv_f c)): a block has `count`
// neighbouring pixels, which first get their sums (count, mixed + 4) in shared memory; then each
// thread has a quad of channels of four pixels.
template <typename T>
__global__ void __launch_bounds__(kGateThreads)
    gate(GateArguments a, int count, const T *__restrict__ c, T *__restrict__ fused) {
    auto *sums = reinterpret_cast<float *>(mdrn_shared);
    const int row = a.mixed + 4;  // so that banks differ
    const size_t pixels = static_cast<size_t>(a.height) * a.width;
    const size_t first = static_cast<size_t>(blockIdx.x) * count;
    const int here = static_cast<int>(least(pixels - first, static_cast<size_t>(count)));
    {
        const int pixel = threadIdx.x % count;
        const size_t at = first + least(pixel, here - 1);
        const int y = static_cast<int>(at / a.width), x = static_cast<int>(at % a.width);
        const Upsampling up0(a.v[0], a.mixed, y, x, a.height, a.width);
        const Upsampling up1(a.v[1], a.mixed, y, x, a.height, a.width);
        const Upsampling up2(a.v[2], a.mixed, y, x, a.height, a.width);
        for (int k = threadIdx.x / count; k < a.mixed; k += kGateThreads / count) {
            float sum = 0;
            if (k < a.f) {
                sum = a.conv_f_bias[k];
                for (int i = 0; i < a.mixed; i += 4) {
                    const Floats<4> in = load<4>(c + at * a.dispersed + i);
                    const Floats<4> weight = load<4>(a.conv_f + k * a.mixed + i);
#pragma unroll
                    for (int j = 0; j < 4; ++j) sum = fmaf(weight.v[j], in.v[j], sum);
                }
                sum += up0.at<1>(k).v[0] + up1.at<1>(k).v[0] + up2.at<1>(k).v[0];
            }
            sums[pixel * row + k] = sum;
        }
    }
    __syncthreads();
    const int lanes = a.channels / 4, groups = count / 4;
    for (int item = threadIdx.x; item < lanes * groups; item += kGateThreads) {
        const int channel = item % lanes * 4, group = item / lanes;
        const Floats<4> bias = load<4>(a.conv4_bias + channel);
        Floats<4> m[4] = {bias, bias, bias, bias};
        for (int k = 0; k < a.mixed; k += 4) {
            Floats<4> weight[4];
#pragma unroll
            for (int i = 0; i < 4; ++i)
                weight[i] = load<4>(a.conv4 + (k + i) * a.channels + channel);
#pragma unroll
            for (int j = 0; j < 4; ++j) {
                const Floats<4> s = load<4>(sums + (group + j * groups) * row + k);
#pragma unroll
                for (int i = 0; i < 4; ++i)
#pragma unroll
                    for (int o = 0; o < 4; ++o) m[j].v[o] = fmaf(weight[i].v[o], s.v[i], m[j].v[o]);
            }
        }
#pragma unroll
        for (int j = 0; j < 4; ++j) {
            const int pixel = group + j * groups;
            if (pixel >= here) continue;
            T *at = fused + (first + pixel) * a.channels + channel;
            Floats<4> value = load<4>(at);
#pragma unroll
            for (int o = 0; o < 4; ++o)
                value.v[o] = fmaf(value.v[o], sigmoid(m[j].v[o]), value.v[o]);
            store(at, value);
        }
    }
}

size_t cells(const SmallMap &map) {
    return size_t(map.height) * map.width;
}

}  // namespace

void CudaStages::mix_dispersed(int block) {
    const EadbWeights &weights = weights_.blocks[block];
    const Channels &n = channels_;
    const Branches &branches = places_->branches;
    const SmallMap &largest_map = branches.pooled[0];
    double small = 0;  // cells of all pooled maps
    for (const SmallMap &map : branches.pooled) small += double(cells(map));
    const double mixed = small - double(cells(branches.pooled[3]));
    const double float_maps = sizeof(float) * double(n.f);
    with_type([&]<typename T>() {
        Launch what{"disperse",
                    dim3(blocks(largest_map.width, kPooled), blocks(largest_map.height, kPooled)),
                    kDisperseThreads,
                    sizeof(float) * kGroup * (kUnder * kUnder + kStrided * kStrided + n.dispersed),
                    {}};
        const double tiles = double(what.grid.x) * what.grid.y;
        what.cost = {
            map_bytes(n.dispersed), float_maps * small,
            tiles * n.strided * (double(kUnder * kUnder) * n.dispersed + 9.0 * kStrided * kStrided),
            small / 4 * n.f * (9 + 25 + 49 + 5 * 49)};
        launch(queue_, what, disperse<T>,
               DisperseArguments{size_.height, size_.width, n.f, n.dispersed, n.strided,
                                 weights.conv2_pw, weights.conv2_start, weights.conv2, branches},
               static_cast<const T *>(places_->dispersed));

        const int mix_cells = n.f <= 32 ? 8 : 4;
        const int wide = (mix_cells + 4) * (mix_cells + 4);
        const int narrow = (mix_cells + 2) * (mix_cells + 2);
        what = {
            "mix",
            dim3(blocks(largest_map.width, mix_cells), blocks(largest_map.height, mix_cells), 3),
            kMixThreads,
            sizeof(float) * n.f * (wide + narrow),
            {}};
        const double in_mix = mixed / (mix_cells * mix_cells) * n.f;
        what.cost = {
            float_maps * small, branches.mixed_bytes(n),
            in_mix * (wide * double(n.f) + narrow * (9.0 + n.f) + 9.0 * mix_cells * mix_cells),
            in_mix * narrow * kGeluInstructions};
        launch(queue_, what, mix,
               MixArguments{branches, {weights.mix[0], weights.mix[1], weights.mix[2]}}, n.f,
               n.mixed, mix_cells);
    });
}

void CudaStages::mdsa(int block) {
    const EadbWeights &weights = weights_.blocks[block];
    const Channels &n = channels_;
    convolve(convolutions_->conv1, "convolution conv1", n.c, n.dispersed, 1, map(Map::fused),
             weights.conv1, places_->dispersed);
    mix_dispersed(block);

    const Branches &branches = places_->branches;
    with_type([&]<typename T>() {
        const int count = n.c > 32 ? 64 : 128;
        Launch what{"gate",
                    blocks(pixels(), count),
                    kGateThreads,
                    sizeof(float) * count * (n.mixed + 4),
                    {}};
        const double values = double(pixels()) * n.c;
        what.cost = {map_bytes(n.dispersed + n.c) + branches.mixed_bytes(n), map_bytes(n.c),
                     double(pixels()) * n.mixed * (n.mixed + n.c) + values,
                     values * kSigmoidInstructions + double(pixels()) * n.f * 3 * 12};
        launch(queue_, what, gate<T>,
               GateArguments{size_.height,
                             size_.width,
                             n.c,
                             n.f,
                             n.dispersed,
                             n.mixed,
                             weights.conv_f,
                             weights.conv_f_bias,
                             weights.conv4,
                             weights.conv4_bias,
                             {branches.mixed[0], branches.mixed[1], branches.mixed[2]}},
               count, static_cast<const T *>(places_->dispersed),
               static_cast<T *>(map(Map::fused)));
    });
}

}  // namespace mdrn::cuda
