// SPDX-License-Identifier: BSD-2-Clause
// Backwards, each element of the input gathers from the outputs that read it, and taps' gradients
// are summed in three steps: along each thread's pixels, over a block's threads, and, by who calls,
// over the blocks.
#include "cuda/device.h"
#include "network/depthwise_kernels.h"

namespace mdrn::training {
namespace {

using cuda::reflected;

constexpr int kThreads = 256;
constexpr int kLaneChannels = 32, kLanes = 8;  // of a block that sums up taps
constexpr int kSums = 10;                      // nine taps, bias

// Where an element of a map (N, height, width, channels) lies.
struct Place {
    __device__ Place(size_t i, int height, int width, int channels)
        : channel(static_cast<int>(i % channels)),
          x(static_cast<int>(i / channels % width)),
          y(static_cast<int>(i / channels / width % height)),
          picture(i / channels / width / height) {}
    int channel, x, y;
    size_t picture;
};

__device__ __forceinline__ const float *channel_of(const float *maps, size_t picture, int height,
                                                   int width, int channels, int channel) {
    return maps + picture * height * width * channels + channel;
}

__global__ void __launch_bounds__(kThreads)
    depthwise(DepthwiseShape s, int out_height, int out_width, size_t outputs,
              const float *__restrict__ u, const float *__restrict__ taps,
              const float *__restrict__ bias, const float *__restrict__ residual, bool gelu,
              float *__restrict__ out, float *__restrict__ slope) {
    const size_t i = static_cast<size_t>(blockIdx.x) * kThreads + threadIdx.x;
    if (i >= outputs) return;
    const Place at(i, out_height, out_width, s.channels);
    const float *map = channel_of(u, at.picture, s.height, s.width, s.channels, at.channel);
    const float *tap = taps + 9 * at.channel;
    float sum = bias[at.channel];
    if (residual) sum += residual[i];
#pragma unroll
    for (int ky = 0; ky < 3; ++ky) {
        const float *row =
            map + static_cast<size_t>(reflected(s.stride * at.y + ky - 1, s.height)) * s.width *
                      s.channels;
#pragma unroll
        for (int kx = 0; kx < 3; ++kx)
            sum = fmaf(row[reflected(s.stride * at.x + kx - 1, s.width) * s.channels],
                       tap[3 * ky + kx], sum);
    }
    if (!gelu) {
        out[i] = sum;
        return;
    }
    const float below = 0.5F * (1 + erff(sum * 0.70710678F));  // the normal distribution's
    out[i] = sum * below;
    if (slope) slope[i] = below + sum * 0.39894228F * expf(-0.5F * sum * sum);
}

// f(o, k) for each output o that reads `at`, of n elements, with its tap k: directly, and from
// beyond either end.
template <typename F>
__device__ __forceinline__ void for_readers(int at, int n, int stride, int outputs, F f) {
    const int padded[3] = {at, -1, n};
    const bool read[3] = {true, at == 1, at == n - 2};
#pragma unroll
    for (int way = 0; way < 3; ++way)
#pragma unroll
        for (int k = 0; k < 3; ++k) {
            const int first = padded[way] + 1 - k;  // stride o
            const int o = first / stride;
            if (read[way] && first >= 0 && o * stride == first && o < outputs) f(o, k);
        }
}

__global__ void __launch_bounds__(kThreads)
    depthwise_input(DepthwiseShape s, int out_height, int out_width, size_t inputs,
                    const float *__restrict__ v, const float *__restrict__ taps,
                    float *__restrict__ u_gradient) {
    const size_t i = static_cast<size_t>(blockIdx.x) * kThreads + threadIdx.x;
    if (i >= inputs) return;
    const Place at(i, s.height, s.width, s.channels);
    const float *map = channel_of(v, at.picture, out_height, out_width, s.channels, at.channel);
    const float *tap = taps + 9 * at.channel;
    float sum = 0;
    for_readers(at.y, s.height, s.stride, out_height, [&](int y, int ky) {
        const float *row = map + static_cast<size_t>(y) * out_width * s.channels;
        for_readers(at.x, s.width, s.stride, out_width,
                    [&](int x, int kx) { sum = fmaf(row[x * s.channels], tap[3 * ky + kx], sum); });
    });
    u_gradient[i] = sum;
}

// Thread (i, j) of block (a, b) has channel 32a + i of every eighth pixel of part b, from its jth
// on. shared: (kLanes, kSums, kLaneChannels) floats.
__global__ void __launch_bounds__(kThreads)
    depthwise_taps(DepthwiseShape s, int out_height, int out_width, const float *__restrict__ v,
                   const float *__restrict__ u, float *__restrict__ sums) {
    const int channel = blockIdx.x * kLaneChannels + threadIdx.x;
    const size_t pixels = static_cast<size_t>(s.pictures) * out_height * out_width;
    const size_t first = pixels * blockIdx.y / gridDim.y;
    const size_t end = pixels * (blockIdx.y + 1) / gridDim.y;
    float sum[kSums] = {};
    if (channel < s.channels)
        for (size_t pixel = first + threadIdx.y; pixel < end; pixel += kLanes) {
            const Place at(pixel * s.channels + channel, out_height, out_width, s.channels);
            const float *map = channel_of(u, at.picture, s.height, s.width, s.channels, channel);
            const float value = v[pixel * s.channels + channel];
#pragma unroll
            for (int ky = 0; ky < 3; ++ky) {
                const float *row =
                    map + static_cast<size_t>(reflected(s.stride * at.y + ky - 1, s.height)) *
                              s.width * s.channels;
#pragma unroll
                for (int kx = 0; kx < 3; ++kx)
                    sum[3 * ky + kx] =
                        fmaf(row[reflected(s.stride * at.x + kx - 1, s.width) * s.channels], value,
                             sum[3 * ky + kx]);
            }
            sum[9] += value;
        }
    auto *lanes = reinterpret_cast<float *>(mdrn_shared);
#pragma unroll
    for (int k = 0; k < kSums; ++k)
        lanes[(threadIdx.y * kSums + k) * kLaneChannels + threadIdx.x] = sum[k];
    __syncthreads();
    if (channel >= s.channels) return;
    for (int k = threadIdx.y; k < kSums; k += kLanes) {
        float all = 0;
        for (int lane = 0; lane < kLanes; ++lane)
            all += lanes[(lane * kSums + k) * kLaneChannels + threadIdx.x];
        sums[(static_cast<size_t>(blockIdx.y) * s.channels + channel) * kSums + k] = all;
    }
}

}  // namespace

void DepthwiseKernels::forward(const DepthwiseShape &shape, const float *u, const float *taps,
                               const float *bias, const float *residual, bool gelu, float *out,
                               float *slope) const {
    cuda::launch(queue(), {"depthwise", cuda::blocks(shape.outputs(), kThreads), kThreads, 0, {}},
                 depthwise, shape, shape.out_height(), shape.out_width(), shape.outputs(), u, taps,
                 bias, residual, gelu, out, slope);
}

void DepthwiseKernels::backward_input(const DepthwiseShape &shape, const float *v,
                                      const float *taps, float *u_gradient) const {
    cuda::launch(queue(),
                 {"depthwise_input", cuda::blocks(shape.inputs(), kThreads), kThreads, 0, {}},
                 depthwise_input, shape, shape.out_height(), shape.out_width(), shape.inputs(), v,
                 taps, u_gradient);
}

void DepthwiseKernels::backward_taps(const DepthwiseShape &shape, const float *v, const float *u,
                                     float *sums) const {
    const dim3 grid(cuda::blocks(shape.channels, kLaneChannels), shape.parts());
    cuda::launch(queue(),
                 {"depthwise_taps",
                  grid,
                  dim3(kLaneChannels, kLanes),
                  sizeof(float) * kLanes * kSums * kLaneChannels,
                  {}},
                 depthwise_taps, shape, shape.out_height(), shape.out_width(), v, u, sums);
}

}  // namespace mdrn::training
