// SPDX-License-Identifier: BSD-2-Clause
#include <algorithm>

#include "cpu/stages.h"

namespace mdrn::cpu {

namespace {

// The 9 C pointers of a zero-padded 3x3 convolution at row y, in the order of its weights
// (C, 3, 3). The rows' columns -1 and W hold zeros.
void window_pointers(const Ring &rows, const float *zero, int y, int height, const float **out) {
    for (int c = 0; c < rows.set.channels; ++c)
        for (int ky = -1; ky <= 1; ++ky) {
            const bool inside = y + ky >= 0 && y + ky < height;
            const float *row = inside ? rows.row(y + ky) + c * rows.pitch() : zero;
            for (int kx = -1; kx <= 1; ++kx) *out++ = row + kx;
        }
}

}  // namespace

HeadScratch::HeadScratch(Carver &carver, Size size) : rgb(carver, 3, 3, size.width) {}

TailScratch::TailScratch(Carver &carver, const Model &model, Size size)
    : head(carver, size),
      f0(carver, 1, model.features, size.width),
      pw(carver, 3, model.features, size.width),
      c2(carver, 3, model.features, size.width),
      rows(carver, 1, 3 * model.scale * model.scale, size.width) {}

// rgb - mean
void CpuStages::shift_row(int y, const Ring &shifted) {
    const Planes rgb = this->rgb();
    for (int c = 0; c < 3; ++c) {
        const float *from = rgb.data + c * rgb.plane + y * rgb.row;
        float *to = shifted.row(y) + c * shifted.pitch();
        for (int x = 0; x < size_.width; ++x) to[x] = from[x] - kMean[c];
    }
    zero_columns(shifted.row(y), shifted.pitch(), 3, size_.width);
}

void CpuStages::f0_row(int y, const Ring &shifted, float *out, ptrdiff_t pitch) {
    const float *in[27];
    window_pointers(shifted, memory_->zero.row(0), y, size_.height, in);
    exact_.pointwise(fea_conv_, in, out, pitch, size_.width, Start::bias, Epilogue::none);
}

void CpuStages::head() {
    const RowSet &x = map(Map::x);
    for_bands(size_.height, 4, [&](int first, int end, int thread) {
        Carver carver(memory_->scratch[thread]);
        const HeadScratch scratch(carver, size_);
        for (int t = std::max(0, first - 1); t < end + 1; ++t) {
            if (t < size_.height) shift_row(t, scratch.rgb);
            const int y = t - 1;
            if (y >= first) f0_row(y, scratch.rgb, x.row(y), x.pitch);
        }
    });
}

// gather has left GELU(sum) in sum. To compute f0 again takes less time than to keep it does
// memory.
void CpuStages::tail() {
    const int c = model_.features;
    const int s = model_.scale;
    const RowSet &sum = memory_->sum;
    const Planes hr = this->hr();
    for_bands(size_.height, 8, [&](int first, int end, int thread) {
        Carver carver(memory_->scratch[thread]);
        const TailScratch scratch(carver, model_, size_);
        const float *in[9 * kMostFeatures];
        for (int t = std::max(0, first - 2); t < end + 2; ++t) {
            if (t < size_.height) {
                shift_row(t, scratch.head.rgb);
                channel_pointers(sum.row(t), sum.pitch, c, in);
                kernels_.pointwise(c2_.pw, in, scratch.pw.row(t), scratch.pw.pitch(), size_.width,
                                   Start::bias, Epilogue::none);
                reflect_columns(scratch.pw.row(t), scratch.pw.pitch(), c, size_.width);
            }
            const int y = t - 1;
            if (y >= std::max(0, first - 1) && y < std::min(size_.height, end + 1)) {
                const float *rows[3] = {scratch.pw.row(reflect(y - 1, size_.height)),
                                        scratch.pw.row(y),
                                        scratch.pw.row(reflect(y + 1, size_.height))};
                f0_row(y, scratch.head.rgb, scratch.f0.row(0), scratch.f0.pitch);
                kernels_.depthwise(c2_.taps, c2_.bias, rows, scratch.pw.pitch(), scratch.f0.row(0),
                                   scratch.f0.pitch, nullptr, 0, scratch.c2.row(y),
                                   scratch.c2.pitch(), c, size_.width, false);
                zero_columns(scratch.c2.row(y), scratch.c2.pitch(), c, size_.width);
            }
            const int z = t - 2;
            if (z < first || z >= end) continue;
            window_pointers(scratch.c2, memory_->zero.row(0), z, size_.height, in);
            exact_.pointwise(upsampler_, in, scratch.rows.row(0), scratch.rows.pitch, size_.width,
                             Start::bias, Epilogue::none);
            for (int o = 0; o < 3 * s * s; ++o) {
                const float *from = scratch.rows.row(0) + o * scratch.rows.pitch;
                float *to = hr.data + o / (s * s) * hr.plane + (z * s + o / s % s) * hr.row + o % s;
                for (int x = 0; x < size_.width; ++x) to[x * s] = from[x];
            }
        }
    });
}

}  // namespace mdrn::cpu
