// SPDX-License-Identifier: BSD-2-Clause
#include "quality/quality.h"

#include <array>
#include <cmath>
#include <cstddef>
#include <numeric>
#include <stdexcept>
#include <string>
#include <vector>

namespace mdrn::training {
namespace {

constexpr int kWindow = 11;

struct Plane {
    int width, height;
    std::vector<double> values;

    Plane(int width_, int height_)
        : width(width_),
          height(height_),
          values(static_cast<size_t>(width_) * static_cast<size_t>(height_)) {}
    double *row(int y) { return values.data() + static_cast<size_t>(y) * width; }
    const double *row(int y) const { return values.data() + static_cast<size_t>(y) * width; }
};

std::string size_of(const Picture &picture) {
    return std::to_string(picture.width) + "x" + std::to_string(picture.height);
}

void check(const Picture &result, const Picture &original, int border) {
    if (original.width < result.width || original.height < result.height)
        throw std::runtime_error("expected an original of at least " + size_of(result) +
                                 ", found one of " + size_of(original));
    const int least = kWindow + 2 * border;
    if (result.width < least || result.height < least)
        throw std::runtime_error("expected a picture of at least " + std::to_string(least) + "x" +
                                 std::to_string(least) + " to measure, found one of " +
                                 size_of(result));
}

Plane luma(const Picture &picture, int width, int height, int border) {
    Plane y(width - 2 * border, height - 2 * border);
    for (int j = 0; j < y.height; ++j) {
        const uint8_t *rgb = picture.row(j + border) + 3 * border;
        for (int i = 0; i < y.width; ++i, rgb += 3)
            y.row(j)[i] = 16 + (65.481 * rgb[0] + 128.553 * rgb[1] + 24.966 * rgb[2]) / 255;
    }
    return y;
}

double psnr(const Plane &x, const Plane &y) {
    double squares = 0;
    for (size_t i = 0; i < x.values.size(); ++i) {
        const double d = x.values[i] - y.values[i];
        squares += d * d;
    }
    return 10 * std::log10(255 * 255 * static_cast<double>(x.values.size()) / squares);
}

std::array<double, kWindow> gaussian() {
    std::array<double, kWindow> taps;
    for (int i = 0; i < kWindow; ++i) {
        const double d = (i - kWindow / 2) / 1.5;
        taps[i] = std::exp(-d * d / 2);
    }
    const double sum = std::accumulate(taps.begin(), taps.end(), 0.0);
    for (double &tap : taps) tap /= sum;
    return taps;
}

// (h, w) -> (h - 10, w - 10)
Plane window_means(const Plane &plane) {
    static const std::array<double, kWindow> taps = gaussian();
    Plane across(plane.width - kWindow + 1, plane.height),
        means(across.width, plane.height - kWindow + 1);
    for (int y = 0; y < across.height; ++y)
        for (int i = 0; i < kWindow; ++i)
            for (int x = 0; x < across.width; ++x)
                across.row(y)[x] += taps[i] * plane.row(y)[x + i];
    for (int y = 0; y < means.height; ++y)
        for (int i = 0; i < kWindow; ++i)
            for (int x = 0; x < means.width; ++x) means.row(y)[x] += taps[i] * across.row(y + i)[x];
    return means;
}

Plane product(const Plane &x, const Plane &y) {
    Plane xy(x.width, x.height);
    for (size_t i = 0; i < xy.values.size(); ++i) xy.values[i] = x.values[i] * y.values[i];
    return xy;
}

double ssim(const Plane &x, const Plane &y) {
    constexpr double kC1 = (0.01 * 255) * (0.01 * 255), kC2 = (0.03 * 255) * (0.03 * 255);
    const Plane mean_x = window_means(x), mean_y = window_means(y);
    const Plane mean_xx = window_means(product(x, x)), mean_yy = window_means(product(y, y));
    const Plane mean_xy = window_means(product(x, y));
    double sum = 0;
    for (size_t i = 0; i < mean_x.values.size(); ++i) {
        const double mx = mean_x.values[i], my = mean_y.values[i];
        const double variances = mean_xx.values[i] - mx * mx + mean_yy.values[i] - my * my;
        const double covariance = mean_xy.values[i] - mx * my;
        sum += (2 * mx * my + kC1) * (2 * covariance + kC2) /
               ((mx * mx + my * my + kC1) * (variances + kC2));
    }
    return sum / static_cast<double>(mean_x.values.size());
}

}  // namespace

Quality measure(const Picture &result, const Picture &original, int border) {
    check(result, original, border);
    const Plane x = luma(result, result.width, result.height, border);
    const Plane y = luma(original, result.width, result.height, border);
    return {psnr(x, y), ssim(x, y)};
}

}  // namespace mdrn::training
