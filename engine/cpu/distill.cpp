// SPDX-License-Identifier: BSD-2-Clause
// The distillation, streamed: each strip of columns goes once through all of its convolutions while
// its rows are in the cache. Stage k is one row behind stage k - 1, and its strip one column
// narrower on each side, for the depthwise 3x3 between them.
#include <algorithm>
#include <limits>

#include "cpu/stages.h"

namespace mdrn::cpu {

namespace {

constexpr int kHalo = 4;  // four depthwise convolutions

// How many bands of rows a strip is cut into, for threads to share evenly: a band computes up to
// 2 * kHalo rows more than it keeps.
int bands_of(int strips, int height, int threads) {
    int best = 1;
    int64_t least = std::numeric_limits<int64_t>::max();
    for (int bands = 1; bands <= std::max(1, std::min(2 * threads, height / 16)); ++bands) {
        const int64_t rows = (height + bands - 1) / bands + (bands > 1 ? 2 * kHalo : 0);
        const int64_t rounds = (int64_t{strips} * bands + threads - 1) / threads;
        if (rounds * rows < least) {
            least = rounds * rows;
            best = bands;
        }
    }
    return best;
}

}  // namespace

void CpuStages::distill(int block) {
    distill_map(block, false);
}

// with_c: also MDSA's c of fused.
void CpuStages::distill_map(int block, bool with_c) {
    const int strip = std::min(strip_, size_.width);
    const int strips = (size_.width + strip - 1) / strip;
    // Of about equal width, in whole quanta.
    const int width = (size_.width + strips * kQuantum - 1) / (strips * kQuantum) * kQuantum;
    const int bands = bands_of(strips, size_.height, threads_.count());
    threads_.run(strips * bands, [&](int task, int thread) {
        const int x0 = task / bands * width;
        const int x1 = std::min(x0 + width, size_.width);
        if (x0 >= x1) return;
        const int band = task % bands;
        const int y0 = static_cast<int>(int64_t{size_.height} * band / bands);
        const int y1 = static_cast<int>(int64_t{size_.height} * (band + 1) / bands);
        Carver carver(memory_->scratch[thread]);
        DistillScratch scratch(carver, model_, std::min(width, size_.width) + 2 * kHalo);
        watches_[thread].start();
        distill_strip(block, with_c, x0, x1, y0, y1, scratch, watches_[thread]);
        watches_[thread].lap(MDRN_STAGE_DISTILL);
    });
}

void CpuStages::distill_strip(int index, bool with_c, int x0, int x1, int y0, int y1,
                              DistillScratch &scratch, Stopwatch &own) {
    const PackedBlock &block = blocks_[index];
    const int c = model_.features;
    const int d = model_.distilled();
    const int height = size_.height;
    // The image's edges are reflected, and need no halo.
    const int left = std::min(kHalo, x0);  // buffer column 0 is image column x0 - left
    const int right = std::min(kHalo, size_.width - x1);
    const int columns = left + x1 - x0 + right;
    const RowSet &x = map(Map::x);
    const RowSet &fused = map(Map::fused);
    const float *in[2 * kMostFeatures];  // C, or the four maps of D

    // From row y of r_{k-1}: the next BSConv's pw, and d_k for the rows that are kept.
    const auto take_row = [&](int k, int y, const float *row, ptrdiff_t pitch) {
        const PackedBSConv &conv = block.refined[k];
        const Ring &pw = scratch.pw[k];
        channel_pointers(row, pitch, c, in);
        const Kernels &kernels = k == 0 ? exact_ : kernels_;
        kernels.pointwise(conv.pw, in, pw.row(y), pw.pitch(), columns, Start::bias, Epilogue::none);
        for (int channel = 0; channel < conv.channels; ++channel) {
            float *values = pw.row(y) + channel * pw.pitch();
            if (left == x0) values[-1] = values[1];
            if (x1 + right == size_.width) values[columns] = values[columns - 2];
        }
        if (k < 3 && y >= y0 && y < y1)
            kernels_.pointwise(block.distilled[k], in, scratch.d[k].row(y), scratch.d[k].pitch(),
                               columns, Start::bias, Epilogue::gelu);
    };
    // out = GELU(depthwise k of row y + residual)
    const auto refine = [&](int k, int y, const float *residual, ptrdiff_t residual_pitch,
                            const Ring &out) {
        const PackedBSConv &conv = block.refined[k];
        const Ring &pw = scratch.pw[k];
        const float *rows[3] = {pw.row(reflect(y - 1, height)), pw.row(y),
                                pw.row(reflect(y + 1, height))};
        kernels_.depthwise(conv.taps, conv.bias, rows, pw.pitch(), residual, residual_pitch,
                           nullptr, 0, out.row(y), out.pitch(), conv.channels, columns, true);
    };

    for (int t = std::max(0, y0 - kHalo); t < y1 + kHalo; ++t) {
        if (t < height) take_row(0, t, x.row(t) + x0 - left, x.pitch);
        for (int k = 0; k < 3; ++k) {
            const int y = t - 1 - k;
            const int margin = 3 - k;
            if (y < std::max(0, y0 - margin) || y >= std::min(height, y1 + margin)) continue;
            const float *residual = k == 0 ? x.row(y) + x0 - left : scratch.r[k - 1].row(y);
            refine(k, y, residual, k == 0 ? x.pitch : scratch.r[k - 1].pitch(), scratch.r[k]);
            take_row(k + 1, y, scratch.r[k].row(y), scratch.r[k].pitch());
        }
        const int y = t - 4;
        if (y < y0 || y >= y1) continue;
        refine(3, y, nullptr, 0, scratch.d[3]);
        const float **next = in;
        for (const Ring &ring : scratch.d)
            next = channel_pointers(ring.row(y) + left, ring.pitch(), d, next);
        kernels_.pointwise(block.c5, in, fused.row(y) + x0, fused.pitch, x1 - x0, Start::bias,
                           Epilogue::none);
        const RowSet &map_of_c = memory_->conv1;
        if (!with_c) continue;
        own.lap(MDRN_STAGE_DISTILL);
        c_row(index, fused.row(y) + x0, x1 - x0, map_of_c.row(y) + x0, map_of_c.pitch);
        own.lap(MDRN_STAGE_MDSA);
    }
}

}  // namespace mdrn::cpu
