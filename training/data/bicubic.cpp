// SPDX-License-Identifier: BSD-2-Clause
#include "bicubic.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <numeric>
#include <stdexcept>
#include <string>

namespace mdrn::training {
namespace {

// Output o of one direction: the sum over t of weight[o % phases][t] x input (o / phases) x step +
// first + t, over unit. Weights are whole numbers, so that sums are exact.
struct Filter {
    int phases, step, first, taps;
    std::vector<double> weights;  // (phases, taps)
    double unit;                  // the sum of a phase's weights
};

// 2 d^3 times the kernel at k / d, for an even d.
int kernel(int k, int d) {
    k = std::abs(k);
    if (k <= d) return 3 * k * k * k - 5 * k * k * d + 2 * d * d * d;
    if (k <= 2 * d) return -k * k * k + 5 * k * k * d - 8 * k * d * d + 4 * d * d * d;
    return 0;
}

Filter with_weights(Filter f, const std::vector<int> &weights) {
    int common = 0;
    for (int w : weights) common = std::gcd(common, w);
    for (int w : weights) f.weights.push_back(double(w / common));
    f.unit = std::accumulate(f.weights.begin(), f.weights.begin() + f.taps, 0.0);
    return f;
}

// Distances are from an input's centre to the output's, 4 x scale being the kernel's reach, which
// is stretched where the picture shrinks.
Filter reducing(int scale) {
    const Filter f{1, scale, -3 * scale / 2, 4 * scale, {}, 0};
    std::vector<int> weights;
    for (int t = 0; t < f.taps; ++t)
        weights.push_back(kernel(2 * (f.first + t) - (scale - 1), 2 * scale));
    return with_weights(f, weights);
}

Filter enlarging(int scale) {
    const Filter f{scale, 1, -2, 5, {}, 0};
    std::vector<int> weights;
    for (int r = 0; r < scale; ++r)
        for (int t = 0; t < f.taps; ++t)
            weights.push_back(kernel(2 * scale * (f.first + t) - (2 * r - (scale - 1)), 2 * scale));
    return with_weights(f, weights);
}

int mirrored(int i, int n) {
    i %= 2 * n;
    if (i < 0) i += 2 * n;
    return i < n ? i : 2 * n - 1 - i;
}

// Row y of the result before its columns are filtered: sums of at most 21 bits, exact in a float.
void filter_rows(const Picture &in, int height, const Filter &f, int y, float *row) {
    const int samples = 3 * in.width;
    std::fill_n(row, samples, 0.F);
    const double *weights = &f.weights[size_t(y % f.phases * f.taps)];
    const int top = y / f.phases * f.step + f.first;
    for (int t = 0; t < f.taps; ++t) {
        if (!weights[t]) continue;
        const uint8_t *source = in.row(mirrored(top + t, height));
        const auto weight = float(weights[t]);
        for (int i = 0; i < samples; ++i) row[i] += weight * float(source[i]);
    }
}

// row: after `margin` mirrored pixels.
void filter_columns(const float *row, const Filter &f, int width, uint8_t *out) {
    const double squared = f.unit * f.unit;
    // The quarter keeps a whole quotient from being rounded to just below itself.
    const double half = squared / 2 + 0.25, inverse = 1 / squared;
    for (int o = 0; o < width; ++o) {
        const double *weights = &f.weights[size_t(o % f.phases * f.taps)];
        const float *source = row + 3 * (o / f.phases * f.step + f.first);
        double sum[3] = {half, half, half};
        for (int t = 0; t < f.taps; ++t)
            for (int c = 0; c < 3; ++c) sum[c] += weights[t] * double(source[3 * t + c]);
        for (int c = 0; c < 3; ++c)
            out[3 * o + c] = uint8_t(std::clamp(sum[c] * inverse, 0.0, 255.0));
    }
}

// Of the input, what its first (in_height, in_width) pixels are.
Picture resample(const Picture &in, int in_width, int in_height, const Filter &f, int width,
                 int height) {
    Picture out = blank(width, height);
    const int margin = f.taps;
    std::vector<float> padded(size_t(3) * (in.width + 2 * margin));
    float *row = &padded[size_t(3) * margin];
    for (int y = 0; y < height; ++y) {
        filter_rows(in, in_height, f, y, row);
        for (int i = 1; i <= margin; ++i) {
            std::copy_n(row + 3 * mirrored(-i, in_width), 3, row - 3 * i);
            std::copy_n(row + 3 * mirrored(in_width - 1 + i, in_width), 3,
                        row + 3 * (in_width - 1 + i));
        }
        filter_columns(row, f, width, out.row(y));
    }
    return out;
}

}  // namespace

Picture reduce(const Picture &picture, int scale) {
    const int width = picture.width / scale, height = picture.height / scale;
    if (!width || !height)
        throw std::runtime_error(
            std::to_string(picture.width) + "x" + std::to_string(picture.height) +
            " pixels are too few to be made " + std::to_string(scale) + " times smaller");
    return resample(picture, scale * width, scale * height, reducing(scale), width, height);
}

Picture enlarge(const Picture &picture, int scale) {
    return resample(picture, picture.width, picture.height, enlarging(scale), scale * picture.width,
                    scale * picture.height);
}

}  // namespace mdrn::training
