// SPDX-License-Identifier: BSD-2-Clause
#include "pictures.h"

#include <gtest/gtest.h>

#include <bit>
#include <cstring>

#include "data/video.h"
#include "training/folder.h"

namespace mdrn::training {
namespace {

using namespace test;

class Pictures : public Folder {
protected:
    // A PPM or PGM of 16 bits.
    std::filesystem::path deep(const std::string &magic, const std::vector<int> &samples,
                               int width) {
        const int channels = magic == "P6" ? 3 : 1;
        std::string text = magic + "\n" + std::to_string(width) + " " +
                           std::to_string(int(samples.size()) / channels / width) + "\n65535\n";
        for (int sample : samples) text += {char(sample >> 8), char(sample)};
        write_text(path / "deep.pnm", text);
        return path / "deep.pnm";
    }
};

TEST_F(Pictures, ComeBackFromPng) {
    for (auto [width, height] : {std::pair{1, 1}, {3, 2}, {65, 43}, {480, 480}}) {
        const Picture picture = noise(width, height, 1);
        write(path / "a.png", picture);
        EXPECT_EQ(read_picture(path / "a.png"), picture) << width << "x" << height;
    }
}

TEST_F(Pictures, AreTheSameInAnyLosslessFormat) {
    const Picture picture = noise(67, 41, 2);
    write(path / "a.png", picture);
    if (!ffmpeg("-i " + (path / "a.png").string() + " " + (path / "b.png").string()))
        GTEST_SKIP() << "the program ffmpeg is needed";
    for (const char *name : {"a.bmp", "a.tga", "a.ppm", "a.pam", "a.pcx", "a.sgi", "a.dpx",
                             "a.tiff", "-pix_fmt rgba", "-pix_fmt gbrp -c:v ffv1 -f matroska"}) {
        const bool format = name[0] != '-';
        const auto file = path / (format ? name : "b.png");
        ASSERT_TRUE(ffmpeg("-i " + (path / "a.png").string() +
                           (format ? "" : std::string(" ") + name) + " -sws_flags accurate_rnd " +
                           file.string()));
        const Picture read = read_picture(file);
        EXPECT_EQ(read, picture) << name;
    }
}

TEST_F(Pictures, DeepSamplesAreRounded) {
    std::vector<int> samples;
    for (int i = 0; i < 65536; ++i) samples.push_back(i);
    const Picture gray = read_picture(deep("P5", samples, 256));
    samples.resize(65535);
    const Picture color = read_picture(deep("P6", samples, 5));
    for (int i = 0; i < 65535; ++i) {
        const int expected = int(std::lround(i / 257.0));
        ASSERT_EQ(color.rgb[size_t(i)], expected) << i;
        for (int c = 0; c < 3; ++c) ASSERT_EQ(gray.rgb[size_t(3 * i + c)], expected) << i;
    }
}

TEST_F(Pictures, FloatsAreClippedAndRounded) {
    std::string text = "PF\n2 1\n-1.0\n";
    for (float value : {0.5F, 1.7F, -0.3F, 0.0F, 1.0F, 100.4F / 255}) {
        char bytes[4];
        std::memcpy(bytes, &value, 4);
        text.append(bytes, 4);
    }
    write_text(path / "a.pfm", text);
    EXPECT_EQ(read_picture(path / "a.pfm").rgb, (std::vector<uint8_t>{128, 255, 0, 0, 255, 100}));
}

TEST_F(Pictures, GrayAndBitsBecomeRgb) {
    write_text(path / "a.pgm", std::string("P5\n3 1\n255\n") + '\0' + '\x7f' + '\xff');
    EXPECT_EQ(read_picture(path / "a.pgm").rgb,
              (std::vector<uint8_t>{0, 0, 0, 127, 127, 127, 255, 255, 255}));
    write_text(path / "a.pbm", std::string("P4\n3 1\n") + '\xa0');  // a bit of 1 is black
    EXPECT_EQ(read_picture(path / "a.pbm").rgb,
              (std::vector<uint8_t>{0, 0, 0, 255, 255, 255, 0, 0, 0}));
}

TEST_F(Pictures, NamesAreOnlyNames) {
    const Picture picture = noise(20, 10, 3);
    for (const char *name : {"two words.png", "größe %03d.png", "http:x.png", "-i.png", "png"}) {
        write(path / name, picture);
        EXPECT_EQ(read_picture(path / name), picture) << name;
    }
    std::filesystem::copy_file(path / "png", path / "misnamed.jpg");
    EXPECT_EQ(read_picture(path / "misnamed.jpg"), picture);
}

TEST_F(Pictures, WhatIsNoneIsNamedWithTheReason) {
    const auto message = [&](const char *name) {
        return message_of([&] { read_picture(path / name); });
    };
    write_text(path / "empty.png", "");
    write_text(path / "text.png", "no picture\n");
    std::filesystem::create_directory(path / "folder.png");
    for (const char *name : {"absent.png", "empty.png", "text.png", "folder.png"})
        EXPECT_NE(message(name).find((path / name).string() + ": "), std::string::npos)
            << message(name);
    EXPECT_NE(message("absent.png").find("No such file"), std::string::npos);
}

TEST_F(Pictures, CutShortAreNone) {
    write(path / "a.png", noise(64, 48, 4));
    std::vector<std::string> names = {"a.png"};
    for (const char *name : {"a.jpg", "a.bmp", "a.ppm", "a.tga", "a.tiff", "a.webp"})
        if (ffmpeg("-i " + (path / "a.png").string() + " " + (path / name).string()))
            names.push_back(name);
    for (const std::string &name : names) {
        const std::string whole = text_of(path / name);
        for (size_t kept : {size_t(0), size_t(1), size_t(9), whole.size() / 4, whole.size() / 2,
                            whole.size() * 9 / 10}) {
            write_text(path / ("cut_" + name), whole.substr(0, kept));
            EXPECT_THROW(read_picture(path / ("cut_" + name)), std::runtime_error)
                << name << ", " << kept << " of " << whole.size();
        }
    }
}

TEST_F(Pictures, DamagedOnesDoNoHarm) {
    write(path / "a.png", noise(40, 30, 5));
    ffmpeg("-i " + (path / "a.png").string() + " " + (path / "a.jpg").string());
    ffmpeg("-i " + (path / "a.png").string() + " " + (path / "a.webp").string());
    std::mt19937 random(6);
    for (const char *name : {"a.png", "a.jpg", "a.webp"}) {
        const std::string whole = text_of(path / name);
        for (int i = 0; i < 200 && !whole.empty(); ++i) {
            std::string damaged = whole;
            for (int k = 0; k < 8; ++k) damaged[random() % damaged.size()] = char(random());
            try {
                decode_picture(std::as_bytes(std::span(damaged)), name);
            } catch (const std::runtime_error &) {
            }
        }
    }
}

class FrameASecond : public Folder {
protected:
    // Three seconds that move, then three that stand still.
    bool make(const std::string &name, const std::string &codec) {
        return ffmpeg(
            "-f lavfi -i testsrc2=s=96x64:r=25:d=3 -f lavfi -i color=gray:s=96x64:r=25:d=3"
            " -filter_complex concat -q:v 2 -g 40 -pix_fmt yuv420p -c:v " +
            codec + " " + (path / name).string());
    }
};

TEST_F(FrameASecond, GiveAFrameASecondButForStillOnes) {
    if (!make("a.mp4", "mpeg4")) GTEST_SKIP() << "the program ffmpeg is needed";
    const auto video = path / "a.mp4";
    ASSERT_EQ(seconds_of(video), 6);
    for (int second : {2, 0, 1, 3}) {
        const std::optional<Picture> picture = read_second(video, second);
        ASSERT_TRUE(picture) << second;
        EXPECT_EQ(picture->width, 96);
        EXPECT_EQ(*picture, *read_second(video, second));
        ASSERT_TRUE(
            ffmpeg("-i " + video.string() + " -vf \"select='eq(n," + std::to_string(25 * second) +
                   ")'\" -sws_flags bicubic+accurate_rnd+full_chroma_int+full_chroma_inp+bitexact "
                   "-frames:v 1 " +
                   (path / "frame.png").string()));
        EXPECT_EQ(*picture, read_picture(path / "frame.png")) << second;
    }
    EXPECT_FALSE(read_second(video, 4));  // as 3
    EXPECT_FALSE(read_second(video, 5));
    EXPECT_FALSE(read_second(video, 1000));
}

TEST_F(FrameASecond, CutShortGiveWhatIsThere) {
    if (!make("a.mp4", "mpeg4") || !make("a.ts", "mpeg2video"))
        GTEST_SKIP() << "the program ffmpeg is needed";
    const std::string whole = text_of(path / "a.ts");
    write_text(path / "cut.ts", whole.substr(0, whole.size() * 3 / 4));
    for (int second : {1, 0, 2}) {
        EXPECT_TRUE(read_second(path / "cut.ts", second)) << second;
        EXPECT_EQ(read_second(path / "cut.ts", second), read_second(path / "a.ts", second))
            << second;
    }
    EXPECT_NE(read_second(path / "cut.ts", 1), read_second(path / "cut.ts", 2));
    write_text(path / "cut.mp4", text_of(path / "a.mp4").substr(0, 2000));
    const std::string message = message_of([&] { seconds_of(path / "cut.mp4"); });
    EXPECT_NE(message.find("cut.mp4: is no video: "), std::string::npos) << message;
}

}  // namespace
}  // namespace mdrn::training
