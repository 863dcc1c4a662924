// SPDX-License-Identifier: BSD-2-Clause
#include "data/layouts.h"

#include <gtest/gtest.h>

#include "data/bicubic.h"
#include "data/database.h"
#include "pictures.h"
#include "training/folder.h"

namespace mdrn::training {
namespace {

using namespace test;

class Layouts : public Folder {
protected:
    // A picture of its own for each name; its LR are as many times smaller.
    void add(const std::string &name, int scale = 1) {
        write(path / name, noise(12 / scale, 12 / scale, unsigned(++files_)));
    }
    Listing list(const std::string &gt, std::map<int, std::vector<std::string>> lq = {}) {
        std::map<int, std::vector<std::filesystem::path>> roots;
        for (const auto &[scale, names] : lq)
            for (const std::string &name : names) roots[scale].push_back(path / name);
        return list_pictures({path / gt}, roots);
    }
    // "name: scale path, …" of each item, paths below the test's folder.
    std::vector<std::string> text(const Listing &listing) {
        std::vector<std::string> lines;
        for (const Item &item : listing.items) {
            std::string line = item.name + ": " + below(item.gt.text());
            for (const auto &[scale, source] : item.lq)
                line += ", " + std::to_string(scale) + " " + below(source.text());
            lines.push_back(line);
        }
        return lines;
    }
    std::string below(const std::string &name) { return name.substr(path.string().size() + 1); }

    int files_ = 0;
};

using Lines = std::vector<std::string>;

TEST_F(Layouts, Div2k) {
    for (const char *number : {"0001", "0002"}) {
        add(std::string("DIV2K_train_HR/") + number + ".png");
        for (int scale : {2, 3, 4}) {
            const std::string s = std::to_string(scale);
            add("DIV2K_train_LR_bicubic/X" + s + "/" + number + "x" + s + ".png", scale);
        }
    }
    const Lines expected = {
        "0001: DIV2K_train_HR/0001.png, 2 DIV2K_train_LR_bicubic/X2/0001x2.png, 4 "
        "DIV2K_train_LR_bicubic/X4/0001x4.png",
        "0002: DIV2K_train_HR/0002.png, 2 DIV2K_train_LR_bicubic/X2/0002x2.png, 4 "
        "DIV2K_train_LR_bicubic/X4/0002x4.png"};
    EXPECT_EQ(text(list("DIV2K_train_HR",
                        {{2, {"DIV2K_train_LR_bicubic/X2"}}, {4, {"DIV2K_train_LR_bicubic/X4"}}})),
              expected);
    EXPECT_EQ(text(list("DIV2K_train_HR",
                        {{2, {"DIV2K_train_LR_bicubic"}}, {4, {"DIV2K_train_LR_bicubic"}}})),
              expected);
    const Listing whole = list_pictures({path}, {});
    ASSERT_EQ(whole.items.size(), 2U);
    EXPECT_EQ(
        text(whole)[1],
        "DIV2K_train/0002: DIV2K_train_HR/0002.png, 2 DIV2K_train_LR_bicubic/X2/0002x2.png, 3 "
        "DIV2K_train_LR_bicubic/X3/0002x3.png, 4 DIV2K_train_LR_bicubic/X4/0002x4.png");
}

TEST_F(Layouts, Lsdir) {
    for (const char *name : {"0001000/0000001", "0002000/0001001"}) {
        add(std::string("L/train/") + name + ".png");
        add(std::string("L/X4/train/") + name + "x4.png", 4);
    }
    add("L/val1/HR/val/0000001.png");
    add("L/val1/X4/val/0000001x4.png", 4);
    EXPECT_EQ(text(list("L/train", {{4, {"L/X4"}}})).size(), 2U);
    EXPECT_EQ(
        text(list("L")),
        (Lines{"train/0001000/0000001: L/train/0001000/0000001.png, 4 "
               "L/X4/train/0001000/0000001x4.png",
               "train/0002000/0001001: L/train/0002000/0001001.png, 4 "
               "L/X4/train/0002000/0001001x4.png",
               "val1/val/0000001: L/val1/HR/val/0000001.png, 4 L/val1/X4/val/0000001x4.png"}));

    write_text(path / "L/train.json",
               R"([{"path": "0001000/0000001.png"}, {"path": "train/0002000/0001001.png"}])");
    EXPECT_EQ(text(list("L/train.json")), (Lines{"0001000/0000001: L/train/0001000/0000001.png",
                                                 "train/0002000/0001001: "
                                                 "L/train/0002000/0001001.png"}));
    write_text(path / "L/train_X4.json", R"([{"path_gt": "train/0002000/0001001.png",
                                              "path_lq": "X4/train/0002000/0001001x4.png"}])");
    EXPECT_EQ(text(list("L/train_X4.json")),
              (Lines{"train/0002000/0001001: L/train/0002000/0001001.png, 4 "
                     "L/X4/train/0002000/0001001x4.png"}));
}

TEST_F(Layouts, LsdirFlattened) {
    // Six digits are NTIRE's, seven LSDIR's: names, not numbers.
    for (const char *name : {"0000012", "000012", "0012"}) {
        add(std::string("train/") + name + ".png");
        add(std::string("flat/") + name + "x4.png", 4);
        add(std::string("flat/") + name + ".png");
    }
    add("nested/0001000/0000012.png");
    EXPECT_EQ(text(list("nested", {{4, {"flat"}}})),
              (Lines{"0001000/0000012: nested/0001000/0000012.png, 4 flat/0000012x4.png"}));
    EXPECT_EQ(text(list("flat")), (Lines{"0000012: flat/0000012.png, 4 flat/0000012x4.png",
                                         "000012: flat/000012.png, 4 flat/000012x4.png",
                                         "0012: flat/0012.png, 4 flat/0012x4.png"}));
}

TEST_F(Layouts, Benchmarks) {
    add("Set5/HR/baby.png");
    add("Set5/LRbicx2/baby.png", 2);
    add("Set5/LRbicx4/baby.png", 4);
    EXPECT_EQ(text(list("Set5")), (Lines{"baby: Set5/HR/baby.png, 2 Set5/LRbicx2/baby.png, 4 "
                                         "Set5/LRbicx4/baby.png"}));
    add("Urban100/img_001_SRF_4_HR.png");
    add("Urban100/img_001_SRF_4_LR.png", 4);
    EXPECT_EQ(text(list("Urban100")), (Lines{"img_001: Urban100/img_001_SRF_4_HR.png, 4 "
                                             "Urban100/img_001_SRF_4_LR.png"}));
}

TEST_F(Layouts, BasicSrPieces) {
    add("DIV2K_train_HR_sub/0001_s001.png");
    add("DIV2K_train_LR_bicubic/X4_sub/0001_s001.png", 4);
    EXPECT_EQ(text(list("DIV2K_train_HR_sub", {{4, {"DIV2K_train_LR_bicubic/X4_sub"}}})),
              (Lines{"0001_s001: DIV2K_train_HR_sub/0001_s001.png, 4 "
                     "DIV2K_train_LR_bicubic/X4_sub/0001_s001.png"}));
}

TEST_F(Layouts, Lmdb) {
    const Picture high = noise(12, 8, 1), low = noise(3, 2, 2);
    {
        LmdbWriter writer(path / "HR.lmdb");
        writer.put({{"0001_s002", encode_png(high)}, {"0001 s.1_s001", encode_png(low)}});
        writer.write_meta_info();
        LmdbWriter other(path / "X4.lmdb");
        other.put({{"0001_s002", encode_png(low)}});
        other.write_meta_info();
    }
    EXPECT_EQ(text_of(path / "HR.lmdb/meta_info.txt"),
              "0001 s.1_s001.png (2,3,3) 1\n0001_s002.png (8,12,3) 1\n");
    const Listing listing = list("HR.lmdb", {{4, {"X4.lmdb"}}});
    EXPECT_EQ(text(listing), (Lines{"0001_s002: HR.lmdb, 0001_s002, 4 X4.lmdb, 0001_s002"}));
    EXPECT_EQ(listing.problems.size(), 1U);
    const std::optional<Pair> pair = read_pair(listing.items[0], 4);
    EXPECT_EQ(pair->gt, high);
    EXPECT_EQ(pair->lq, low);
    EXPECT_EQ(list_pictures({path}, {}).items.size(), 2U);

    std::filesystem::remove(path / "HR.lmdb/meta_info.txt");
    EXPECT_NE(message_of([&] { list("HR.lmdb"); }).find("meta_info.txt: cannot be read"),
              std::string::npos);
    std::filesystem::create_directory(path / "bad.lmdb");
    write_text(path / "bad.lmdb/data.mdb",
               "no database, but long enough to be looked at" + std::string(5000, 'x'));
    write_text(path / "bad.lmdb/meta_info.txt", "a.png (1,1,3) 1\n");
    const std::string message = message_of([&] { read(list("bad.lmdb").items[0].gt); });
    EXPECT_NE(message.find("bad.lmdb: cannot be opened as an LMDB"), std::string::npos) << message;
}

TEST_F(Layouts, AnyFolder) {
    add("mine/größe 1.png");
    add("mine/deep/er/b.PNG");
    add("mine/fox2.png");    // no LR of "fo"
    add("mine/0001x4.png");  // nor of "0001"
    write_text(path / "mine/notes.txt", "none");
    write_text(path / "mine/noending", "none");
    std::filesystem::create_directory_symlink(path / "mine", path / "mine/deep/loop");
    std::filesystem::create_directory_symlink(path / "elsewhere", path / "mine/broken");
    add("elsewhere2/c.png");
    std::filesystem::create_directory_symlink(path / "elsewhere2", path / "mine/link");
    EXPECT_EQ(text(list("mine")), (Lines{"0001x4: mine/0001x4.png", "deep/er/b: mine/deep/er/b.PNG",
                                         "fox2: mine/fox2.png", "größe 1: mine/größe 1.png",
                                         "link/c: mine/link/c.png"}));
}

TEST_F(Layouts, AVideoIsAPictureASecond) {
    std::filesystem::create_directory(path / "v");
    if (!ffmpeg("-f lavfi -i testsrc2=s=64x64:r=5:d=3 -c:v mpeg4 " + (path / "v/a.mp4").string()))
        GTEST_SKIP() << "the program ffmpeg is needed";
    write_text(path / "v/b.mp4", "none");
    const Listing listing = list("v");
    EXPECT_EQ(text(listing), (Lines{"a_t000000: v/a.mp4, second 0", "a_t000001: v/a.mp4, second 1",
                                    "a_t000002: v/a.mp4, second 2"}));
    ASSERT_EQ(listing.problems.size(), 1U);
    EXPECT_EQ(below(listing.problems[0]).substr(0, 22), "v/b.mp4: is no video: ");
}

TEST_F(Layouts, WhatIsMissingIsNamed) {
    add("HR/a.png");
    add("HR/b.png");
    add("LR/bx2.png", 2);
    add("LR/1/c.png", 2);
    add("LR/2/c.png", 2);
    add("HR/c.png");
    const Listing listing = list("HR", {{2, {"LR"}}});
    EXPECT_EQ(text(listing), (Lines{"b: HR/b.png, 2 LR/bx2.png"}));
    ASSERT_EQ(listing.problems.size(), 2U);
    EXPECT_EQ(below(listing.problems[0]),
              "HR/a.png: dataroot_lq has no picture of it for scale 2, or more than one");
    EXPECT_EQ(below(listing.problems[1]),
              "HR/c.png: dataroot_lq has no picture of it for scale 2, or more than one");

    std::filesystem::create_directory(path / "empty");
    const auto message = [&](const std::string &root) { return message_of([&] { list(root); }); };
    EXPECT_EQ(below(message("empty")), "empty: holds no pictures or videos");
    EXPECT_EQ(below(message("absent")), "absent: no such file or folder");
    EXPECT_EQ(message_of([&] {
                  list("HR", {{2, {"LR", "LR"}}});
              }),
              "dataroot_lq of scale 2 has 2 folders, dataroot_gt 1: give one for each, or one for "
              "all");
    write_text(path / "bad.json", "{\"path\": 3}");
    EXPECT_NE(message("bad.json").find("bad.json: expected a list"), std::string::npos);
    write_text(path / "worse.json", "[{\"path\": 3}]");
    EXPECT_NE(message("worse.json").find("worse.json, entry 0: expected"), std::string::npos);
    add("low/X4/a.png");
    EXPECT_EQ(below(message("low")), "low: holds pictures in low resolution only, by their names");
}

TEST_F(Layouts, PairsAreOfOneSize) {
    write(path / "HR/a.png", noise(14, 9, 1));
    write(path / "X4/a.png", noise(3, 2, 2));
    write(path / "X2/a.png", noise(7, 5, 3));
    const Listing listing = list_pictures({path}, {});
    ASSERT_EQ(listing.items.size(), 1U);
    const std::optional<Pair> four = read_pair(listing.items[0], 4);
    EXPECT_EQ(four->lq, read_picture(path / "X4/a.png"));
    EXPECT_EQ(four->gt, crop(read_picture(path / "HR/a.png"), 0, 0, 12, 8));
    const std::optional<Pair> three = read_pair(listing.items[0], 3);
    EXPECT_EQ(three->lq, reduce(read_picture(path / "HR/a.png"), 3));
    EXPECT_EQ(three->gt.width, 12);
    EXPECT_EQ(below(message_of([&] { read_pair(listing.items[0], 2); })),
              "X2/a.png: expected 7x4 pixels, 2 times fewer than " + path.string() +
                  "/HR/a.png's 14x9, found 7x5");
}

}  // namespace
}  // namespace mdrn::training
