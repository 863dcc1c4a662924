// SPDX-License-Identifier: BSD-2-Clause
// The convolutions for which cuDNN has no plan: tiles of x and weight in shared memory, four
// pixels and four outputs for each thread.
#include "cuda/convolution.h"
#include "cuda/device.h"
#include "cuda/launch.h"

namespace mdrn::cuda {
namespace {

constexpr int kPixels = 64;   // of a row, for each block
constexpr int kOutputs = 64;  // at most, for each block
constexpr int kInputs = 16;   // at a time
constexpr int kRow = kPixels + 4;
constexpr int kThreads = 256;
constexpr int kResident = 2;  // on a multiprocessor at once, at least: leaves registers enough

struct Arguments {
    int height, width, inputs, outputs, kernel;
    bool accumulate;
    int tiles;  // of a row
};

// xs (kInputs, kRow): inputs from `input` on of row y, pixels from x on, zeros where there are
// none; ws (kInputs, kRow): outputs from `output` on of one tap.
template <typename T>
__device__ __forceinline__ void fill(const Arguments &a, const T *__restrict__ map,
                                     const T *__restrict__ weight, int y, int x, int tap,
                                     int output, int input, float *xs, float *ws) {
    for (int i = threadIdx.x; i < kInputs * kPixels; i += kThreads) {
        const int channel = input + i % kInputs, column = x + i / kInputs;
        const int place = i % kInputs * kRow + i / kInputs;
        const bool there = y >= 0 && y < a.height && column >= 0 && column < a.width;
        xs[place] =
            there && channel < a.inputs
                ? to_float(map[(static_cast<size_t>(y) * a.width + column) * a.inputs + channel])
                : 0;
        const int o = output + i / kInputs;
        ws[place] = o < a.outputs && channel < a.inputs
                        ? to_float(weight[(o * a.kernel * a.kernel + tap) * a.inputs + channel])
                        : 0;
    }
}

template <typename T>
__global__ void __launch_bounds__(kThreads, kResident)
    convolve(Arguments a, const T *__restrict__ x, const T *__restrict__ weight, T *y) {
    auto *xs = reinterpret_cast<float *>(mdrn_shared);
    float *ws = xs + kInputs * kRow;
    const int row = blockIdx.x / a.tiles;
    const int first = blockIdx.x % a.tiles * kPixels;
    const int first_output = blockIdx.y * kOutputs;
    const int output = threadIdx.x % 16 * 4, pixel = threadIdx.x / 16 * 4;
    Floats<4> sum[4] = {zeros<4>(), zeros<4>(), zeros<4>(), zeros<4>()};
    for (int tap = 0; tap < a.kernel * a.kernel; ++tap)
        for (int input = 0; input < a.inputs; input += kInputs) {
            const int ky = tap / a.kernel - a.kernel / 2, kx = tap % a.kernel - a.kernel / 2;
            __syncthreads();
            fill(a, x, weight, row + ky, first + kx, tap, first_output, input, xs, ws);
            __syncthreads();
            for (int i = 0; i < kInputs; ++i) {
                const Floats<4> in = load<4>(xs + i * kRow + pixel);
                const Floats<4> taps = load<4>(ws + i * kRow + output);
#pragma unroll
                for (int p = 0; p < 4; ++p)
#pragma unroll
                    for (int o = 0; o < 4; ++o) sum[p].v[o] = fmaf(in.v[p], taps.v[o], sum[p].v[o]);
            }
        }
#pragma unroll
    for (int p = 0; p < 4; ++p)
#pragma unroll
        for (int o = 0; o < 4; ++o) {
            const int column = first + pixel + p, channel = first_output + output + o;
            if (column >= a.width || channel >= a.outputs) continue;
            const size_t at = (static_cast<size_t>(row) * a.width + column) * a.outputs + channel;
            convert(a.accumulate ? sum[p].v[o] + to_float(y[at]) : sum[p].v[o], y[at]);
        }
}

template <typename T>
void run(const ConvolutionShape &shape, const void *x, const void *weight, void *y,
         cudaStream_t stream) {
    const unsigned tiles = blocks(shape.width, kPixels);
    Launch what;
    what.kernel = "plain_convolution";
    what.grid = dim3(tiles * shape.height, blocks(shape.outputs, kOutputs));
    what.block = kThreads;
    what.shared = 2 * sizeof(float) * kInputs * kRow;
    launch(Queue{stream, {}}, what, convolve<T>,
           Arguments{shape.height, shape.width, shape.inputs, shape.outputs, shape.kernel,
                     shape.accumulate, static_cast<int>(tiles)},
           static_cast<const T *>(x), static_cast<const T *>(weight), static_cast<T *>(y));
}

}  // namespace

void plain_convolution(const ConvolutionShape &shape, const void *x, const void *weight, void *y,
                       cudaStream_t stream) {
    (shape.half ? run<__half> : run<float>)(shape, x, weight, y, stream);
}

}  // namespace mdrn::cuda
