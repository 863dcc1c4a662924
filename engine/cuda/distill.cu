// SPDX-License-Identifier: BSD-2-Clause
// Eq. 5-6: each step is one convolution to [c{k}_r.pw ; c{k}_d] and one kernel for what follows.
#include "cuda/device.h"
#include "cuda/stages.h"
#include "cuda/strips.h"

namespace mdrn::cuda {
namespace {

struct RefineArguments {
    int height, width, channels, stacked, distilled;
    Depthwise dw;
    const float *d_bias;
};

// r' = GELU(dw pw + r), d = GELU(d + bias): stacked (H, W, stacked) = [pw ; d], r and refined
// (H, W, C), perhaps the same, distilled (H, W, distilled) from this step's channel on.
template <typename T>
__global__ void __launch_bounds__(kStripThreads, kStripBlocks)
    refine(RefineArguments a, const T *__restrict__ stacked, const T *r, T *refined,
           T *__restrict__ distilled) {
    const int x = blockIdx.x * blockDim.y + threadIdx.y;
    if (x >= a.width) return;
    const int channel = 4 * threadIdx.x;       // of C
    const int half_channel = 2 * threadIdx.x;  // of D
    const Floats<4> bias = load<4>(a.dw.bias + channel);
    const Floats<2> d_bias = load<2>(a.d_bias + half_channel);
    const int first = blockIdx.y * kStripRows;
    const int last = least(first + kStripRows, a.height);
    const ReflectedColumn<4, T> pw(stacked, a.height, a.width, a.stacked, x, channel);
    slide<4>(a.dw.taps + channel, a.channels, first, last, pw, [&](int y, Floats<4> sum) {
        const size_t pixel = static_cast<size_t>(y) * a.width + x;
        const Floats<4> before = load<4>(r + pixel * a.channels + channel);
        const Floats<2> d = load<2>(stacked + pixel * a.stacked + a.channels + half_channel);
        store(refined + pixel * a.channels + channel, gelu(sum + bias + before));
        store(distilled + pixel * a.distilled + half_channel, gelu(d + d_bias));
    });
}

// d_4 = GELU(dw pw): pw (H, W, D), distilled from d_4's channel on.
template <typename T>
__global__ void __launch_bounds__(kStripThreads, kStripBlocks)
    refine_last(RefineArguments a, const T *__restrict__ pointwise, T *__restrict__ distilled) {
    const int x = blockIdx.x * blockDim.y + threadIdx.y;
    if (x >= a.width) return;
    const int channel = 2 * threadIdx.x;
    const Floats<2> bias = load<2>(a.dw.bias + channel);
    const int first = blockIdx.y * kStripRows;
    const int last = least(first + kStripRows, a.height);
    const ReflectedColumn<2, T> pw(pointwise, a.height, a.width, a.channels, x, channel);
    slide<2>(a.dw.taps + channel, a.channels, first, last, pw, [&](int y, Floats<2> sum) {
        const size_t pixel = static_cast<size_t>(y) * a.width + x;
        store(distilled + pixel * a.distilled + channel, gelu(sum + bias));
    });
}

constexpr int kFillThreads = 256;

template <typename T>
__global__ void __launch_bounds__(kFillThreads)
    fill_ones(size_t pixels, int channels, int channel, T *__restrict__ map) {
    const size_t pixel = static_cast<size_t>(blockIdx.x) * kFillThreads + threadIdx.x;
    if (pixel < pixels) convert(1, map[pixel * channels + channel]);
}

}  // namespace

void CudaStages::fill_distilled() {
    with_type([&]<typename T>() {
        Launch what{"fill_ones", blocks(pixels(), kFillThreads), kFillThreads, 0, {}};
        what.cost = {0, map_bytes(1), 0, 0};
        launch(queue_, what, fill_ones<T>, pixels(), channels_.distilled, 4 * channels_.d,
               static_cast<T *>(places_->distilled));
    });
}

void CudaStages::distill(int block) {
    const EadbWeights &weights = weights_.blocks[block];
    const int c = channels_.c, d = channels_.d;
    const int stacked = channels_.stacked, distilled = channels_.distilled;
    const double values = double(pixels()) * (c + d);  // that pass through GELU
    const void *r = map(Map::x);
    with_type([&]<typename T>() {
        auto *d_k = static_cast<T *>(places_->distilled);
        auto *refined = static_cast<T *>(map(Map::fused));
        Launch what = strips("refine", size_, c, 0);
        what.cost = {map_bytes(stacked + c), map_bytes(c + d), 9.0 * pixels() * c,
                     values * (kGeluInstructions + 2)};
        for (const auto &step : weights.refine) {
            convolve(convolutions_->stacked, "convolution c_r.pw, c_d", c, stacked, 1, r,
                     step.stacked, places_->stacked);
            launch(queue_, what, refine<T>,
                   RefineArguments{size_.height, size_.width, c, stacked, distilled, step.dw,
                                   step.d_bias},
                   static_cast<const T *>(places_->stacked), static_cast<const T *>(r), refined,
                   d_k);
            r = refined;
            d_k += d;
        }
        convolve(convolutions_->c4, "convolution c4.pw", c, d, 1, r, weights.c4_pw,
                 places_->stacked);
        what.kernel = "refine_last";
        what.cost = {map_bytes(d), map_bytes(d), 9.0 * pixels() * d,
                     double(pixels()) * d * (kGeluInstructions + 2)};
        launch(queue_, what, refine_last<T>,
               RefineArguments{size_.height, size_.width, d, d, distilled, weights.c4_dw, nullptr},
               static_cast<const T *>(places_->stacked), d_k);
    });
    convolve(convolutions_->c5, "convolution c5", distilled, c, 1, places_->distilled, weights.c5,
             map(Map::fused));
}

}  // namespace mdrn::cuda
