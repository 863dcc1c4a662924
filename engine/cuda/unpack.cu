// SPDX-License-Identifier: BSD-2-Clause
// A picture's planes -> rgb, clipped and less the mean, and what the clipping takes off, which
// passes beside the network; a thread for each pixel.
#include "cuda/access.h"
#include "cuda/device.h"
#include "cuda/stages.h"

namespace mdrn::cuda {
namespace {

constexpr int kThreads = 256;
constexpr float kLargest = 16;  // of what fp16 takes

// Chroma at luma's pixel (y, x).
__device__ float upsampled(const Picture &picture, const Samples &part, int y, int x, int *odd) {
    const Place across = place_of(picture.across, x);
    const Place down = place_of(picture.down, y);
    float sum = 0;
    for (int i = 0; i < picture.down.taps; ++i) {
        const int row = mirrored(down.first + i, part.height);
        float line = 0;
        for (int j = 0; j < picture.across.taps; ++j)
            line = fmaf(picture.across.weight[across.weights + j],
                        read_sample(part, row, mirrored(across.first + j, part.width), odd), line);
        sum = fmaf(picture.down.weight[down.weights + i], line, sum);
    }
    return sum;
}

__device__ __forceinline__ float limited(float value, float least, float most) {
    return fminf(fmaxf(value, least), most);
}

// rgb, excess (height, width, 4), alpha (picture's height, width).
template <typename T>
__global__ void __launch_bounds__(kThreads)
    unpack(Picture picture, int height, int width, float mean_r, float mean_g, float mean_b,
           T *__restrict__ rgb, T *__restrict__ excess, float *__restrict__ alpha, int *odd) {
    const size_t pixel = static_cast<size_t>(blockIdx.x) * kThreads + threadIdx.x;
    if (pixel >= static_cast<size_t>(height) * width) return;
    const int out_y = static_cast<int>(pixel / width), out_x = static_cast<int>(pixel % width);
    const int y = least(out_y, picture.height - 1), x = least(out_x, picture.width - 1);
    const float first = read_sample(picture.part[0], y, x, odd);
    float r = first, g = first, b = first;
    if (picture.model == MDRN_COLOR_RGB) {
        g = read_sample(picture.part[1], y, x, odd);
        b = read_sample(picture.part[2], y, x, odd);
    } else if (picture.model == MDRN_COLOR_YUV) {
        const float cb = upsampled(picture, picture.part[1], y, x, odd);
        const float cr = upsampled(picture, picture.part[2], y, x, odd);
        const auto &m = picture.matrix.rgb;
        r += m[0][0] * cb + m[0][1] * cr;
        g += m[1][0] * cb + m[1][1] * cr;
        b += m[2][0] * cb + m[2][1] * cr;
    }
    const Floats<4> all{{r, g, b, 0}}, mean{{mean_r, mean_g, mean_b, -1}};
    Floats<4> inside, outside;
#pragma unroll
    for (int i = 0; i < 4; ++i) {
        float value = all.v[i];
        if (sizeof(T) == 2) value = limited(value, -kLargest, kLargest);
        const float clipped = limited(value, 0, 1);
        inside.v[i] = clipped - mean.v[i];
        outside.v[i] = value - clipped;
    }
    store(rgb + 4 * pixel, inside);
    store(excess + 4 * pixel, outside);
    if (picture.has_alpha && y == out_y && x == out_x)
        alpha[static_cast<size_t>(y) * picture.width + x] = read_sample(picture.alpha, y, x, odd);
}

}  // namespace

void CudaStages::unpack(const mdrn_image &image) {
    untagged_ = untagged_matrix({image.width, image.height});
    const Picture picture = picture_of(image, Direction::unpack, untagged_, channels_.scale);
    alpha_size_ = picture.has_alpha ? Size{image.width, image.height} : Size{};
    warn_of_odd();
    if (image.transfer == kTransferLinear && warn_) warn_(kLinearLight);
    with_type([&]<typename T>() {
        Launch what{"unpack", blocks(pixels(), kThreads), kThreads, 0, {}};
        const double samples = 3 + (picture.model == MDRN_COLOR_YUV ? 2 : 0) *
                                       (picture.across.taps * picture.down.taps);
        what.cost = {bytes_of(picture), map_bytes(8), 0,
                     double(pixels()) * samples * kSampleInstructions};
        launch(queue_, what, cuda::unpack<T>, picture, size_.height, size_.width, kMean[0],
               kMean[1], kMean[2], static_cast<T *>(places_->rgb),
               static_cast<T *>(places_->excess), places_->alpha, places_->odd);
    });
    if (image.layout.is_float)
        check(cudaMemcpyAsync(odd_, places_->odd, sizeof *odd_, cudaMemcpyDeviceToHost,
                              queue_.stream),
              "copying whether samples are finite");
}

}  // namespace mdrn::cuda
