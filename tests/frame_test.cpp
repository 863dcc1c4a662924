// SPDX-License-Identifier: BSD-2-Clause
#include "frame.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>

#include "picture.h"

namespace mdrn::test {
namespace {

struct Matrix {
    int tag;
    double kr, kb;
};
// H.273, table 4.
constexpr Matrix kMatrices[] = {{1, 0.2126, 0.0722}, {4, 0.30, 0.11},   {5, 0.299, 0.114},
                                {6, 0.299, 0.114},   {7, 0.212, 0.087}, {9, 0.2627, 0.0593}};

const Matrix &matrix_of(int tag) {
    for (const Matrix &m : kMatrices)
        if (m.tag == tag) return m;
    return kMatrices[0];
}

// H.273, equations 23 to 31 and 38 to 43, turned round.
void expect_rgb(const double code[3], int depth, bool limited, const Matrix &m, double rgb[3]) {
    const double top = std::pow(2, depth) - 1, unit = std::pow(2, depth - 8),
                 middle = std::pow(2, depth - 1);
    const double y = limited ? (code[0] - 16 * unit) / (219 * unit) : code[0] / top;
    const double cb = (code[1] - middle) / (limited ? 224 * unit : top);
    const double cr = (code[2] - middle) / (limited ? 224 * unit : top);
    rgb[0] = y + 2 * (1 - m.kr) * cr;
    rgb[2] = y + 2 * (1 - m.kb) * cb;
    rgb[1] = (y - m.kr * rgb[0] - m.kb * rgb[2]) / (1 - m.kr - m.kb);
}

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

TEST(Frame, Yuv444FollowsMatrixRangeAndDepth) {
    for (const Matrix &m : kMatrices)
        for (const bool limited : {true, false})
            for (const int depth : {8, 10, 12, 16}) {
                SCOPED_TRACE(testing::Message()
                             << "matrix " << m.tag << " limited " << limited << " depth " << depth);
                Picture in(67, 9, planar(MDRN_COLOR_YUV, 3, depth));
                in.image.matrix = m.tag;
                in.image.range = limited ? MDRN_RANGE_LIMITED : MDRN_RANGE_FULL;
                fill(in, unsigned(depth));
                FrameConverter converter(nullptr);
                Rgb rgb(67, 9);
                converter.unpack(in.image, rgb.planes);
                for (int y = 0; y < 9; ++y)
                    for (int x = 0; x < 67; ++x) {
                        const double code[3] = {double(in.get(0, y, x)), double(in.get(1, y, x)),
                                                double(in.get(2, y, x))};
                        double expected[3];
                        expect_rgb(code, depth, limited, m, expected);
                        for (int c = 0; c < 3; ++c) ASSERT_NEAR(rgb.at(c, y, x), expected[c], 2e-6);
                    }
                round_trip(in);
            }
}

TEST(Frame, UntaggedMatrixFollowsTheSizeOfTheInput) {
    const std::tuple<int, int, int> cases[] = {
        {1279, 2, 6}, {1280, 2, 1}, {2, 576, 6}, {2, 577, 1}};
    const uint32_t code[3] = {120, 90, 170};
    for (const auto &[width, height, tag] : cases) {
        Picture in(width, height, planar(MDRN_COLOR_YUV, 3, 8));
        fill_constant(in, code);
        FrameConverter converter(nullptr);
        Rgb rgb(width, height);
        converter.unpack(in.image, rgb.planes);
        double expected[3];
        const double codes[3] = {120, 90, 170};
        expect_rgb(codes, 8, true, matrix_of(tag), expected);
        for (int c = 0; c < 3; ++c)
            EXPECT_NEAR(rgb.at(c, 0, 0), expected[c], 2e-6) << width << "x" << height;
        Rgb large(width * 2, height * 2);
        for (int c = 0; c < 3; ++c)
            for (int y = 0; y < height * 2; ++y)
                for (int x = 0; x < width * 2; ++x) large.at(c, y, x) = float(expected[c]);
        Picture out(width * 2, height * 2, planar(MDRN_COLOR_YUV, 3, 8));
        converter.pack(large.planes, out.image);
        for (int i = 0; i < 3; ++i) EXPECT_EQ(out.get(i, height, width), code[i]);
    }
}

TEST(Frame, SubsampledConstantsKeepTheirCodesAtAnySize) {
    for (const auto &[w, h] : {std::pair(1, 1), {1, 0}, {0, 1}, {2, 0}, {2, 2}})
        for (const int depth : {8, 10})
            for (int width = 1; width <= 9; ++width)
                for (int height = 1; height <= 7; ++height) {
                    SCOPED_TRACE(testing::Message() << w << h << " " << width << "x" << height);
                    Picture in(width, height, planar(MDRN_COLOR_YUV, 3, depth, w, h), height % 2);
                    const uint32_t code[3] = {100U << (depth - 8), 60U << (depth - 8),
                                              190U << (depth - 8)};
                    fill_constant(in, code);
                    FrameConverter converter(nullptr);
                    Rgb rgb(width, height);
                    converter.unpack(in.image, rgb.planes);
                    double expected[3];
                    const double codes[3] = {double(code[0]), double(code[1]), double(code[2])};
                    expect_rgb(codes, depth, true, matrix_of(6), expected);
                    for (int c = 0; c < 3; ++c)
                        for (int y = 0; y < height; ++y)
                            for (int x = 0; x < width; ++x)
                                ASSERT_NEAR(rgb.at(c, y, x), expected[c], 3e-6);
                    round_trip(in);
                }
}

// Catmull-Rom reproduces a ramp away from the borders, so the ramp's phase shows the siting.
TEST(Frame, ChromaSitsWhereItIsTagged) {
    for (int location = MDRN_CHROMA_UNSPECIFIED; location <= MDRN_CHROMA_BOTTOM; ++location) {
        SCOPED_TRACE(location);
        const int at = location == MDRN_CHROMA_UNSPECIFIED ? MDRN_CHROMA_LEFT : location;
        const bool left =
            at == MDRN_CHROMA_LEFT || at == MDRN_CHROMA_TOP_LEFT || at == MDRN_CHROMA_BOTTOM_LEFT;
        const double dx = left ? 0 : 0.5;
        const double dy = at <= MDRN_CHROMA_CENTER ? 0.5 : at <= MDRN_CHROMA_TOP ? 0 : 1;
        Picture in(48, 40, planar(MDRN_COLOR_YUV, 3, 16, 1, 1));
        in.image.matrix = 1;
        in.image.chroma_location = mdrn_chroma_location(location);
        const uint32_t code[3] = {30000, 32768, 32768};
        fill_constant(in, code);
        const auto ramp = [](double x, double y) { return 20000 + 300 * x + 170 * y; };
        for (int y = 0; y < 20; ++y)
            for (int x = 0; x < 24; ++x) in.set(2, y, x, uint32_t(ramp(2 * x + dx, 2 * y + dy)));
        FrameConverter converter(nullptr);
        Rgb rgb(48, 40);
        converter.unpack(in.image, rgb.planes);
        Rgb ideal(48, 40);
        for (int y = 0; y < 40; ++y)
            for (int x = 0; x < 48; ++x) {
                const double codes[3] = {30000, 32768, ramp(x, y)};
                double expected[3];
                expect_rgb(codes, 16, true, matrix_of(1), expected);
                for (int c = 0; c < 3; ++c) {
                    ideal.at(c, y, x) = float(expected[c]);
                    const bool inside = x >= 6 && x < 42 && y >= 6 && y < 34;
                    if (inside) {
                        ASSERT_NEAR(rgb.at(c, y, x), expected[c], 2e-5);
                    }
                }
            }
        Picture out(48, 40, in.image.layout);
        out.image.matrix = 1;
        out.image.chroma_location = in.image.chroma_location;
        converter.pack(ideal.planes, out.image);
        for (int y = 4; y < 16; ++y)
            for (int x = 4; x < 20; ++x) ASSERT_NEAR(out.get(2, y, x), in.get(2, y, x), 1);
    }
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

TEST(Frame, NeutralYuvHasEqualComponentsAndBlackAndWhiteStay) {
    Picture in(220, 2, planar(MDRN_COLOR_YUV, 3, 8, 1, 1));
    in.image.matrix = 1;
    const uint32_t code[3] = {16, 128, 128};
    fill_constant(in, code);
    for (int x = 0; x < 220; ++x)
        in.set(0, 0, x, uint32_t(16 + x)), in.set(0, 1, x, uint32_t(16 + x));
    FrameConverter converter(nullptr);
    Rgb rgb(220, 2);
    converter.unpack(in.image, rgb.planes);
    EXPECT_EQ(rgb.at(0, 0, 0), 0);
    EXPECT_NEAR(rgb.at(0, 0, 219), 1, 1e-6);
    for (int x = 0; x < 220; ++x) {
        EXPECT_NEAR(rgb.at(0, 0, x), rgb.at(1, 0, x), 1e-6);
        EXPECT_NEAR(rgb.at(2, 0, x), rgb.at(1, 0, x), 1e-6);
        if (x > 0) {
            EXPECT_GT(rgb.at(1, 0, x), rgb.at(1, 0, x - 1));
        }
    }
    round_trip(in);
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
    int warnings = 0;
    FrameConverter converter([&](const std::string &) { ++warnings; });
    Picture in(4, 3, planar(MDRN_COLOR_RGB, 3, 32, 0, 0, true));
    for (int i = 0; i < 3; ++i)
        for (int y = 0; y < 3; ++y)
            for (int x = 0; x < 4; ++x) in.set_float(i, y, x, 0.5F);
    Rgb rgb(4, 3);
    converter.unpack(in.image, rgb.planes);
    EXPECT_EQ(warnings, 0);
    in.set_float(0, 1, 2, std::numeric_limits<float>::quiet_NaN());
    in.set_float(2, 2, 3, -std::numeric_limits<float>::infinity());
    converter.unpack(in.image, rgb.planes);
    converter.unpack(in.image, rgb.planes);
    EXPECT_EQ(warnings, 1);
    EXPECT_EQ(rgb.at(0, 1, 2), 0);
    EXPECT_EQ(rgb.at(2, 2, 3), 0);
    EXPECT_EQ(rgb.at(1, 1, 2), 0.5F);
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
