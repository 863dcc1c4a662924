// SPDX-License-Identifier: BSD-2-Clause
// Pictures as 8-bit RGB, from any format that FFmpeg's libraries decode. All of it may be called
// from several threads at once.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

namespace mdrn::training {

struct Picture {
    int width = 0, height = 0;
    std::vector<uint8_t> rgb;  // (height, width, 3)

    const uint8_t *row(int y) const { return rgb.data() + size_t(3) * width * y; }
    uint8_t *row(int y) { return rgb.data() + size_t(3) * width * y; }
    bool operator==(const Picture &) const = default;
};

// Black, (height, width).
Picture blank(int width, int height);

// The part of a picture with its first pixel at (x, y), which lies inside it.
Picture crop(const Picture &picture, int x, int y, int width, int height);

// The first frame of a file. Deeper samples are rounded to 8 bits, floating-point ones clipped to
// [0, 1] first; gray becomes RGB; alpha is left out; a YUV picture's matrix and range are its
// tags', BT.601 where it has none. Throws std::runtime_error that names the file and says why: a
// truncated or damaged file is no picture.
Picture read_picture(const std::filesystem::path &path);

// The same of a file's bytes; name: what messages call it.
Picture decode_picture(std::span<const std::byte> bytes, const std::string &name);

// A PNG file's bytes.
std::vector<std::byte> encode_png(const Picture &picture);

// Writes a file that is there whole or not at all. Throws std::runtime_error that names it.
void write_png(const std::filesystem::path &path, const Picture &picture);

}  // namespace mdrn::training
