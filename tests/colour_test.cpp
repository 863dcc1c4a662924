// SPDX-License-Identifier: BSD-2-Clause
// Colours of pictures read and written, against H.273 in float64.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "colour_model.h"

namespace mdrn::test {
namespace {

struct Case {
    Tags tags;
    int log2_w = 0, log2_h = 0;
    int location = MDRN_CHROMA_UNSPECIFIED;
    int width = 19, height = 11;
    mdrn_range range() const { return tags.limited ? MDRN_RANGE_LIMITED : MDRN_RANGE_FULL; }
};

std::ostream &operator<<(std::ostream &out, const Case &c) {
    return out << c.width << "x" << c.height << " matrix " << c.tags.matrix << " transfer "
               << c.tags.transfer << (c.tags.limited ? " limited " : " full ") << c.tags.depth
               << " bits, chroma by " << (1 << c.log2_w) << "x" << (1 << c.log2_h) << " at "
               << c.location;
}

Picture picture_for(const Case &c) {
    Picture picture(c.width, c.height, planar(MDRN_COLOR_YUV, 3, c.tags.depth, c.log2_w, c.log2_h),
                    c.height % 2);
    picture.image.matrix = c.tags.matrix;
    picture.image.transfer = c.tags.transfer;
    picture.image.range = c.range();
    picture.image.chroma_location = mdrn_chroma_location(c.location);
    return picture;
}

// Saturated colours, from black to white, that no two neighbours share.
double colour_at(int c, int y, int x) {
    return 0.5 + 0.5 * std::sin(0.9 * x + 2.1 * c + 0.7 * y * (c + 1));
}

Plane rounded_up(Plane plane, const Case &c) {
    const int w = 1 << c.log2_w, h = 1 << c.log2_h;
    Plane full((plane.width + w - 1) / w * w, (plane.height + h - 1) / h * h);
    for (int y = 0; y < full.height; ++y)
        for (int x = 0; x < full.width; ++x)
            full.at(y, x) = plane.at(std::min(y, plane.height - 1), std::min(x, plane.width - 1));
    return full;
}

// The codes that rgb should become, component by component.
std::vector<Plane> expected_codes(Rgb &rgb, const Case &c, const mdrn_image &image) {
    std::vector<Plane> planes(3, Plane(c.width, c.height));
    for (int y = 0; y < c.height; ++y)
        for (int x = 0; x < c.width; ++x) {
            const Triple code =
                codes_of_rgb({rgb.at(0, y, x), rgb.at(1, y, x), rgb.at(2, y, x)}, c.tags);
            for (size_t i = 0; i < 3; ++i) planes[i].at(y, x) = code[i];
        }
    for (size_t i = 1; i < 3; ++i) planes[i] = chroma_from_full(rounded_up(planes[i], c), image);
    return planes;
}

// Both within a few float32 roundings of full scale.
double tolerance(const Case &c) {
    const bool curved = c.tags.matrix == 10 || c.tags.matrix == 14;
    return std::ldexp(curved ? 4e-6 : 1e-6, c.tags.depth);
}

void expect_packed(const Case &c, Picture &picture) {
    Rgb rgb(c.width, c.height);
    for (int i = 0; i < 3; ++i)
        for (int y = 0; y < c.height; ++y)
            for (int x = 0; x < c.width; ++x) rgb.at(i, y, x) = float(colour_at(i, y, x));
    FrameConverter(nullptr).pack(rgb.planes, picture.image);
    std::vector<Plane> expected = expected_codes(rgb, c, picture.image);
    const double top = std::ldexp(1, c.tags.depth) - 1;
    for (int i = 0; i < 3; ++i)
        for (int y = 0; y < picture.lines(i); ++y)
            for (int x = 0; x < picture.columns(i); ++x)
                ASSERT_NEAR(picture.get(i, y, x),
                            std::clamp(expected[size_t(i)].at(y, x), 0.0, top), 0.5 + tolerance(c))
                    << c << ": component " << i << ", " << x << "," << y;
    EXPECT_TRUE(picture.guards_intact());
}

void expect_unpacked(const Case &c, const Picture &picture) {
    Rgb rgb(c.width, c.height);
    FrameConverter(nullptr).unpack(picture.image, rgb.planes);
    std::vector<Plane> planes;
    for (int i = 0; i < 3; ++i) {
        Plane codes(picture.columns(i), picture.lines(i));
        for (int y = 0; y < codes.height; ++y)
            for (int x = 0; x < codes.width; ++x) codes.at(y, x) = picture.get(i, y, x);
        planes.push_back(i ? chroma_in_full(codes, picture.image) : codes);
    }
    for (int y = 0; y < c.height; ++y)
        for (int x = 0; x < c.width; ++x) {
            const Triple back =
                codes_of_rgb({rgb.at(0, y, x), rgb.at(1, y, x), rgb.at(2, y, x)}, c.tags);
            for (size_t i = 0; i < 3; ++i)
                ASSERT_NEAR(back[i], planes[i].at(y, x), tolerance(c))
                    << c << ": component " << i << ", " << x << "," << y;
        }
}

void expect_right(const Case &c) {
    Picture picture = picture_for(c);
    expect_packed(c, picture);
    expect_unpacked(c, picture);
}

// Every matrix that there is, with the transfers that it may have.
constexpr std::pair<int, int> kMatrices[] = {{0, 13},  {1, 1},  {4, 2},   {5, 5},  {6, 6},
                                             {7, 7},   {8, 13}, {9, 16},  {10, 2}, {10, 1},
                                             {10, 15}, {14, 2}, {14, 16}, {14, 18}};
constexpr std::pair<int, int> kSubsamplings[] = {{0, 0}, {1, 0}, {1, 1}, {0, 1}, {2, 0}, {2, 2}};

TEST(Colour, EveryMatrixRangeAndDepth) {
    for (const auto &[matrix, transfer] : kMatrices)
        for (const bool limited : {true, false})
            for (int depth = 1; depth <= 16; ++depth) {
                Case c{{matrix, transfer, limited, depth}};
                expect_right(c);
                c.log2_w = c.log2_h = 1;
                if (matrix) expect_right(c);
            }
}

TEST(Colour, EverySitingAndSubsampling) {
    for (const auto &[w, h] : kSubsamplings)
        for (int location = MDRN_CHROMA_UNSPECIFIED; location <= MDRN_CHROMA_BOTTOM; ++location)
            for (const auto &[width, height] : {std::pair(24, 16), {19, 11}, {37, 3}, {70, 67}})
                expect_right({{1, 1, true, 16}, w, h, location, width, height});
}

TEST(Colour, EverySmallSize) {
    for (const auto &[w, h] : kSubsamplings)
        for (int width = 1; width <= 9; ++width)
            for (int height = 1; height <= 9; ++height)
                expect_right({{6, 6, true, 10}, w, h, MDRN_CHROMA_CENTER, width, height});
}

TEST(Colour, UntaggedFollowsTheSizeOfThePictureSent) {
    const std::tuple<int, int, int> cases[] = {
        {1279, 2, 6}, {1280, 2, 1}, {2, 576, 6}, {2, 577, 1}};
    for (const auto &[width, height, matrix] : cases) {
        const Case c{{matrix, 2, true, 8}, 1, 1, MDRN_CHROMA_UNSPECIFIED, width, height};
        Picture picture = picture_for(c);
        expect_packed(c, picture);
        picture.image.matrix = 2;
        picture.image.range = MDRN_RANGE_UNSPECIFIED;
        expect_unpacked(c, picture);

        Case large = c;
        large.width *= 3, large.height *= 3;
        Picture out = picture_for(large);
        out.image.matrix = 2;
        FrameConverter converter(nullptr);
        Rgb rgb(width, height), hr(large.width, large.height);
        converter.unpack(picture.image, rgb.planes);
        for (int i = 0; i < 3; ++i)
            for (int y = 0; y < large.height; ++y)
                for (int x = 0; x < large.width; ++x) hr.at(i, y, x) = float(colour_at(i, 0, 0));
        converter.pack(hr.planes, out.image);
        const Triple code =
            codes_of_rgb({hr.at(0, 0, 0), hr.at(1, 0, 0), hr.at(2, 0, 0)}, large.tags);
        for (int i = 0; i < 3; ++i) EXPECT_NEAR(out.get(i, 0, 0), code[size_t(i)], 0.501) << c;
    }
}

TEST(Colour, GbrIsFullRangeWhereItSaysNothing) {
    Case c{{0, 13, false, 8}};
    Picture picture = picture_for(c);
    expect_packed(c, picture);
    picture.image.range = MDRN_RANGE_UNSPECIFIED;
    expect_unpacked(c, picture);
}

// A picture with every luma code and no chroma.
Picture ramp(const Case &c) {
    Picture picture = picture_for(c);
    for (int i = 0; i < 3; ++i)
        for (int y = 0; y < picture.lines(i); ++y)
            for (int x = 0; x < picture.columns(i); ++x)
                picture.set(i, y, x, i ? 1U << (c.tags.depth - 1) : uint32_t(x));
    return picture;
}

TEST(Colour, GraysAreNeutralMonotoneAndKeepTheirCodes) {
    for (const auto &[matrix, transfer] : kMatrices)
        for (const bool limited : {true, false})
            for (const int depth : {8, 10, 12, 16}) {
                if (!matrix) continue;
                const Case c{{matrix, transfer, limited, depth}, 1, 1, 1, 1 << depth, 2};
                SCOPED_TRACE(testing::Message() << c);
                Picture in = ramp(c), out = picture_for(c);
                Rgb rgb(c.width, c.height);
                FrameConverter converter(nullptr);
                converter.unpack(in.image, rgb.planes);
                const double slack = matrix == 10 || matrix == 14 ? 1e-6 : 0;
                for (int x = 0; x < c.width; ++x) {
                    ASSERT_NEAR(rgb.at(0, 0, x), rgb.at(1, 0, x), slack) << x;
                    ASSERT_NEAR(rgb.at(2, 0, x), rgb.at(1, 0, x), slack) << x;
                    if (x > 0) {
                        ASSERT_GT(rgb.at(1, 0, x), rgb.at(1, 0, x - 1)) << x;
                    }
                }
                converter.pack(rgb.planes, out.image);
                for (int i = 0; i < 3; ++i)
                    for (int x = 0; x < out.columns(i); ++x)
                        ASSERT_EQ(out.get(i, 0, x), in.get(i, 0, x)) << i << " " << x;
            }
}

TEST(Colour, LimitedBlackAndWhiteAreZeroAndOneAndNothingIsClippedBefore) {
    for (const int depth : {8, 10, 12, 16}) {
        const Case c{{1, 1, true, depth}, 1, 1, 1, 1 << depth, 2};
        Picture in = ramp(c);
        Rgb rgb(c.width, c.height);
        FrameConverter(nullptr).unpack(in.image, rgb.planes);
        EXPECT_EQ(rgb.at(0, 0, 16 << (depth - 8)), 0);
        EXPECT_EQ(rgb.at(0, 0, 235 << (depth - 8)), 1);
        EXPECT_NEAR(rgb.at(0, 0, 0), -16.0 / 219, 1e-6);
        EXPECT_GT(rgb.at(0, 0, c.width - 1), 1.08);
    }
}

TEST(Colour, IntegersAreClippedToTheirCodesWhenWritten) {
    for (const auto &[matrix, transfer] : kMatrices) {
        const Case c{{matrix, transfer, true, 8}, 0, 0, 0, 4, 1};
        Picture out = picture_for(c);
        Rgb rgb(4, 1);
        const float values[] = {-9, 9, -1e9F, 1e9F};
        for (int i = 0; i < 3; ++i)
            for (int x = 0; x < 4; ++x) rgb.at(i, 0, x) = values[x];
        FrameConverter(nullptr).pack(rgb.planes, out.image);
        for (int x = 0; x < 4; ++x) EXPECT_EQ(out.get(0, 0, x), x % 2 ? 255U : 0U) << c;
    }
}

// No sum of RGB within the cube reaches them, but files hold them.
TEST(Colour, CodesOutsideTheCubeAreKept) {
    for (const auto &[matrix, transfer] : kMatrices) {
        if (matrix == 14) continue;
        for (const int depth : {8, 16}) {
            const Case c{{matrix, transfer, true, depth}, 0, 0, 0, 64, 16};
            Picture in = picture_for(c), out = picture_for(c);
            for (int i = 0; i < 3; ++i)
                for (int y = 0; y < 16; ++y)
                    for (int x = 0; x < 64; ++x)
                        in.set(i, y, x, uint32_t(40503 * (x + 64 * y + 1024 * i)) & in.mask(i));
            expect_unpacked(c, in);
            Rgb rgb(64, 16);
            FrameConverter converter(nullptr);
            converter.unpack(in.image, rgb.planes);
            converter.pack(rgb.planes, out.image);
            for (int i = 0; i < 3; ++i)
                for (int y = 0; y < 16; ++y)
                    for (int x = 0; x < 64; ++x)
                        ASSERT_EQ(out.get(i, y, x), in.get(i, y, x)) << c << " " << i;
        }
    }
}

TEST(Colour, LinearLightIsWarnedOfOnce) {
    for (const mdrn_color_model model : {MDRN_COLOR_GRAY, MDRN_COLOR_YUV, MDRN_COLOR_RGB}) {
        std::vector<std::string> told;
        FrameConverter converter([&](const std::string &message) { told.push_back(message); });
        Picture in(4, 3, planar(model, model == MDRN_COLOR_GRAY ? 1 : 3, 8));
        Rgb rgb(4, 3);
        for (const int transfer : {0, 1, 2, 16, 18}) {
            in.image.transfer = transfer;
            converter.unpack(in.image, rgb.planes);
        }
        EXPECT_TRUE(told.empty());
        in.image.transfer = 8;
        converter.unpack(in.image, rgb.planes);
        converter.unpack(in.image, rgb.planes);
        ASSERT_EQ(told.size(), 1U);
        EXPECT_NE(told[0].find("linear"), std::string::npos) << told[0];
    }
}

}  // namespace
}  // namespace mdrn::test
