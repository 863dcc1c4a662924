// SPDX-License-Identifier: BSD-2-Clause
#include "frame.h"

#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <random>
#include <string>
#include <vector>

#include "picture.h"

namespace mdrn::test {
namespace {

void fill(Picture &picture, unsigned seed) {
    std::mt19937 random(seed);
    for (int i = 0; i < picture.image.layout.components; ++i)
        for (int y = 0; y < picture.lines(i); ++y)
            for (int x = 0; x < picture.columns(i); ++x)
                picture.set(i, y, x, random() & picture.mask(i));
}

void fill_constant(Picture &picture, const uint32_t code[3]) {
    for (int i = 0; i < 3; ++i)
        for (int y = 0; y < picture.lines(i); ++y)
            for (int x = 0; x < picture.columns(i); ++x) picture.set(i, y, x, code[i]);
}

void expect_same(const Picture &a, const Picture &b) {
    for (int i = 0; i < a.image.layout.components; ++i)
        for (int y = 0; y < a.lines(i); ++y)
            for (int x = 0; x < a.columns(i); ++x)
                ASSERT_EQ(a.get(i, y, x), b.get(i, y, x))
                    << "component " << i << ", " << x << "," << y;
}

void round_trip(Picture &in, bool upside_down = false) {
    FrameConverter converter(nullptr);
    Rgb rgb(in.image.width, in.image.height);
    converter.unpack(in.image, rgb.planes);
    Picture out(in.image.width, in.image.height, in.image.layout, upside_down);
    out.image.matrix = in.image.matrix;
    out.image.range = in.image.range;
    out.image.chroma_location = in.image.chroma_location;
    converter.pack(rgb.planes, out.image);
    expect_same(in, out);
    EXPECT_TRUE(out.guards_intact());
    EXPECT_TRUE(in.guards_intact());
}

TEST(Frame, EveryPackingKeepsItsCodes) {
    const mdrn_layout layouts[] = {
        packed(MDRN_COLOR_RGB, {{0, 3, 0, 0, 8}, {0, 3, 1, 0, 8}, {0, 3, 2, 0, 8}}),
        packed(MDRN_COLOR_RGB,
               {{0, 4, 2, 0, 8}, {0, 4, 1, 0, 8}, {0, 4, 0, 0, 8}, {0, 4, 3, 0, 8}}),
        packed(MDRN_COLOR_RGB, {{0, 4, 1, 0, 8}, {0, 4, 2, 0, 8}, {0, 4, 3, 0, 8}}),
        packed(MDRN_COLOR_RGB, {{0, 6, 0, 0, 16}, {0, 6, 2, 0, 16}, {0, 6, 4, 0, 16}}),
        packed(MDRN_COLOR_RGB, {{0, 6, 0, 0, 16}, {0, 6, 2, 0, 16}, {0, 6, 4, 0, 16}}, true),
        packed(MDRN_COLOR_RGB, {{0, 2, 0, 11, 5}, {0, 2, 0, 5, 6}, {0, 2, 0, 0, 5}}),
        packed(MDRN_COLOR_RGB, {{0, 2, 1, 3, 5}, {0, 2, 0, 5, 6}, {0, 2, 0, 0, 5}}),
        packed(MDRN_COLOR_RGB, {{0, 2, 0, 3, 5}, {0, 2, 0, 5, 6}, {0, 2, 1, 0, 5}}, true),
        packed(MDRN_COLOR_RGB, {{0, 4, 2, 4, 10}, {0, 4, 1, 2, 10}, {0, 4, 0, 0, 10}}),
        packed(MDRN_COLOR_RGB, {{0, 4, 0, 20, 10}, {0, 4, 0, 10, 10}, {0, 4, 0, 0, 10}}, true),
        packed(MDRN_COLOR_YUV, {{0, 1, 0, 0, 8}, {1, 2, 0, 0, 8}, {1, 2, 1, 0, 8}}),
        packed(MDRN_COLOR_YUV, {{0, 2, 0, 6, 10}, {1, 4, 0, 6, 10}, {1, 4, 2, 6, 10}}),
        packed(MDRN_COLOR_YUV,
               {{0, 4, 2, 0, 8}, {0, 4, 1, 0, 8}, {0, 4, 0, 0, 8}, {0, 4, 3, 0, 8}}),
        planar(MDRN_COLOR_RGB, 3, 14, 0, 0, false, true),
        planar(MDRN_COLOR_RGB, 4, 12),
        planar(MDRN_COLOR_GRAY, 1, 8),
        planar(MDRN_COLOR_GRAY, 1, 16),
        planar(MDRN_COLOR_GRAY, 2, 10),
        planar(MDRN_COLOR_YUV, 4, 8),
    };
    for (size_t k = 0; k < std::size(layouts); ++k)
        for (const bool upside_down : {false, true}) {
            SCOPED_TRACE(k);
            Picture in(19, 5, layouts[k], upside_down);
            fill(in, unsigned(k));
            round_trip(in, !upside_down);
        }
}

TEST(Frame, Nv12AndP010MatchPlanar) {
    for (const int depth : {8, 10}) {
        const int bytes = depth > 8 ? 2 : 1;
        const auto shift = uint8_t(depth > 8 ? 6 : 0);
        mdrn_layout layout = packed(
            MDRN_COLOR_YUV, {{0, uint8_t(bytes), 0, shift, uint8_t(depth)},
                             {1, uint8_t(2 * bytes), 0, shift, uint8_t(depth)},
                             {1, uint8_t(2 * bytes), uint8_t(bytes), shift, uint8_t(depth)}});
        layout.log2_chroma_w = layout.log2_chroma_h = 1;
        Picture semi(37, 21, layout), flat(37, 21, planar(MDRN_COLOR_YUV, 3, depth, 1, 1));
        fill(semi, 3);
        for (int i = 0; i < 3; ++i)
            for (int y = 0; y < flat.lines(i); ++y)
                for (int x = 0; x < flat.columns(i); ++x) flat.set(i, y, x, semi.get(i, y, x));
        FrameConverter converter(nullptr);
        Rgb a(37, 21), b(37, 21);
        converter.unpack(semi.image, a.planes);
        converter.unpack(flat.image, b.planes);
        EXPECT_EQ(a.memory, b.memory);
        converter.pack(a.planes, semi.image);
        converter.pack(a.planes, flat.image);
        expect_same(semi, flat);
        EXPECT_TRUE(semi.guards_intact() && flat.guards_intact());
        EXPECT_EQ(semi.read(1, 2, 2) & ((1U << shift) - 1U), 0U);  // padding
    }
}

TEST(Frame, BytesWithoutComponentAreOpaque) {
    Picture out(5, 3, packed(MDRN_COLOR_RGB, {{0, 4, 1, 0, 8}, {0, 4, 2, 0, 8}, {0, 4, 3, 0, 8}}));
    Rgb rgb(5, 3);
    FrameConverter(nullptr).pack(rgb.planes, out.image);
    EXPECT_EQ(out.at(0, 1, 1)[-1], 255);
    EXPECT_EQ(out.get(0, 1, 1), 0U);
}

TEST(Frame, WideAndTallPicturesAreConvertedWhole) {
    Picture in(4099, 131, planar(MDRN_COLOR_YUV, 3, 8, 1, 1));
    const uint32_t code[3] = {100, 60, 190};
    fill_constant(in, code);
    round_trip(in);
}

TEST(Frame, GrayStaysNeutralAndMonotone) {
    Picture in(256, 1, planar(MDRN_COLOR_GRAY, 1, 8));
    for (int x = 0; x < 256; ++x) in.set(0, 0, x, uint32_t(x));
    FrameConverter converter(nullptr);
    Rgb rgb(256, 1);
    converter.unpack(in.image, rgb.planes);
    for (int x = 0; x < 256; ++x) {
        EXPECT_FLOAT_EQ(rgb.at(0, 0, x), float(x) / 255);
        EXPECT_EQ(rgb.at(0, 0, x), rgb.at(1, 0, x));
        EXPECT_EQ(rgb.at(0, 0, x), rgb.at(2, 0, x));
    }
    rgb.at(0, 0, 9) = 1, rgb.at(1, 0, 9) = rgb.at(2, 0, 9) = 0;
    converter.pack(rgb.planes, in.image);
    EXPECT_EQ(in.get(0, 0, 9), 76U);
}

TEST(Frame, FloatRgbPassesBitExactlyAndUnclipped) {
    for (const bool big_endian : {false, true}) {
        Picture in(7, 5, planar(MDRN_COLOR_RGB, 4, 32, 0, 0, true, big_endian));
        for (int i = 0; i < 4; ++i)
            for (int y = 0; y < 5; ++y)
                for (int x = 0; x < 7; ++x)
                    in.set_float(i, y, x, float(i * 35 + y * 7 + x) * 0.37F - 9);
        round_trip(in);
    }
}

TEST(Frame, EveryFiniteHalfPasses) {
    Picture in(1024, 62, planar(MDRN_COLOR_RGB, 3, 16, 0, 0, true));
    for (int i = 0; i < 3; ++i)
        for (int y = 0; y < 62; ++y)
            for (int x = 0; x < 1024; ++x)
                in.set(i, y, x, uint32_t((y % 31 << 10) + x + (y >= 31 ? 0x8000 : 0)));
    FrameConverter converter(nullptr);
    Rgb rgb(1024, 62);
    converter.unpack(in.image, rgb.planes);
    EXPECT_EQ(rgb.at(0, 15, 0), 1.F);
    EXPECT_EQ(rgb.at(1, 0, 1), std::ldexp(1.F, -24));
    EXPECT_EQ(rgb.at(2, 30 + 31, 1023), -65504.F);
    round_trip(in);
}

TEST(Frame, NotFiniteCountsAsZeroAndIsWarnedOfOnce) {
    const std::pair<int, std::array<uint32_t, 4>> cases[] = {
        {32, {0x3f000000, 0x7fc00000, 0x7f800000, 0xff800000}},  // 0.5, NaN, +-infinity
        {16, {0x3800, 0x7e01, 0x7c00, 0xfc00}}};
    for (const auto &[depth, bits] : cases) {
        SCOPED_TRACE(depth);
        std::vector<std::string> told;
        FrameConverter converter([&](const std::string &message) { told.push_back(message); });
        Picture in(4, 3, planar(MDRN_COLOR_RGB, 3, depth, 0, 0, true));
        for (int i = 0; i < 3; ++i)
            for (int y = 0; y < 3; ++y)
                for (int x = 0; x < 4; ++x) in.set(i, y, x, bits[0]);
        Rgb rgb(4, 3);
        converter.unpack(in.image, rgb.planes);
        EXPECT_TRUE(told.empty());
        for (int i = 0; i < 3; ++i) in.set(i, 1, i + 1, bits[size_t(i) + 1]);
        converter.unpack(in.image, rgb.planes);
        converter.unpack(in.image, rgb.planes);
        ASSERT_EQ(told.size(), 1U);
        EXPECT_NE(told[0].find("not finite"), std::string::npos) << told[0];
        for (int i = 0; i < 3; ++i)
            for (int y = 0; y < 3; ++y)
                for (int x = 0; x < 4; ++x)
                    EXPECT_EQ(rgb.at(i, y, x), y == 1 && x == i + 1 ? 0 : 0.5F);
    }
}

TEST(Frame, ImageIsExtendedByItsLastColumnAndRow) {
    Picture in(3, 2, planar(MDRN_COLOR_RGB, 3, 8));
    fill(in, 1);
    Rgb rgb(16, 15);
    FrameConverter(nullptr).unpack(in.image, rgb.planes);
    for (int c = 0; c < 3; ++c)
        for (int y = 0; y < 15; ++y)
            for (int x = 0; x < 16; ++x)
                EXPECT_FLOAT_EQ(rgb.at(c, y, x),
                                float(in.get(c, std::min(y, 1), std::min(x, 2))) / 255);
}

TEST(Frame, IntegersAreRoundedAndClipped) {
    Picture out(6, 1, planar(MDRN_COLOR_RGB, 3, 8));
    Rgb rgb(6, 1);
    const float values[] = {-1.F, 2.F, 100.49F / 255, 100.51F / 255, NAN, INFINITY};
    const uint32_t codes[] = {0, 255, 100, 101, 0, 255};
    for (int c = 0; c < 3; ++c)
        for (int x = 0; x < 6; ++x) rgb.at(c, 0, x) = values[x];
    FrameConverter(nullptr).pack(rgb.planes, out.image);
    for (int x = 0; x < 6; ++x) EXPECT_EQ(out.get(0, 0, x), codes[x]);
}

TEST(Frame, AlphaIsResampledApart) {
    Picture in(24, 20, planar(MDRN_COLOR_YUV, 4, 8, 1, 1));
    fill(in, 5);
    for (int y = 0; y < 20; ++y)
        for (int x = 0; x < 24; ++x) in.set(3, y, x, uint32_t(10 + 6 * x + 3 * y));
    FrameConverter converter(nullptr);
    Rgb rgb(24, 20), hr(72, 60);
    converter.unpack(in.image, rgb.planes);
    Picture out(72, 60, in.image.layout);
    converter.pack(hr.planes, out.image);
    for (int y = 6; y < 54; ++y)
        for (int x = 6; x < 66; ++x)
            ASSERT_NEAR(out.get(3, y, x),
                        10 + 6 * ((x + 0.5) / 3 - 0.5) + 3 * ((y + 0.5) / 3 - 0.5), 0.51);
    EXPECT_TRUE(out.guards_intact());
}

}  // namespace
}  // namespace mdrn::test
