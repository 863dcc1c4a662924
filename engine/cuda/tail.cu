// SPDX-License-Identifier: BSD-2-Clause
// Eq. 11, up to the subpixels; pack adds their bias and the mean, and shuffles them.
#include "cuda/device.h"
#include "cuda/stages.h"
#include "cuda/strips.h"

namespace mdrn::cuda {
namespace {

constexpr int kThreads = 256;

// y = GELU(x + bias): x, y (pixels, channels), a quad of channels for each thread.
template <typename T>
__global__ void __launch_bounds__(kThreads)
    activate(size_t quads, int channels, const float *__restrict__ bias, const T *__restrict__ x,
             T *__restrict__ y) {
    const size_t i = static_cast<size_t>(blockIdx.x) * kThreads + threadIdx.x;
    if (i >= quads) return;
    const int channel = static_cast<int>(i % (channels / 4)) * 4;
    store(y + 4 * i, gelu(load<4>(x + 4 * i) + load<4>(bias + channel)));
}

// y = dw pw + f0: all (H, W, C).
template <typename T>
__global__ void __launch_bounds__(kStripThreads, kStripBlocks)
    restore(int height, int width, int channels, Depthwise dw, const T *__restrict__ pointwise,
            const T *__restrict__ f0, T *__restrict__ y) {
    const int x = blockIdx.x * blockDim.y + threadIdx.y;
    if (x >= width) return;
    const int channel = 4 * threadIdx.x;
    const Floats<4> bias = load<4>(dw.bias + channel);
    const int first = blockIdx.y * kStripRows;
    const int last = least(first + kStripRows, height);
    const ReflectedColumn<4, T> pw(pointwise, height, width, channels, x, channel);
    slide<4>(dw.taps + channel, channels, first, last, pw, [&](int row, Floats<4> sum) {
        const size_t at = (static_cast<size_t>(row) * width + x) * channels + channel;
        store(y + at, sum + bias + load<4>(f0 + at));
    });
}

}  // namespace

void CudaStages::tail() {
    const int c = channels_.c;
    void *const work = map(Map::fused);
    head();  // f0 once more, which costs less than to keep it
    with_type([&]<typename T>() {
        const size_t quads = pixels() * (c / 4);
        Launch what{"activate", blocks(quads, kThreads), kThreads, 0, {}};
        what.cost = {map_bytes(c), map_bytes(c), 0, 4.0 * quads * (kGeluInstructions + 1)};
        launch(queue_, what, activate<T>, quads, c, weights_.c1_bias,
               static_cast<const T *>(places_->sum), static_cast<T *>(work));

        convolve(convolutions_->pointwise, "convolution c2.pw", c, c, 1, work, weights_.c2_pw,
                 places_->stacked);

        what = strips("restore", size_, c, 0);
        what.cost = {2 * map_bytes(c), map_bytes(c), 9.0 * pixels() * c, 2.0 * pixels() * c};
        launch(queue_, what, restore<T>, size_.height, size_.width, c, weights_.c2_dw,
               static_cast<const T *>(places_->stacked), static_cast<const T *>(map(Map::x)),
               static_cast<T *>(work));
    });
    convolve(convolutions_->upsampler, "convolution upsampler", c, channels_.subpixels, 3, work,
             weights_.upsampler, places_->stacked);
}

}  // namespace mdrn::cuda
