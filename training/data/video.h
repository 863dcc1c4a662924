// SPDX-License-Identifier: BSD-2-Clause
// Videos as a source of pictures: one for each second, read where it lies. All of it may be called
// from several threads at once.
#pragma once

#include <filesystem>
#include <optional>

#include "picture.h"

namespace mdrn::training {

// Seconds of a video, at least 1: from its header, nothing is decoded. Throws std::runtime_error
// that names the file where it is none.
int seconds_of(const std::filesystem::path &path);

// The first frame at or after a second. Nothing where there is none, or where it nearly equals the
// second before's: means over 1/16 of width and height differ by less than 2 of 255 on average.
// Untagged YUV is BT.709 if wider than 1279 or higher than 576, else BT.601. Throws
// std::runtime_error that names the file.
std::optional<Picture> read_second(const std::filesystem::path &path, int second);

}  // namespace mdrn::training
