// SPDX-License-Identifier: BSD-2-Clause
#include "weights/safetensors.h"

#include <gtest/gtest.h>

#include <stdexcept>

#include "error.h"
#include "folder.h"
#include "model.h"
#include "safetensors.h"
#include "weights/atomic.h"

namespace mdrn::training {
namespace {

namespace fs = std::filesystem;

using Atomic = test::Folder;
using Safetensors = test::Folder;
using test::text_of;
using test::write_text;

void replace(const fs::path &path, const std::string &text) {
    write_atomically(path, [&](std::ostream &stream) { stream << text; });
}

TEST_F(Atomic, ReplacesAFileAndLeavesNothingBeside) {
    replace(path / "file", "a longer text than the second");
    replace(path / "file", "second");
    EXPECT_EQ(text_of(path / "file"), "second");
    EXPECT_EQ(std::distance(fs::directory_iterator(path), {}), 1);
}

TEST_F(Atomic, WhatFailsLeavesTheOldFile) {
    write_text(path / "file", "first");
    const auto fail = [](std::ostream &stream) {
        stream << "half";
        throw std::logic_error("stopped");
    };
    EXPECT_THROW(write_atomically(path / "file", fail), std::logic_error);
    EXPECT_THROW(
        write_atomically(path / "file", [](std::ostream &s) { s.setstate(std::ios::badbit); }),
        std::runtime_error);
    EXPECT_EQ(text_of(path / "file"), "first");
    EXPECT_EQ(std::distance(fs::directory_iterator(path), {}), 1);
}

TEST_F(Atomic, WritesThroughALinkButOverNoFolderOrDevice) {
    write_text(path / "file", "first");
    fs::create_symlink("file", path / "link");
    replace(path / "link", "second");
    EXPECT_EQ(text_of(path / "file"), "second");
    EXPECT_TRUE(fs::is_symlink(path / "link"));
    for (const fs::path &wrong : {path, fs::path("/dev/null"), path / "missing" / "file"})
        EXPECT_THROW(replace(wrong, ""), std::runtime_error);
}

TEST_F(Safetensors, ComesBackAsItWas) {
    const Weights weights{{{"b", {{2, 3}, {1, -2, 3.5F, 4, 5e-30F, -0.F}}},
                           {"a.weight", {{1}, {7}}},
                           {"empty", {{0, 4}, {}}},
                           {"scalar", {{}, {9}}}},
                          {{"architecture", "mdrn"}, {"note", "\"quoted\" \xC3\xA4"}}};
    write_safetensors(path / "w.safetensors", weights);
    EXPECT_EQ(read_safetensors(path / "w.safetensors"), weights);

    const auto other = ::read_safetensors(path / "w.safetensors");  // the tests' own reader
    ASSERT_EQ(other.size(), weights.tensors.size());
    EXPECT_EQ(other.at("b").shape, weights.tensors.at("b").shape);
    EXPECT_EQ(other.at("b").values, weights.tensors.at("b").values);
    const std::string text = text_of(path / "w.safetensors");
    EXPECT_EQ((text.size() - 8 * sizeof(float)) % 8, 0U);
}

TEST_F(Safetensors, TheEngineReadsAModelWritten) {
    const fs::path bundled = fs::path(MDRN_SOURCE_DIR) / "models/mdrn_x3.safetensors";
    const Weights weights = read_safetensors(bundled);
    write_safetensors(path / "w.safetensors", weights);
    EXPECT_EQ(load_model(path / "w.safetensors", 0).parameters(), 311299);
    EXPECT_EQ(read_safetensors(path / "w.safetensors"), weights);
}

TEST_F(Safetensors, SaysWhatIsWrong) {
    EXPECT_THROW(read_safetensors(path / "missing.safetensors"), Error);
    write_text(path / "w.safetensors", "short");
    EXPECT_THROW(read_safetensors(path / "w.safetensors"), Error);
    EXPECT_THROW(write_safetensors(path / "w.safetensors", {{{"\xFF", {{1}, {0}}}}, {}}),
                 std::runtime_error);
    EXPECT_EQ(text_of(path / "w.safetensors"), "short");
}

}  // namespace
}  // namespace mdrn::training
