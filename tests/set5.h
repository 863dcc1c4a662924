// SPDX-License-Identifier: BSD-2-Clause
// Set5 and the PSNR of its luma, on 8-bit output.
#pragma once

#include <png.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <filesystem>
#include <stdexcept>
#include <string>
#include <vector>

#include "planes.h"

namespace mdrn::test {

inline const std::filesystem::path kReference = MDRN_REFERENCE_DIR;

struct Rgb8 {
    Size size;
    std::vector<uint8_t> pixels;  // (H, W, 3)
};

inline Rgb8 read_png(const std::filesystem::path &path) {
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

inline Values planar_of(const Rgb8 &image) {
    const size_t plane = static_cast<size_t>(image.size.width) * image.size.height;
    Values chw(3 * plane);
    for (size_t i = 0; i < 3 * plane; ++i)
        chw[i % 3 * plane + i / 3] = static_cast<float>(image.pixels[i]) / 255;
    return chw;
}

inline Rgb8 rounded(const Values &chw, Size size) {
    const size_t plane = static_cast<size_t>(size.width) * size.height;
    Rgb8 image{size, std::vector<uint8_t>(3 * plane)};
    for (size_t i = 0; i < 3 * plane; ++i) {
        const float value = chw[i % 3 * plane + i / 3];
        image.pixels[i] = static_cast<uint8_t>(std::lrint(255 * std::clamp(value, 0.0F, 1.0F)));
    }
    return image;
}

inline double luma(const Rgb8 &image, int x, int y) {
    const uint8_t *p = &image.pixels[3 * (static_cast<size_t>(y) * image.size.width + x)];
    return 16 + (65.481 * p[0] + 128.553 * p[1] + 24.966 * p[2]) / 255;
}

// Without a border; of the original, what lies beyond the result is left out.
inline double psnr(const Rgb8 &result, const Rgb8 &original, int border) {
    const int w = result.size.width - border, h = result.size.height - border;
    double squares = 0;
    for (int y = border; y < h; ++y)
        for (int x = border; x < w; ++x) {
            const double d = luma(result, x, y) - luma(original, x, y);
            squares += d * d;
        }
    return 10 * std::log10(255 * 255 * double(w - border) * (h - border) / squares);
}

// Calls with each of the five: (3, H, W) in [0, 1], its size, and the original in full size.
template <typename Use>
void for_set5(int scale, Use use) {
    const std::filesystem::path folder = kReference / "data/eval/Set5";
    for (const auto &entry :
         std::filesystem::directory_iterator(folder / ("LRbicx" + std::to_string(scale)))) {
        const Rgb8 small = read_png(entry.path());
        const Rgb8 original = read_png(folder / "HR" / entry.path().filename());
        if (scale * small.size.width != original.size.width / scale * scale ||
            scale * small.size.height != original.size.height / scale * scale)
            throw std::runtime_error(entry.path().string() + ": not the original's size");
        use(planar_of(small), small.size, original);
    }
}

}  // namespace mdrn::test
