// SPDX-License-Identifier: BSD-2-Clause
// Subpixels -> a picture's planes. A block has a tile of the picture: it computes Y (or R, G, B,
// or gray) of its own pixels, and chroma in full around them, from which it then makes its chroma
// samples.
#include "cuda/access.h"
#include "cuda/device.h"
#include "cuda/stages.h"

namespace mdrn::cuda {
namespace {

constexpr int kThreads = 256;
constexpr int kTile = 32;  // pixels, both ways; a multiple of what chroma is subsampled by

template <typename T>
struct Subpixels {
    const T *data;      // (height, width, channels)
    const float *bias;  // (3s²), with the mean in it
    int width, channels, scale;

    // Component c of pixel (y, x) of the large picture.
    __device__ __forceinline__ float operator()(int c, int y, int x) const {
        const int within = (c * scale + y % scale) * scale + x % scale;
        const size_t pixel = static_cast<size_t>(y / scale) * width + x / scale;
        return to_float(data[pixel * channels + within]) + bias[within];
    }
};

// Pixel (y, x) of the large picture out of a small one, data (height, width, N).
template <int N, typename T>
__device__ __forceinline__ Floats<N> enlarged(const Resampling &resampling, const T *data,
                                              int height, int width, int y, int x) {
    const Place down = place_of(resampling, y), across = place_of(resampling, x);
    Floats<N> sum = zeros<N>();
    for (int i = 0; i < resampling.taps; ++i) {
        const T *row = data + static_cast<size_t>(mirrored(down.first + i, height)) * width * N;
        Floats<N> line = zeros<N>();
        for (int j = 0; j < resampling.taps; ++j)
            line = scaled_add(resampling.weight[across.weights + j],
                              load<N>(row + mirrored(across.first + j, width) * N), line);
        sum = scaled_add(resampling.weight[down.weights + i], line, sum);
    }
    return sum;
}

template <typename T>
struct Beside {
    const T *excess;  // (height, width, 4)
    int height, width;
    const float *alpha;  // (alpha_height, alpha_width)
    int alpha_height, alpha_width;
};

// The part of the picture, mirrored around it, that a tile's chroma is made from.
struct Region {
    int top, left, rows, columns;
};
__host__ __device__ inline Region region_of(const Picture &picture, int tile_y, int tile_x) {
    const auto count = [](const Resampling &r) {
        return kTile - r.advance + r.taps;  // of kTile / advance samples
    };
    return {tile_y * kTile + picture.down.first[0], tile_x * kTile + picture.across.first[0],
            count(picture.down), count(picture.across)};
}

template <typename T>
__global__ void __launch_bounds__(kThreads)
    pack(Picture picture, Subpixels<T> subpixels, Beside<T> beside) {
    const int tiles = (picture.width + kTile - 1) / kTile;
    const int tile_y = blockIdx.x / tiles, tile_x = blockIdx.x % tiles;
    const Region region = region_of(picture, tile_y, tile_x);
    const bool yuv = picture.model == MDRN_COLOR_YUV;
    auto *chroma = reinterpret_cast<float2 *>(mdrn_shared);  // (rows, columns)
    // Chroma covers whole samples: beyond the picture its last row and column go on.
    const int full_height = picture.part[1].height << picture.log2_h;
    const int full_width = picture.part[1].width << picture.log2_w;
    const auto &m = picture.matrix.yuv;
    for (int i = threadIdx.x; i < region.rows * region.columns; i += kThreads) {
        const int y = region.top + i / region.columns, x = region.left + i % region.columns;
        const int from_y = yuv ? least(mirrored(y, full_height), picture.height - 1) : y;
        const int from_x = yuv ? least(mirrored(x, full_width), picture.width - 1) : x;
        if (from_y >= picture.height || from_x >= picture.width) continue;
        const Floats<4> excess = enlarged<4>(picture.enlarging, beside.excess, beside.height,
                                             beside.width, from_y, from_x);
        const float r = subpixels(0, from_y, from_x) + excess.v[0];
        const float g = subpixels(1, from_y, from_x) + excess.v[1];
        const float b = subpixels(2, from_y, from_x) + excess.v[2];
        // In this form equal components keep their value exactly.
        const float luma = g + m[0][0] * (r - g) + m[0][1] * (b - g);
        if (yuv)
            chroma[i] = {m[1][0] * (r - g) + m[1][1] * (b - g),
                         m[2][0] * (r - g) + m[2][1] * (b - g)};
        const bool own = y / kTile == tile_y && x / kTile == tile_x && y >= 0 && x >= 0 &&
                         y < picture.height && x < picture.width;
        if (!own) continue;
        const bool rgb = picture.model == MDRN_COLOR_RGB;
        write_sample(picture.part[0], y, x, rgb ? r : luma);
        if (rgb) write_sample(picture.part[1], y, x, g);
        if (rgb) write_sample(picture.part[2], y, x, b);
        if (picture.has_alpha)
            write_sample(picture.alpha, y, x,
                         enlarged<1>(picture.enlarging, beside.alpha, beside.alpha_height,
                                     beside.alpha_width, y, x)
                             .v[0]);
    }
    if (!yuv) return;
    __syncthreads();
    const Resampling &down = picture.down, &across = picture.across;
    const int rows = kTile / down.advance, columns = kTile / across.advance;
    for (int i = threadIdx.x; i < rows * columns; i += kThreads) {
        const int y = i / columns, x = i % columns;
        const int out_y = tile_y * rows + y, out_x = tile_x * columns + x;
        if (out_y >= picture.part[1].height || out_x >= picture.part[1].width) continue;
        float cb = 0, cr = 0;
        for (int j = 0; j < down.taps; ++j) {
            const float2 *row =
                chroma + (y * down.advance + j) * region.columns + x * across.advance;
            float2 line = {0, 0};
            for (int k = 0; k < across.taps; ++k) {
                line.x = fmaf(across.weight[k], row[k].x, line.x);
                line.y = fmaf(across.weight[k], row[k].y, line.y);
            }
            cb = fmaf(down.weight[j], line.x, cb);
            cr = fmaf(down.weight[j], line.y, cr);
        }
        write_sample(picture.part[1], out_y, out_x, cb);
        write_sample(picture.part[2], out_y, out_x, cr);
    }
}

__global__ void __launch_bounds__(kThreads) fill_gaps(Gaps gaps) {
    const size_t i = static_cast<size_t>(blockIdx.x) * kThreads + threadIdx.x;
    if (i < gaps.row * gaps.height)
        gaps.data[static_cast<ptrdiff_t>(i / gaps.row) * gaps.stride + i % gaps.row] = 255;
}

}  // namespace

void CudaStages::pack(const mdrn_image &image) {
    const Picture picture = picture_of(image, Direction::pack, untagged_, channels_.scale);
    if (picture.has_alpha && (alpha_size_.width * channels_.scale != image.width ||
                              alpha_size_.height * channels_.scale != image.height))
        throw Error(MDRN_ERROR_INTERNAL,
                    "There is no alpha of this size to pack: the picture unpacked last has none; "
                    "please report it.");
    for (const Gaps &gaps : gaps_of(image)) {
        const double bytes = double(gaps.row) * gaps.height;
        Launch what{"fill_gaps", blocks(gaps.row * gaps.height, kThreads), kThreads, 0, {}};
        what.cost = {0, bytes, 0, bytes * 30};
        launch(queue_, what, fill_gaps, gaps);
    }
    with_type([&]<typename T>() {
        const Region region = region_of(picture, 0, 0);
        const size_t pixels_around = size_t(region.rows) * region.columns;
        Launch what{"pack",
                    blocks(image.width, kTile) * blocks(image.height, kTile),
                    kThreads,
                    picture.model == MDRN_COLOR_YUV ? sizeof(float2) * pixels_around : 0,
                    {}};
        const double around = double(what.grid.x) * pixels_around;
        const double chroma = picture.model == MDRN_COLOR_YUV
                                  ? 2.0 * picture.part[1].width * picture.part[1].height
                                  : 0;
        what.cost = {
            map_bytes(channels_.subpixels), bytes_of(picture),
            around * 6 + chroma * picture.down.taps * picture.across.taps,
            (around * 3 + double(image.width) * image.height + chroma) * kSampleInstructions};
        launch(queue_, what, cuda::pack<T>, picture,
               Subpixels<T>{static_cast<const T *>(places_->stacked), weights_.upsampler_bias,
                            size_.width, channels_.subpixels, channels_.scale},
               Beside<T>{static_cast<const T *>(places_->excess), size_.height, size_.width,
                         places_->alpha, alpha_size_.height, alpha_size_.width});
    });
}

}  // namespace mdrn::cuda
