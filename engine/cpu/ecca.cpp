// SPDX-License-Identifier: BSD-2-Clause
#include <algorithm>
#include <cmath>

#include "cpu/stages.h"

namespace mdrn::cpu {

namespace {

// How a set of `count` grows by `more`, whose mean and m2 are known: merged in double.
// Chan, Golub, LeVeque: "Updating Formulae and a Pairwise Algorithm for Computing Sample
// Variances".
struct Growth {
    Growth(double count_, double more) : count(count_), share(more / (count_ + more)) {}

    void add(double their_mean, double their_m2, double &mean, double &m2) const {
        const double difference = their_mean - mean;
        mean += difference * share;
        m2 += their_m2 + difference * difference * count * share;
    }

    double count, share;
};

}  // namespace

EccaScratch::EccaScratch(Carver &carver, const Model &model, Size size)
    : y(carver, 3, model.features, size.width) {}

void CpuStages::ecca(int block) {
    for_bands(size_.height, 1, [&](int first, int end, int thread) {
        Carver carver(memory_->scratch[thread]);
        const Ring y = rows_of_y(carver);
        for (int row = first; row < end; ++row) {
            y_row(block, row, y);
            measure(row, y);
        }
    });
    weigh(block, false);
}

Ring CpuStages::rows_of_y(Carver &carver) const {
    return memory_->keeps ? memory_->y : EccaScratch(carver, model_, size_).y;
}

// x += dw3x3(a y) + fused, when y has been measured; with_gather: also gather, of x.
void CpuStages::weigh(int block, bool with_gather) {
    const Ecca &weights = model_.blocks[block].cca;
    const int c = model_.features;
    const int height = size_.height;
    const RowSet &fused = map(Map::fused);
    const RowSet &x = map(Map::x);
    const float *zero = memory_->zero.row(0);
    const std::vector<float> a = attention(weights);
    std::vector<float> taps = weights.body_3.weight;
    for (int tap = 0; tap < 9 * c; ++tap) taps[tap] *= a[tap / 9];

    for_bands(height, memory_->keeps ? 1 : 8, [&](int first, int end, int thread) {
        Carver carver(memory_->scratch[thread]);
        const Ring y = rows_of_y(carver);
        Stopwatch &own = watches_[thread];
        own.start();
        for (int t = std::max(0, first - 1); t < end + 1; ++t) {
            if (!memory_->keeps && t < height) y_row(block, t, y);
            const int row = t - 1;
            if (row < first) continue;
            const float *rows[3] = {row > 0 ? y.row(row - 1) : zero, y.row(row),
                                    row + 1 < height ? y.row(row + 1) : zero};
            kernels_.depthwise(taps.data(), weights.body_3.bias.data(), rows, y.pitch(),
                               fused.row(row), fused.pitch, x.row(row), x.pitch, x.row(row),
                               x.pitch, c, size_.width, false);
            own.lap(MDRN_STAGE_ECCA);
            if (with_gather) gather_row(block, row);
            own.lap(MDRN_STAGE_GATHER);
        }
    });
}

// y = GELU(body.0 fused), between zeros.
void CpuStages::y_row(int block, int row, const Ring &y) {
    const int c = model_.features;
    const RowSet &fused = map(Map::fused);
    const float *in[kMostFeatures];
    channel_pointers(fused.row(row), fused.pitch, c, in);
    kernels_.pointwise(blocks_[block].body_0, in, y.row(row), y.pitch(), size_.width, Start::bias,
                       Epilogue::gelu);
    zero_columns(y.row(row), y.pitch(), c, size_.width);
}

// The statistics of a row, from those of its segments.
void CpuStages::measure(int row, const Ring &y) {
    const int c = model_.features;
    double *mean = memory_->row_mean + row * static_cast<size_t>(c);
    double *m2 = memory_->row_m2 + row * static_cast<size_t>(c);
    std::fill_n(mean, c, 0);
    std::fill_n(m2, c, 0);
    for (int at = 0; at < size_.width; at += kSegment) {
        const int count = std::min(kSegment, size_.width - at);
        const Growth growth(at, count);
        for (int channel = 0; channel < c; ++channel) {
            const Moments moments = kernels_.moments(y.row(row) + channel * y.pitch() + at, count);
            growth.add(moments.mean, moments.m2, mean[channel], m2[channel]);
        }
    }
}

// a = sigmoid(conv_du.2 ReLU(conv_du.0 (mean + std)))
std::vector<float> CpuStages::attention(const Ecca &weights) {
    const int c = model_.features;
    const int squeezed = model_.squeezed();
    std::vector<double> mean(c), m2(c);
    for (int row = 0; row < size_.height; ++row) {
        const Growth growth(double(row) * size_.width, size_.width);
        for (int channel = 0; channel < c; ++channel) {
            const size_t at = row * static_cast<size_t>(c) + channel;
            growth.add(memory_->row_mean[at], memory_->row_m2[at], mean[channel], m2[channel]);
        }
    }
    const double pixels = double(size_.width) * size_.height;
    std::vector<float> contrast(c);
    for (int channel = 0; channel < c; ++channel)
        contrast[channel] = static_cast<float>(mean[channel] + std::sqrt(m2[channel] / pixels));
    std::vector<float> hidden(weights.conv_du_0.bias);
    for (int o = 0; o < squeezed; ++o) {
        for (int i = 0; i < c; ++i) hidden[o] += weights.conv_du_0.weight[o * c + i] * contrast[i];
        hidden[o] = std::max(0.0F, hidden[o]);
    }
    std::vector<float> a(weights.conv_du_2.bias);
    for (int o = 0; o < c; ++o) {
        for (int i = 0; i < squeezed; ++i)
            a[o] += weights.conv_du_2.weight[o * squeezed + i] * hidden[i];
        a[o] = 1 / (1 + std::exp(-a[o]));
    }
    return a;
}

}  // namespace mdrn::cpu
