// SPDX-License-Identifier: BSD-2-Clause
// Every picture that cannot be is refused with a message that names what is wrong.
#include <gtest/gtest.h>

#include <climits>
#include <cstring>
#include <functional>
#include <set>
#include <string>

#include "error.h"
#include "picture.h"

namespace mdrn::test {
namespace {

// As a caller in C could.
template <typename Enum>
void set_raw(Enum &field, int value) {
    std::memcpy(&field, &value, sizeof field);
}

void expect_error(const std::function<void()> &act, mdrn_error code, const std::string &part) {
    try {
        act();
        ADD_FAILURE() << "nothing refused: " << part;
    } catch (const Error &error) {
        EXPECT_EQ(error.code, code) << error.what();
        EXPECT_NE(std::string(error.what()).find(part), std::string::npos) << error.what();
    }
}

void expect_refused(const std::function<void(mdrn_image &)> &spoil, const std::string &part,
                    mdrn_error code = MDRN_ERROR_INVALID_ARGUMENT) {
    SCOPED_TRACE(part);
    Picture picture(33, 21, planar(MDRN_COLOR_YUV, 3, 8, 1, 1));
    EXPECT_NO_THROW(check_image(picture.image, "the picture"));
    spoil(picture.image);
    expect_error([&] { check_image(picture.image, "the picture"); }, code, part);
    expect_error([&] { check_image(picture.image, "the picture"); }, code, "the picture");
}

TEST(Image, SizeAndMemory) {
    expect_refused([](mdrn_image &i) { i.size = 0; }, "sizeof(mdrn_image)");
    expect_refused([](mdrn_image &i) { set_raw(i.memory, 2); }, "memory");
    for (const int side : {0, -1, INT_MIN, INT_MAX, INT_MAX / 4}) {
        expect_refused([&](mdrn_image &i) { i.width = side; }, "size is");
        expect_refused([&](mdrn_image &i) { i.height = side; }, "size is");
    }
}

TEST(Image, Layout) {
    expect_refused([](mdrn_image &i) { set_raw(i.layout.model, 3); }, "colour model");
    for (const int count : {0, 1, 2, 5, 255})
        expect_refused([&](mdrn_image &i) { i.layout.components = uint8_t(count); }, "components");
    expect_refused([](mdrn_image &i) { i.layout.log2_chroma_w = 3; }, "log2_chroma");
    expect_refused([](mdrn_image &i) { i.layout.log2_chroma_h = 255; }, "log2_chroma");
    expect_refused([](mdrn_image &i) { i.layout.model = MDRN_COLOR_RGB; }, "log2_chroma");
    expect_refused([](mdrn_image &i) { i.layout.big_endian = 2; }, "0 or 1");
    expect_refused([](mdrn_image &i) { i.layout.is_float = 2; }, "0 or 1");
}

TEST(Image, Components) {
    expect_refused([](mdrn_image &i) { i.layout.component[1].plane = 4; },
                   "component 1 is in plane 4");
    expect_refused([](mdrn_image &i) { i.layout.component[2].depth = 0; }, "depth 0");
    expect_refused([](mdrn_image &i) { i.layout.component[2].depth = 17; }, "depth 17");
    expect_refused([](mdrn_image &i) { i.layout.component[2].depth = 255; }, "depth 255");
    expect_refused([](mdrn_image &i) { i.layout.component[0].shift = 25; }, "bit 33");
    expect_refused([](mdrn_image &i) { i.layout.component[0].step = 0; }, "step");
    expect_refused([](mdrn_image &i) { i.layout.component[0].offset = 1; }, "step");
    expect_refused([](mdrn_image &i) { i.layout.component[0].shift = 1; }, "step");
    expect_refused([](mdrn_image &i) { i.layout.is_float = 1; }, "float");
    expect_refused(
        [](mdrn_image &i) {
            i.layout.is_float = 1;
            i.layout.component[0] = {0, 4, 0, 1, 16};
        },
        "shift");
}

TEST(Image, Planes) {
    for (int p = 0; p < 3; ++p) {
        const std::string plane = "plane " + std::to_string(p);
        expect_refused([&](mdrn_image &i) { i.data[p] = nullptr; }, plane + " is NULL");
        const ptrdiff_t row = p ? 17 : 33;
        for (const ptrdiff_t stride :
             {ptrdiff_t(0), row - 1, 1 - row, PTRDIFF_MIN, PTRDIFF_MAX, PTRDIFF_MIN / 4})
            expect_refused([&](mdrn_image &i) { i.stride[p] = stride; }, plane + " has stride");
        Picture picture(33, 21, planar(MDRN_COLOR_YUV, 3, 8, 1, 1));
        picture.image.stride[p] = -row;
        EXPECT_NO_THROW(check_image(picture.image, "it"));
    }
}

TEST(Image, Colour) {
    expect_refused([](mdrn_image &i) { set_raw(i.range, 3); }, "range");
    expect_refused([](mdrn_image &i) { set_raw(i.chroma_location, 7); }, "chroma location");
    expect_refused([](mdrn_image &i) { i.matrix = 0; }, "0 (GBR), but the layout is subsampled");
    for (const int matrix : {-1, 3, 18, 255, INT_MAX, INT_MIN})
        expect_refused([&](mdrn_image &i) { i.matrix = matrix; },
                       "matrix is " + std::to_string(matrix));
    const std::pair<int, const char *> names[] = {{11, "SMPTE 2085"},
                                                  {12, "chromaticity-derived non-constant"},
                                                  {13, "chromaticity-derived constant"},
                                                  {15, "IPT-C2"},
                                                  {16, "YCgCo-Re"},
                                                  {17, "YCgCo-Ro"}};
    for (const auto &[matrix, name] : names)
        expect_refused([m = matrix](mdrn_image &i) { i.matrix = m; }, name, MDRN_ERROR_UNSUPPORTED);
    Picture rgb(3, 3, planar(MDRN_COLOR_RGB, 3, 8));
    rgb.image.matrix = 0;
    EXPECT_NO_THROW(check_image(rgb.image, "it"));
    Picture gbr(3, 3, planar(MDRN_COLOR_YUV, 3, 8));
    gbr.image.matrix = 0;
    EXPECT_NO_THROW(check_image(gbr.image, "it"));
}

TEST(Image, MatricesOfLightNeedTheirTransfer) {
    const std::pair<int, std::set<int>> cases[] = {{10, {1, 2, 6, 14, 15}}, {14, {2, 16, 18}}};
    for (const auto &[matrix, allowed] : cases)
        for (int transfer = -1; transfer <= 19; ++transfer) {
            const auto tag = [m = matrix, transfer](mdrn_image &i) {
                i.matrix = m;
                i.transfer = transfer;
            };
            Picture picture(33, 21, planar(MDRN_COLOR_YUV, 3, 8, 1, 1));
            tag(picture.image);
            if (allowed.count(transfer))
                EXPECT_NO_THROW(check_image(picture.image, "it"));
            else
                expect_refused(tag, "transfer is " + std::to_string(transfer),
                               MDRN_ERROR_UNSUPPORTED);
        }
}

TEST(Image, Pair) {
    const mdrn_layout layout = planar(MDRN_COLOR_YUV, 3, 8, 1, 1);
    const auto refused = [&](const std::function<void(mdrn_image &)> &spoil,
                             const std::string &part) {
        Picture in(5, 3, layout), out(15, 9, layout);
        EXPECT_NO_THROW(check_pair(in.image, out.image, 3));
        spoil(out.image);
        expect_error([&] { check_pair(in.image, out.image, 3); }, MDRN_ERROR_INVALID_ARGUMENT,
                     part);
    };
    refused([](mdrn_image &i) { i.width = 14; }, "15x9");
    refused([](mdrn_image &i) { i.height = 8; }, "15x9");
    refused([](mdrn_image &i) { i.layout.component[0].depth = 7; }, "layout");
    refused([](mdrn_image &i) { i.layout.log2_chroma_h = 2; }, "layout");
    refused([](mdrn_image &i) { i.matrix = 1; }, "matrix");
    refused([](mdrn_image &i) { i.transfer = 1; }, "transfer");
    refused([](mdrn_image &i) { i.range = MDRN_RANGE_FULL; }, "range");
    refused([](mdrn_image &i) { i.chroma_location = MDRN_CHROMA_TOP; }, "chroma location");
}

}  // namespace
}  // namespace mdrn::test
