// SPDX-License-Identifier: BSD-2-Clause
// A folder for a test's files, and their texts.
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

namespace mdrn::training::test {

class Folder : public testing::Test {
protected:
    Folder() { std::filesystem::create_directories(path); }
    ~Folder() override { std::filesystem::remove_all(path); }

    const std::filesystem::path path =
        std::filesystem::path(testing::TempDir()) / ("mdrn_test_" + std::to_string(getpid()));
};

inline std::string text_of(const std::filesystem::path &path) {
    std::ifstream stream(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(stream), {}};
}

inline void write_text(const std::filesystem::path &path, const std::string &text) {
    std::ofstream(path, std::ios::binary) << text;
}

}  // namespace mdrn::training::test
