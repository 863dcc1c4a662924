// SPDX-License-Identifier: BSD-2-Clause
// Pictures and files for the tests of training/data.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <functional>
#include <random>
#include <string>

#include "data/picture.h"

namespace mdrn::training::test {

inline Picture noise(int width, int height, unsigned seed) {
    std::mt19937 random(seed);
    Picture picture = blank(width, height);
    for (uint8_t &value : picture.rgb) value = uint8_t(random());
    return picture;
}

inline void write(const std::filesystem::path &path, const Picture &picture) {
    std::filesystem::create_directories(path.parent_path());
    write_png(path, picture);
}

// Whether the program ffmpeg did it; arguments are for a shell.
inline bool ffmpeg(const std::string &arguments) {
    return std::system(("ffmpeg -nostdin -v error -y " + arguments + " 2>/dev/null").c_str()) == 0;
}

inline std::string message_of(const std::function<void()> &call) {
    try {
        call();
    } catch (const std::exception &error) {
        return error.what();
    }
    return "";
}

}  // namespace mdrn::training::test
