// SPDX-License-Identifier: BSD-2-Clause
// Eq. 4 and 7. y = GELU(body_0 + bias) is computed anew wherever it is read. Means and variances
// have a fixed order of sums, which follows from the frame's size alone: Welford's along each
// thread's pixels, then two passes over the threads' and over the blocks' results.
#include "cuda/moments.h"
#include "cuda/stages.h"
#include "cuda/strips.h"

namespace mdrn::cuda {
namespace {

constexpr int kThreads = 256;
constexpr int kMergeThreads = 512;

// Thread (i, j) has channels 4i to 4i + 3 of every blockDim.y-th pixel of the block's part.
// parts (gridDim.x, C); shared: (blockDim.y, C) Moments.
template <typename T>
__global__ void __launch_bounds__(kThreads)
    statistics(Parts shares, int channels, const float *__restrict__ bias,
               const T *__restrict__ raw, Moments *__restrict__ parts) {
    const int channel = 4 * threadIdx.x;
    const size_t first = first_segment(shares, blockIdx.x);
    const size_t end = first_segment(shares, blockIdx.x + 1);
    const Floats<4> b = load<4>(bias + channel);
    Moments moments[4] = {};
    float n = 0;
    for (size_t pixel = first + threadIdx.y; pixel < end; pixel += blockDim.y) {
        const Floats<4> y = gelu(load<4>(raw + pixel * channels + channel) + b);
        n += 1;
        const float weight = 1 / n;
#pragma unroll
        for (int i = 0; i < 4; ++i) take(moments[i], y.v[i], weight);
    }
    auto *rows = reinterpret_cast<Moments *>(mdrn_shared);
#pragma unroll
    for (int i = 0; i < 4; ++i) rows[threadIdx.y * channels + channel + i] = moments[i];
    __syncthreads();
    const int thread = threadIdx.y * blockDim.x + threadIdx.x;
    if (thread >= channels) return;
    const auto count = [&](int row) {
        return static_cast<float>((end - first - row + blockDim.y - 1) / blockDim.y);
    };
    const int filled = static_cast<int>(least(end - first, static_cast<size_t>(blockDim.y)));
    parts[blockIdx.x * channels + thread] =
        merged(filled, count, [&](int row) { return rows[row * channels + thread]; });
}

struct AttentionArguments {
    Parts parts;
    int channels, squeezed;
    const float *conv_du_0, *conv_du_0_bias, *conv_du_2, *conv_du_2_bias;
};

// One block: a (C) = sigmoid(conv_du_2 ReLU(conv_du_0 (mean + std))), from parts (a.parts.count,
// C). shared: a.parts.count + 1 sizes, groups x C Moments, C + squeezed floats.
__global__ void __launch_bounds__(kMergeThreads)
    attention(AttentionArguments a, int groups, const Moments *__restrict__ parts,
              float *__restrict__ result) {
    auto *ends = reinterpret_cast<size_t *>(mdrn_shared);  // pixels before each part, and in all
    auto *group_moments = reinterpret_cast<Moments *>(ends + a.parts.count + 1);
    auto *contrast = reinterpret_cast<float *>(group_moments + groups * a.channels);
    float *hidden = contrast + a.channels;
    // Group g has the parts from g * parts / groups on.
    const auto first_part = [&](int group) { return a.parts.count * group / groups; };
    const auto pixels_of = [&](int first, int end) {
        return static_cast<float>(ends[end] - ends[first]);
    };
    for (int i = threadIdx.x; i <= a.parts.count; i += kMergeThreads)
        ends[i] = pixels_before(a.parts, first_segment(a.parts, i));
    __syncthreads();
    const int channel = threadIdx.x % a.channels;
    const int group = threadIdx.x / a.channels;
    if (group < groups) {
        const int first = first_part(group);
        group_moments[threadIdx.x] = merged(
            first_part(group + 1) - first,
            [&](int i) { return pixels_of(first + i, first + i + 1); },
            [&](int i) { return parts[(first + i) * a.channels + channel]; });
    }
    __syncthreads();
    const auto pixels = pixels_of(0, a.parts.count);
    if (group == 0) {
        const auto group_count = [&](int g) { return pixels_of(first_part(g), first_part(g + 1)); };
        const Moments all = merged(groups, group_count,
                                   [&](int g) { return group_moments[g * a.channels + channel]; });
        contrast[channel] = all.mean + sqrtf(all.m2 / pixels);
    }
    __syncthreads();
    if (static_cast<int>(threadIdx.x) < a.squeezed) {
        float sum = a.conv_du_0_bias[threadIdx.x];
        for (int c = 0; c < a.channels; ++c)
            sum = fmaf(a.conv_du_0[threadIdx.x * a.channels + c], contrast[c], sum);
        hidden[threadIdx.x] = fmaxf(sum, 0);
    }
    __syncthreads();
    if (group == 0) {
        float sum = a.conv_du_2_bias[channel];
        for (int i = 0; i < a.squeezed; ++i)
            sum = fmaf(a.conv_du_2[channel * a.squeezed + i], hidden[i], sum);
        result[channel] = sigmoid(sum);
    }
}

struct DepthwiseArguments {
    int height, width, channels;
    const float *body_0_bias;
    Depthwise body_3;
};

// x += dw (a y) + fused: all maps (H, W, C). A block's first and last column only lend y to their
// neighbours, by two rows in shared memory.
template <typename T>
__global__ void __launch_bounds__(kStripThreads, kStripBlocks)
    depthwise(DepthwiseArguments p, const float *__restrict__ a, const T *__restrict__ raw,
              const T *__restrict__ fused, T *__restrict__ result) {
    const int columns = blockDim.y - 2;
    const int x = static_cast<int>(blockIdx.x * columns + threadIdx.y) - 1;
    const int channel = 4 * threadIdx.x;
    const Floats<4> raw_bias = load<4>(p.body_0_bias + channel);
    const Floats<4> bias = load<4>(p.body_3.bias + channel);
    const Floats<4> gate = load<4>(a + channel);
    const bool computes =
        threadIdx.y >= 1 && static_cast<int>(threadIdx.y) <= columns && x < p.width;
    auto *rows = reinterpret_cast<float *>(mdrn_shared);  // (2, blockDim.y, C)
    const int own = threadIdx.y * p.channels + channel;
    const int left = computes ? own - p.channels : own;
    const int right = computes ? own + p.channels : own;
    const auto fetch = [&](int y) -> Row<4> {
        Floats<4> value = zeros<4>();
        if (y >= 0 && y < p.height && x >= 0 && x < p.width)
            value =
                gelu(load<4>(raw + (static_cast<size_t>(y) * p.width + x) * p.channels + channel) +
                     raw_bias);
        float *row = rows + (y & 1) * blockDim.y * p.channels;
        store(row + own, value);
        __syncthreads();
        return {load<4>(row + left), value, load<4>(row + right)};
    };
    const int first = blockIdx.y * kStripRows;
    const int last = least(first + kStripRows, p.height);
    slide<4>(p.body_3.taps + channel, p.channels, first, last, fetch, [&](int y, Floats<4> sum) {
        if (!computes) return;
        const size_t at = (static_cast<size_t>(y) * p.width + x) * p.channels + channel;
        const Floats<4> rest = load<4>(fused + at) + load<4>(result + at) + bias;
        store(result + at, multiply_add(gate, sum, rest));
    });
}

}  // namespace

void CudaStages::attend(int block, const Parts &parts) {
    const EadbWeights &weights = weights_.blocks[block];
    const int c = channels_.c, groups = std::min(kMergeThreads / c, parts.count);
    Launch what{"attention",
                1,
                kMergeThreads,
                sizeof(size_t) * (parts.count + 1) + sizeof(Moments) * groups * c +
                    sizeof(float) * (c + channels_.squeezed),
                {}};
    what.cost = {sizeof(Moments) * double(parts.count) * c, sizeof(float) * double(c),
                 2.0 * parts.count * c + 2.0 * c * channels_.squeezed, 12.0 * parts.count * c};
    launch(queue_, what, attention,
           AttentionArguments{parts, c, channels_.squeezed, weights.conv_du_0,
                              weights.conv_du_0_bias, weights.conv_du_2, weights.conv_du_2_bias},
           groups, places_->parts, places_->attention);
}

void CudaStages::ecca(int block) {
    const EadbWeights &weights = weights_.blocks[block];
    const int c = channels_.c;
    convolve(convolutions_->pointwise, "convolution body_0", c, c, 1, map(Map::fused),
             weights.body_0, places_->stacked);

    const int lanes = c / 4, rows = kThreads / lanes;
    const auto count = static_cast<int>(std::clamp<size_t>(pixels() / (8 * rows), 1, kMostParts));
    const Parts parts{pixels(), 1, 1, count};
    const double values = double(pixels()) * c;
    with_type([&]<typename T>() {
        const auto *raw = static_cast<const T *>(places_->stacked);
        Launch what{
            "statistics", unsigned(count), dim3(lanes, rows), sizeof(Moments) * rows * c, {}};
        what.cost = {map_bytes(c), sizeof(Moments) * double(count) * c, 2 * values,
                     values * (kGeluInstructions + 6)};
        launch(queue_, what, statistics<T>, parts, c, weights.body_0_bias, raw, places_->parts);

        attend(block, parts);

        what = strips("depthwise", size_, c, 1);
        what.shared = 2 * sizeof(float) * what.block.y * c;
        // GELU is computed for the halo too.
        const double with_halo =
            double(what.grid.x) * what.block.y * what.grid.y * (kStripRows + 2) * c;
        what.cost = {3 * map_bytes(c), map_bytes(c), 10 * values,
                     with_halo * (kGeluInstructions + 3) + 3 * values};
        launch(
            queue_, what, depthwise<T>,
            DepthwiseArguments{size_.height, size_.width, c, weights.body_0_bias, weights.body_3},
            places_->attention, raw, static_cast<const T *>(map(Map::fused)),
            static_cast<T *>(map(Map::x)));
    });
}

}  // namespace mdrn::cuda
