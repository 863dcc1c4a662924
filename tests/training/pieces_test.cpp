// SPDX-License-Identifier: BSD-2-Clause
#include "data/pieces.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <set>

#include "data/database.h"
#include "data/layouts.h"
#include "pictures.h"
#include "training/folder.h"

namespace mdrn::training {
namespace {

using namespace test;

class PiecesTest : public Folder {
protected:
    PiecesTest() {
        options.dataroot_gt = {path / "in"};
        options.out = path / "out";
        options.size = 24;
        options.step = 12;
        options.threads = 2;
        options.warn = [this](const std::string &problem) { problems.push_back(problem); };
    }
    // Names of files below a folder.
    std::set<std::string> files(const std::filesystem::path &folder) {
        std::set<std::string> names;
        for (const auto &entry : std::filesystem::recursive_directory_iterator(folder))
            if (entry.is_regular_file())
                names.insert(entry.path().lexically_relative(folder).generic_string());
        return names;
    }

    PieceOptions options;
    std::vector<std::string> problems;
};

// BasicSR's: numpy.arange(0, length - size + 1, step), and the last where an end is left.
std::vector<int> aranged(int length, int size, int step) {
    std::vector<int> offsets;
    for (int i = 0; i < length - size + 1; i += step) offsets.push_back(i);
    if (length - (offsets.back() + size) > 0) offsets.push_back(length - size);
    return offsets;
}

TEST(PieceOffsets, AreBasicSrs) {
    for (int length = 480; length < 2100; ++length)
        ASSERT_EQ(piece_offsets(length, 480, 240), aranged(length, 480, 240)) << length;
    EXPECT_EQ(piece_offsets(100, 480, 240), (std::vector<int>{0}));
    EXPECT_EQ(piece_offsets(480, 480, 240), (std::vector<int>{0}));
}

TEST_F(PiecesTest, AreCutAsBasicSrDoes) {
    const Picture picture = noise(50, 37, 1), low = noise(12, 9, 2), small = noise(10, 30, 3);
    write(path / "in/HR/0001.png", picture);
    write(path / "in/X4/0001x4.png", low);
    write(path / "in/HR/a/b c.png", small);
    const PieceCounts counts = cut_pieces(options, nullptr);
    EXPECT_EQ(counts.cut, 2);
    EXPECT_EQ(counts.skipped, 0);
    EXPECT_EQ(files(path / "out"),
              (std::set<std::string>{"HR/0001_s001.png", "HR/0001_s002.png", "HR/0001_s003.png",
                                     "HR/0001_s004.png", "HR/0001_s005.png", "HR/0001_s006.png",
                                     "HR/a/b c_s001.png", "HR/a/b c_s002.png", "X4/0001_s001.png",
                                     "X4/0001_s002.png", "X4/0001_s003.png", "X4/0001_s004.png",
                                     "X4/0001_s005.png", "X4/0001_s006.png", "X4/a/b c_s001.png",
                                     "X4/a/b c_s002.png", "prepared.txt"}));
    EXPECT_EQ(counts.pieces, 16);
    // 48x36 pixels are whole multiples of 4: pieces at 0, 12, 24 and 0, 12.
    int number = 0;
    for (int y : {0, 12})
        for (int x : {0, 12, 24}) {
            const std::string name = "0001_s00" + std::to_string(++number) + ".png";
            EXPECT_EQ(read_picture(path / "out/HR" / name), crop(picture, x, y, 24, 24));
            EXPECT_EQ(read_picture(path / "out/X4" / name), crop(low, x / 4, y / 4, 6, 6));
        }
    EXPECT_EQ(read_picture(path / "out/HR/a/b c_s002.png"), crop(small, 0, 4, 8, 24));
    EXPECT_EQ(list_pictures({path / "out"}, {}).items.size(), 8U);
}

TEST_F(PiecesTest, TheSameAsAnLmdb) {
    write(path / "in/a.png", noise(50, 37, 1));
    write(path / "in/b.png", noise(40, 20, 2));
    cut_pieces(options, nullptr);
    options.out = path / "db";
    options.lmdb = true;
    EXPECT_EQ(cut_pieces(options, nullptr).cut, 2);
    const std::vector<std::string> keys = lmdb_keys(path / "db/HR.lmdb");
    EXPECT_EQ(keys.size(), files(path / "out/HR").size());
    for (const std::string &key : keys)
        EXPECT_EQ(decode_picture(lmdb_value(path / "db/HR.lmdb", key), key),
                  read_picture(path / "out/HR" / (key + ".png")));
    EXPECT_EQ(text_of(path / "db/HR.lmdb/meta_info.txt").substr(0, 24),
              "a_s001.png (24,24,3) 1\na");
}

TEST_F(PiecesTest, WhatCannotBeUsedIsNamedAndCounted) {
    write(path / "in/a.png", noise(24, 24, 1));
    std::filesystem::copy_file(path / "in/a.png", path / "in/a.webp");
    write_text(path / "in/b.png", "none");
    const PieceCounts counts = cut_pieces(options, nullptr);
    EXPECT_EQ(counts.pictures, 3);
    EXPECT_EQ(counts.cut, 1);
    EXPECT_EQ(counts.skipped, 2);
    ASSERT_EQ(problems.size(), 2U);
    EXPECT_NE(problems[0].find("a.webp: its pieces would have the names of another's, a"),
              std::string::npos);
    EXPECT_NE(problems[1].find("b.png: "), std::string::npos);
    options.strict = true;
    EXPECT_THROW(cut_pieces(options, nullptr), std::runtime_error);
}

TEST_F(PiecesTest, StayInTheirFolder) {
    write(path / "a.png", noise(24, 24, 1));
    std::filesystem::create_directory(path / "in");
    write_text(path / "in/list.json",
               "[{\"path\": \"../a.png\"}, {\"path\": \"" + (path / "a.png").string() + "\"}]");
    options.dataroot_gt = {path / "in/list.json"};
    EXPECT_EQ(cut_pieces(options, nullptr).cut, 2);
    EXPECT_EQ(files(path / "out").count("HR/a_s001.png"), 1U);
    EXPECT_EQ(files(path / "out").size(), 3U);
}

TEST_F(PiecesTest, OtherOptionsAreAnError) {
    write(path / "in/a.png", noise(24, 24, 1));
    cut_pieces(options, nullptr);
    EXPECT_EQ(cut_pieces(options, nullptr).present, 1);
    options.step = 24;
    const std::string message = message_of([&] { cut_pieces(options, nullptr); });
    EXPECT_NE(
        message.find("prepared.txt: was begun as \"pieces of 24 every 12\", not as \"pieces of "
                     "24 every 24\""),
        std::string::npos)
        << message;
    options.out = path / "other";
    write(path / "in/X3/a.png", noise(8, 8, 1));
    options.size = 25;
    EXPECT_NE(message_of([&] { cut_pieces(options, nullptr); }).find("multiples of scale 3"),
              std::string::npos);
}

// Killed again and again at some moment, in the end all pieces are there and whole.
TEST_F(PiecesTest, GoOnAfterAKill) {
    for (int i = 0; i < 12; ++i)
        write(path / "in" / (std::to_string(i) + ".png"), noise(48, 48, unsigned(i)));
    cut_pieces(options, nullptr);
    for (bool lmdb : {false, true}) {
        options.lmdb = lmdb;
        options.out = path / (lmdb ? "killed_db" : "killed");
        int kills = 0;
        for (useconds_t wait = 5000;; wait += 7000) {
            const pid_t child = fork();
            if (!child) {
                cut_pieces(options, nullptr);
                _exit(0);
            }
            usleep(wait);
            kill(child, SIGKILL);
            int status = 0;
            waitpid(child, &status, 0);
            if (WIFEXITED(status)) break;
            ++kills;
        }
        EXPECT_GT(kills, 0);
        const PieceCounts counts = cut_pieces(options, nullptr);
        EXPECT_EQ(counts.present, 12);
        const std::set<std::string> names = files(path / "out/HR");
        EXPECT_EQ(names.size(), 12U * 9);
        if (lmdb) {
            EXPECT_EQ(lmdb_keys(options.out / "HR.lmdb").size(), names.size());
        }
        for (const std::string &name : names) {
            const Picture whole = read_picture(path / "out/HR" / name);
            const std::string key = name.substr(0, name.size() - 4);
            if (lmdb)
                EXPECT_EQ(decode_picture(lmdb_value(options.out / "HR.lmdb", key), key), whole);
            else
                EXPECT_EQ(read_picture(options.out / "HR" / name), whole);
        }
    }
}

}  // namespace
}  // namespace mdrn::training
