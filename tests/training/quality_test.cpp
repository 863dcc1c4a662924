// SPDX-License-Identifier: BSD-2-Clause
#include "quality/quality.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <random>
#include <stdexcept>
#include <string>

#include "data/bicubic.h"

namespace mdrn::training {
namespace {

Picture noise(int width, int height, unsigned seed) {
    Picture picture{width, height, std::vector<uint8_t>(3 * static_cast<size_t>(width * height))};
    std::mt19937 random(seed);
    for (uint8_t &value : picture.rgb) value = static_cast<uint8_t>(random());
    return picture;
}

// A picture with some of another's values in it.
Picture mixed(const Picture &a, const Picture &b) {
    Picture picture = a;
    for (size_t i = 0; i < a.rgb.size(); ++i)
        picture.rgb[i] = static_cast<uint8_t>((3 * a.rgb[i] + b.rgb[i]) / 4);
    return picture;
}

double luma(const Picture &picture, int x, int y) {
    const uint8_t *rgb = &picture.rgb[3 * static_cast<size_t>(y * picture.width + x)];
    return 65.481 / 255 * rgb[0] + 128.553 / 255 * rgb[1] + 24.966 / 255 * rgb[2] + 16;
}

// SSIM of the window around (x, y), by the definition: weighted means, variances and covariance,
// each in two passes.
double ssim_at(const Picture &a, const Picture &b, int x, int y) {
    double weights = 0, mean_a = 0, mean_b = 0, aa = 0, bb = 0, ab = 0;
    const auto weight = [](int i, int j) { return std::exp(-(i * i + j * j) / (2 * 1.5 * 1.5)); };
    for (int j = -5; j <= 5; ++j)
        for (int i = -5; i <= 5; ++i) {
            weights += weight(i, j);
            mean_a += weight(i, j) * luma(a, x + i, y + j);
            mean_b += weight(i, j) * luma(b, x + i, y + j);
        }
    mean_a /= weights;
    mean_b /= weights;
    for (int j = -5; j <= 5; ++j)
        for (int i = -5; i <= 5; ++i) {
            const double da = luma(a, x + i, y + j) - mean_a, db = luma(b, x + i, y + j) - mean_b;
            aa += weight(i, j) / weights * da * da;
            bb += weight(i, j) / weights * db * db;
            ab += weight(i, j) / weights * da * db;
        }
    const double c1 = 6.5025, c2 = 58.5225;
    return (2 * mean_a * mean_b + c1) * (2 * ab + c2) /
           ((mean_a * mean_a + mean_b * mean_b + c1) * (aa + bb + c2));
}

TEST(Quality, IsThatOfTheDefinitions) {
    const int w = 31, h = 24, border = 3;
    const Picture original = noise(w, h, 1), result = mixed(original, noise(w, h, 2));
    double squares = 0, ssim = 0;
    for (int y = border; y < h - border; ++y)
        for (int x = border; x < w - border; ++x)
            squares += std::pow(luma(result, x, y) - luma(original, x, y), 2);
    for (int y = border + 5; y < h - border - 5; ++y)
        for (int x = border + 5; x < w - border - 5; ++x) ssim += ssim_at(result, original, x, y);
    const Quality quality = measure(result, original, border);
    EXPECT_NEAR(quality.psnr, 20 * std::log10(255 / std::sqrt(squares / (25 * 18))), 1e-9);
    EXPECT_NEAR(quality.ssim, ssim / (15 * 8), 1e-9);
}

TEST(Quality, OfTheOriginalItself) {
    const Picture picture = noise(17, 17, 3);
    const Quality quality = measure(picture, picture, 3);
    EXPECT_TRUE(std::isinf(quality.psnr));
    EXPECT_DOUBLE_EQ(quality.ssim, 1);
}

TEST(Quality, LeavesOutWhatTheOriginalHasBeyond) {
    const Picture small = noise(20, 18, 4);
    Picture large = noise(22, 19, 5);
    for (int y = 0; y < small.height; ++y)
        std::copy_n(&small.rgb[3 * 20 * y], 3 * 20, &large.rgb[3 * 22 * y]);
    EXPECT_TRUE(std::isinf(measure(small, large, 2).psnr));
}

TEST(Quality, SaysWhatCannotBeMeasured) {
    EXPECT_THROW(measure(noise(20, 20, 1), noise(19, 20, 1), 2), std::runtime_error);
    EXPECT_THROW(measure(noise(20, 14, 1), noise(20, 20, 1), 2), std::runtime_error);
    EXPECT_NO_THROW(measure(noise(20, 15, 1), noise(20, 20, 1), 2));
}

// PSNR of Set5 and Set14 enlarged by bicubic, which every paper has.
TEST(Quality, OfBicubicIsThePapers) {
    const std::filesystem::path eval = std::filesystem::path(MDRN_REFERENCE_DIR) / "data/eval";
    if (!std::filesystem::exists(eval)) GTEST_SKIP() << "no pictures: set MDRN_REFERENCE_DIR";
    const struct {
        std::string set;
        double psnr[3];
    } rows[] = {{"Set5", {33.68, 30.40, 28.43}}, {"Set14", {30.33, 27.63, 26.09}}};
    for (const auto &[set, psnr] : rows)
        for (const int scale : {2, 3, 4}) {
            double sum = 0;
            int count = 0;
            const auto small = eval / set / ("LRbicx" + std::to_string(scale));
            for (const auto &entry : std::filesystem::directory_iterator(small)) {
                const Picture original = read_picture(eval / set / "HR" / entry.path().filename());
                sum += measure(enlarge(read_picture(entry), scale), original, scale).psnr;
                ++count;
            }
            EXPECT_NEAR(sum / count, psnr[scale - 2], 0.005) << set << " x" << scale;
        }
}

}  // namespace
}  // namespace mdrn::training
