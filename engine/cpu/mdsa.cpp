// SPDX-License-Identifier: BSD-2-Clause
#include <algorithm>
#include <cmath>

#include "cpu/stages.h"

namespace mdrn::cpu {

namespace {

// Half-pixel centres, n samples to many.
Position position(int i, int n, int many) {
    const float scale = static_cast<float>(n) / static_cast<float>(many);
    const float at = std::max(0.0F, (static_cast<float>(i) + 0.5F) * scale - 0.5F);
    const int index = std::min(static_cast<int>(at), n - 1);
    return {index, std::min(index + 1, n - 1), at - static_cast<float>(index)};
}

}  // namespace

MdsaScratch::MdsaScratch(Carver &carver, const Model &model, Size size)
    : c(carver, 1, model.dispersion(), size.width),
      pw(carver, 3, 4 * model.dispersion(), size.width) {}

GateScratch::GateScratch(Carver &carver, const Model &model, Size size)
    : c(carver, 1, model.dispersion(), size.width), sum(carver, 1, model.dispersion(), size.width) {
    for (Ring &rows : up) rows = Ring(carver, 2, model.dispersion(), size.width);
    for (auto &pair : held) pair = {-1, -1};
}

Branch::Branch(Carver &carver, int channels, Size size_)
    : size(size_),
      pooled(carver, size.height, channels, size.width),
      pw(carver, size.height, channels, size.width),
      mixed(carver, size.height, channels, size.width) {}

void CpuStages::mdsa(int block) {
    const RowSet &fused = map(Map::fused);
    const RowSet &c = memory_->conv1;
    if (memory_->keeps)
        for_bands(size_.height, 1, [&](int first, int end, int) {
            for (int y = first; y < end; ++y)
                c_row(block, fused.row(y), size_.width, c.row(y), c.pitch);
        });
    disperse(block);
    const auto columns = positions();
    for_bands(size_.height, 1, [&](int first, int end, int thread) {
        Carver carver(memory_->scratch[thread]);
        GateScratch scratch(carver, model_, size_);
        for (int y = first; y < end; ++y) gate_row(block, y, columns, scratch);
    });
}

// c = conv1 fused
void CpuStages::c_row(int block, const float *fused, int columns, float *out, ptrdiff_t pitch) {
    const float *in[kMostFeatures];
    channel_pointers(fused, map(Map::fused).pitch, model_.features, in);
    kernels_.pointwise(blocks_[block].conv1, in, out, pitch, columns, Start::bias, Epilogue::none);
}

// Of row y of c, which is computed into scratch where no map keeps it.
const float **CpuStages::c_pointers(int block, int y, const RowSet &scratch,
                                    const float **pointers) {
    const RowSet &c = memory_->keeps ? memory_->conv1 : scratch;
    float *row = c.row(memory_->keeps ? y : 0);
    if (!memory_->keeps) c_row(block, map(Map::fused).row(y), size_.width, row, c.pitch);
    return channel_pointers(row, c.pitch, c.channels, pointers);
}

// v_i of c.
void CpuStages::disperse(int block) {
    stride(block);
    const int f = model_.dispersion();
    threads_.run(3 * f, [&](int task, int) { pool(task / f, task % f); });
    threads_.run(3, [&](int branch, int) { mix(block, branch); });
}

// t_i = BSConv conv2_i c at half the size.
void CpuStages::stride(int block) {
    const PackedBlock &packed = blocks_[block];
    const int f = model_.dispersion();
    const RowSet &t = memory_->t;
    const int half_height = (size_.height + 1) / 2;
    const int half_width = (size_.width + 1) / 2;
    for_bands(half_height, 4, [&](int first, int end, int thread) {
        Carver carver(memory_->scratch[thread]);
        const MdsaScratch scratch(carver, model_, size_);
        const float *in[kMostFeatures];
        const auto take_row = [&](int y) {
            c_pointers(block, y, scratch.c, in);
            kernels_.pointwise(packed.conv2_pw, in, scratch.pw.row(y), scratch.pw.pitch(),
                               size_.width, Start::bias, Epilogue::none);
            reflect_columns(scratch.pw.row(y), scratch.pw.pitch(), 4 * f, size_.width);
        };
        if (first > 0) take_row(2 * first - 1);
        for (int y = first; y < end; ++y) {
            take_row(2 * y);
            if (2 * y + 1 < size_.height) take_row(2 * y + 1);
            const float *rows[3] = {scratch.pw.row(reflect(2 * y - 1, size_.height)),
                                    scratch.pw.row(2 * y),
                                    scratch.pw.row(reflect(2 * y + 1, size_.height))};
            kernels_.depthwise_halving(packed.conv2_taps.data(), packed.conv2_bias.data(), rows,
                                       scratch.pw.pitch(), t.row(y), t.pitch, 4 * f, half_width);
            reflect_columns(t.row(y), t.pitch, 4 * f, half_width);
        }
    });
}

// p_i: max-pool with stride 3, and for the last branch the local variance.
void CpuStages::pool(int branch, int channel) {
    const int f = model_.dispersion();
    const RowSet &t = memory_->t;
    const Branch &maps = memory_->branches[branch];
    const int height = (size_.height + 1) / 2;
    const int window = 3 + 2 * branch;
    const int padding = branch == 1 ? 0 : 1;
    for (int i = 0; i < maps.size.height; ++i) {
        // Reflection repeats what is in the window: the largest stays.
        const float *rows[7] = {};
        const float *varied[7] = {};
        for (int k = 0; k < window; ++k) {
            const float *row = t.row(reflect(3 * i - padding + k, height)) - padding;
            rows[k] = row + (branch * f + channel) * t.pitch;
            varied[k] = row + (3 * f + channel) * t.pitch;
        }
        float *pooled = maps.pooled.row(i) + channel * maps.pooled.pitch;
        kernels_.max_pool(rows, window, pooled, maps.size.width);
        if (branch == 2) kernels_.add_variance(varied, pooled, maps.size.width);
    }
}

// v_i = BSConv conv3_i GELU(BSConv conv_max_i p_i), into pooled.
void CpuStages::mix(int block, int branch) {
    const int f = model_.dispersion();
    const Branch &maps = memory_->branches[branch];
    const auto convolve = [&](const PackedBSConv &conv, const RowSet &from, const RowSet &to,
                              bool gelu) {
        const float *in[kMostFeatures];
        for (int y = 0; y < maps.size.height; ++y) {
            channel_pointers(from.row(y), from.pitch, f, in);
            kernels_.pointwise(conv.pw, in, maps.pw.row(y), maps.pw.pitch, maps.size.width,
                               Start::bias, Epilogue::none);
            reflect_columns(maps.pw.row(y), maps.pw.pitch, f, maps.size.width);
        }
        for (int y = 0; y < maps.size.height; ++y) {
            const float *rows[3] = {maps.pw.row(reflect(y - 1, maps.size.height)), maps.pw.row(y),
                                    maps.pw.row(reflect(y + 1, maps.size.height))};
            kernels_.depthwise(conv.taps, conv.bias, rows, maps.pw.pitch, nullptr, 0, nullptr, 0,
                               to.row(y), to.pitch, f, maps.size.width, gelu);
        }
    };
    convolve(blocks_[block].conv_max[branch], maps.pooled, maps.mixed, true);
    convolve(blocks_[block].conv3[branch], maps.mixed, maps.pooled, false);
}

std::array<std::vector<Position>, 3> CpuStages::positions() const {
    std::array<std::vector<Position>, 3> columns;
    for (int i = 0; i < 3; ++i)
        for (int x = 0; x < size_.width; ++x)
            columns[i].push_back(position(x, memory_->branches[i].size.width, size_.width));
    return columns;
}

// A row of v_i, as wide as the picture.
void CpuStages::upsample(int branch, int row, const std::vector<Position> &columns, float *out,
                         ptrdiff_t pitch) {
    const RowSet &v = memory_->branches[branch].pooled;
    for (int channel = 0; channel < v.channels; ++channel) {
        const float *from = v.row(row) + channel * v.pitch;
        float *to = out + channel * pitch;
        for (const Position &at : columns)
            *to++ = from[at.index] * (1 - at.fraction) + from[at.next] * at.fraction;
    }
}

// fused *= 1 + sigmoid(conv4(up(v_0) + up(v_1) + up(v_2) + conv_f c))
void CpuStages::gate_row(int block, int y, const std::array<std::vector<Position>, 3> &columns,
                         GateScratch &scratch) {
    const PackedBlock &packed = blocks_[block];
    const RowSet &fused = map(Map::fused);
    const RowSet &sum = scratch.sum;
    const float *in[kMostFeatures];
    c_pointers(block, y, scratch.c, in);
    kernels_.pointwise(packed.conv_f, in, sum.row(0), sum.pitch, size_.width, Start::bias,
                       Epilogue::none);
    for (int i = 0; i < 3; ++i) {
        const Ring &up = scratch.up[i];
        const Position at = position(y, memory_->branches[i].size.height, size_.height);
        for (int row : {at.index, at.next})
            if (int &held = scratch.held[i][row % 2]; held != row) {
                upsample(i, row, columns[i], up.row(row), up.pitch());
                held = row;
            }
        kernels_.blend(up.row(at.index), up.row(at.next), up.pitch(), at.fraction, sum.row(0),
                       sum.pitch, sum.channels, size_.width);
    }
    channel_pointers(sum.row(0), sum.pitch, sum.channels, in);
    kernels_.pointwise(packed.conv4, in, fused.row(y), fused.pitch, size_.width, Start::bias,
                       Epilogue::gate);
}

}  // namespace mdrn::cpu
