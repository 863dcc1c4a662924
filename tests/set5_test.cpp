// SPDX-License-Identifier: BSD-2-Clause
// The published weights have the published quality: PSNR of Set5's luma, on 8-bit output.
#include <gtest/gtest.h>
#include <png.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <iostream>
#include <ostream>
#include <stdexcept>
#include <string>
#include <vector>

#include "backends.h"
#include "planes.h"

namespace mdrn::test {

namespace {

const std::filesystem::path kReference = MDRN_REFERENCE_DIR;

struct Rgb8 {
    Size size;
    std::vector<uint8_t> pixels;  // (H, W, 3)
};

Rgb8 read_png(const std::filesystem::path &path) {
    png_image png = {};
    png.version = PNG_IMAGE_VERSION;
    if (!png_image_begin_read_from_file(&png, path.c_str()))
        throw std::runtime_error(path.string() + ": " + png.message);
    png.format = PNG_FORMAT_RGB;
    Rgb8 image{{static_cast<int>(png.width), static_cast<int>(png.height)},
               std::vector<uint8_t>(PNG_IMAGE_SIZE(png))};
    if (!png_image_finish_read(&png, nullptr, image.pixels.data(), 0, nullptr))
        throw std::runtime_error(path.string() + ": " + png.message);
    return image;
}

Values planar(const Rgb8 &image) {
    const size_t plane = static_cast<size_t>(image.size.width) * image.size.height;
    Values chw(3 * plane);
    for (size_t i = 0; i < 3 * plane; ++i)
        chw[i % 3 * plane + i / 3] = static_cast<float>(image.pixels[i]) / 255;
    return chw;
}

Rgb8 rounded(const Values &chw, Size size) {
    const size_t plane = static_cast<size_t>(size.width) * size.height;
    Rgb8 image{size, std::vector<uint8_t>(3 * plane)};
    for (size_t i = 0; i < 3 * plane; ++i) {
        const float value = chw[i % 3 * plane + i / 3];
        image.pixels[i] = static_cast<uint8_t>(std::lrint(255 * std::clamp(value, 0.0F, 1.0F)));
    }
    return image;
}

double luma(const Rgb8 &image, int x, int y) {
    const uint8_t *p = &image.pixels[3 * (static_cast<size_t>(y) * image.size.width + x)];
    return 16 + (65.481 * p[0] + 128.553 * p[1] + 24.966 * p[2]) / 255;
}

// Without a border; of the original, what lies beyond the result is left out.
double psnr(const Rgb8 &result, const Rgb8 &original, int border) {
    const int w = result.size.width - border, h = result.size.height - border;
    double squares = 0;
    for (int y = border; y < h; ++y)
        for (int x = border; x < w; ++x) {
            const double d = luma(result, x, y) - luma(original, x, y);
            squares += d * d;
        }
    return 10 * std::log10(255 * 255 * double(w - border) * (h - border) / squares);
}

struct Published {
    int scale;
    double psnr;
};

void PrintTo(const Published &published, std::ostream *stream) {
    *stream << "x" << published.scale;
}

class Set5 : public testing::TestWithParam<Published> {};

}  // namespace

TEST_P(Set5, HasThePublishedPsnr) {
    const int scale = GetParam().scale;
    const std::string x = std::string("x").append(std::to_string(scale));
    const std::filesystem::path folder = kReference / "data/eval/Set5";
    const std::filesystem::path weights =
        kReference / "reference/weights" / ("mdrn_" + x + ".official.safetensors");
    if (!std::filesystem::exists(folder) || !std::filesystem::exists(weights))
        GTEST_SKIP() << "no Set5 or weights: MDRN_REFERENCE_DIR is \"" MDRN_REFERENCE_DIR "\"";
    if (cpu_targets().empty()) GTEST_SKIP() << "the CPU backend has no targets";

    const Model model = load_model(weights, 0);
    const auto stages = make_cpu_stages(model, {}, [](const std::string &) {});
    double sum = 0;
    int images = 0;
    for (const auto &entry : std::filesystem::directory_iterator(folder / ("LRbic" + x))) {
        const Rgb8 small = read_png(entry.path());
        const Rgb8 original = read_png(folder / "HR" / entry.path().filename());
        const Size large{scale * small.size.width, scale * small.size.height};
        ASSERT_EQ(large.width, original.size.width / scale * scale);
        ASSERT_EQ(large.height, original.size.height / scale * scale);
        const Values out = upscale(*stages, small.size, planar(small).data());
        sum += psnr(rounded(out, large), original, scale);
        ++images;
    }
    ASSERT_EQ(images, 5);
    std::cout << x << ": " << sum / images << " dB\n";
    EXPECT_NEAR(sum / images, GetParam().psnr, 0.001);
}

INSTANTIATE_TEST_SUITE_P(Published, Set5,
                         testing::Values(Published{2, 38.1094}, Published{3, 34.5799},
                                         Published{4, 32.3466}),
                         [](const auto &published) {
                             return std::string("x").append(std::to_string(published.param.scale));
                         });

}  // namespace mdrn::test
