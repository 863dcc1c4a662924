// SPDX-License-Identifier: BSD-2-Clause
// Every way of packing that FFmpeg has, against bytes written out by hand from what its pixfmt.h
// says of the format, whatever the memory held before.
#include "samples.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "picture.h"

namespace mdrn::test {
namespace {

using Bytes = std::vector<uint8_t>;

struct Packing {
    std::string name;
    mdrn_layout layout;
    std::vector<uint32_t> codes;  // of the components of one pixel
    Bytes pixel;
};

Bytes little(uint64_t word, int bytes) {
    Bytes result;
    for (int b = 0; b < bytes; ++b) result.push_back(uint8_t(word >> 8 * b));
    return result;
}

Bytes big(uint64_t word, int bytes) {
    const Bytes turned = little(word, bytes);
    return {turned.rbegin(), turned.rend()};
}

const std::vector<Packing> &packings() {
    constexpr auto rgb = MDRN_COLOR_RGB;
    constexpr auto yuv = MDRN_COLOR_YUV;
    constexpr auto gray = MDRN_COLOR_GRAY;
    static const std::vector<Packing> all = {
        {"0rgb",
         packed(rgb, {{0, 4, 1, 0, 8}, {0, 4, 2, 0, 8}, {0, 4, 3, 0, 8}}),
         {1, 2, 3},
         {255, 1, 2, 3}},
        {"bgr0",
         packed(rgb, {{0, 4, 2, 0, 8}, {0, 4, 1, 0, 8}, {0, 4, 0, 0, 8}}),
         {1, 2, 3},
         {3, 2, 1, 255}},
        {"vuyx",
         packed(yuv, {{0, 4, 2, 0, 8}, {0, 4, 1, 0, 8}, {0, 4, 0, 0, 8}}),
         {1, 2, 3},
         {3, 2, 1, 255}},
        {"uyva",
         packed(yuv, {{0, 4, 1, 0, 8}, {0, 4, 0, 0, 8}, {0, 4, 2, 0, 8}, {0, 4, 3, 0, 8}}),
         {1, 2, 3, 4},
         {2, 1, 3, 4}},
        {"vyu444",
         packed(yuv, {{0, 3, 1, 0, 8}, {0, 3, 2, 0, 8}, {0, 3, 0, 0, 8}}),
         {1, 2, 3},
         {3, 1, 2}},
        {"rgb8",
         packed(rgb, {{0, 1, 0, 5, 3}, {0, 1, 0, 2, 3}, {0, 1, 0, 0, 2}}),
         {5, 3, 2},
         {0b10101110}},
        {"bgr8",
         packed(rgb, {{0, 1, 0, 0, 3}, {0, 1, 0, 3, 3}, {0, 1, 0, 6, 2}}),
         {5, 3, 2},
         {0b10011101}},
        {"rgb4_byte",
         packed(rgb, {{0, 1, 0, 3, 1}, {0, 1, 0, 1, 2}, {0, 1, 0, 0, 1}}),
         {1, 2, 0},
         {0b1100}},
        {"bgr4_byte",
         packed(rgb, {{0, 1, 0, 0, 1}, {0, 1, 0, 1, 2}, {0, 1, 0, 3, 1}}),
         {1, 2, 0},
         {0b0101}},
        {"rgb565le",
         packed(rgb, {{0, 2, 1, 3, 5}, {0, 2, 0, 5, 6}, {0, 2, 0, 0, 5}}),
         {3, 33, 17},
         little(3 << 11 | 33 << 5 | 17, 2)},
        {"rgb565be",
         packed(rgb, {{0, 2, 0, 3, 5}, {0, 2, 0, 5, 6}, {0, 2, 1, 0, 5}}, true),
         {3, 33, 17},
         big(3 << 11 | 33 << 5 | 17, 2)},
        {"rgb555le",
         packed(rgb, {{0, 2, 1, 2, 5}, {0, 2, 0, 5, 5}, {0, 2, 0, 0, 5}}),
         {3, 30, 17},
         little(3 << 10 | 30 << 5 | 17, 2)},
        {"bgr555le",
         packed(rgb, {{0, 2, 0, 0, 5}, {0, 2, 0, 5, 5}, {0, 2, 1, 2, 5}}),
         {3, 30, 17},
         little(17 << 10 | 30 << 5 | 3, 2)},
        {"bgr555be",
         packed(rgb, {{0, 2, 1, 0, 5}, {0, 2, 0, 5, 5}, {0, 2, 0, 2, 5}}, true),
         {3, 30, 17},
         big(17 << 10 | 30 << 5 | 3, 2)},
        {"rgb444le",
         packed(rgb, {{0, 2, 1, 0, 4}, {0, 2, 0, 4, 4}, {0, 2, 0, 0, 4}}),
         {1, 2, 3},
         little(0x123, 2)},
        {"bgr444be",
         packed(rgb, {{0, 2, 1, 0, 4}, {0, 2, 1, 4, 4}, {0, 2, 0, 0, 4}}, true),
         {1, 2, 3},
         big(0x321, 2)},
        {"x2rgb10le",
         packed(rgb, {{0, 4, 2, 4, 10}, {0, 4, 1, 2, 10}, {0, 4, 0, 0, 10}}),
         {0x355, 0x2aa, 0x123},
         little(0x355U << 20 | 0x2aa << 10 | 0x123, 4)},
        {"x2rgb10be",
         packed(rgb, {{0, 4, 0, 4, 10}, {0, 4, 1, 2, 10}, {0, 4, 2, 0, 10}}, true),
         {0x355, 0x2aa, 0x123},
         big(0x355U << 20 | 0x2aa << 10 | 0x123, 4)},
        {"x2bgr10le",
         packed(rgb, {{0, 4, 0, 0, 10}, {0, 4, 1, 2, 10}, {0, 4, 2, 4, 10}}),
         {0x355, 0x2aa, 0x123},
         little(0x123U << 20 | 0x2aa << 10 | 0x355, 4)},
        {"x2bgr10be",
         packed(rgb, {{0, 4, 2, 0, 10}, {0, 4, 1, 2, 10}, {0, 4, 0, 4, 10}}, true),
         {0x355, 0x2aa, 0x123},
         big(0x123U << 20 | 0x2aa << 10 | 0x355, 4)},
        {"xv30le",
         packed(yuv, {{0, 4, 1, 2, 10}, {0, 4, 0, 0, 10}, {0, 4, 2, 4, 10}}),
         {0x355, 0x2aa, 0x123},
         little(0x123U << 20 | 0x355 << 10 | 0x2aa, 4)},
        {"xv30be",
         packed(yuv, {{0, 4, 0, 10, 10}, {0, 4, 2, 0, 10}, {0, 4, 0, 20, 10}}, true),
         {0x355, 0x2aa, 0x123},
         big(0x123U << 20 | 0x355 << 10 | 0x2aa, 4)},
        {"v30xle",
         packed(yuv, {{0, 4, 1, 4, 10}, {0, 4, 0, 2, 10}, {0, 4, 2, 6, 10}}),
         {0x355, 0x2aa, 0x123},
         little(0x123U << 22 | 0x355 << 12 | 0x2aa << 2, 4)},
        {"v30xbe",
         packed(yuv, {{0, 4, 0, 12, 10}, {0, 4, 2, 2, 10}, {0, 4, 0, 22, 10}}, true),
         {0x355, 0x2aa, 0x123},
         big(0x123U << 22 | 0x355 << 12 | 0x2aa << 2, 4)},
        {"xv36le",
         packed(yuv, {{0, 8, 2, 4, 12}, {0, 8, 0, 4, 12}, {0, 8, 4, 4, 12}}),
         {0x123, 0x456, 0x789},
         {0x60, 0x45, 0x30, 0x12, 0x90, 0x78, 255, 255}},
        {"ayuv64be",
         packed(yuv, {{0, 8, 2, 0, 16}, {0, 8, 4, 0, 16}, {0, 8, 6, 0, 16}, {0, 8, 0, 0, 16}},
                true),
         {0x123, 0x456, 0x789, 0xabc},
         {0x0a, 0xbc, 0x01, 0x23, 0x04, 0x56, 0x07, 0x89}},
        {"gray9be", packed(gray, {{0, 2, 0, 0, 9}}, true), {0x123}, {0x01, 0x23}},
        {"ya16le",
         packed(gray, {{0, 4, 0, 0, 16}, {0, 4, 2, 0, 16}}),
         {0x123, 0x456},
         {0x23, 0x01, 0x56, 0x04}},
        {"yuv444p10msbbe",
         packed(yuv, {{0, 2, 0, 6, 10}, {1, 2, 0, 6, 10}, {2, 2, 0, 6, 10}}, true),
         {0x355, 0, 0},
         big(0x355 << 6, 2)},
    };
    return all;
}

TEST(Samples, PackingsAreFFmpegs) {
    for (const Packing &packing : packings())
        for (const uint8_t before : {uint8_t(0), uint8_t(255), uint8_t(0x5a)}) {
            SCOPED_TRACE(packing.name + " over " + std::to_string(before));
            constexpr int width = 5, at = 2;
            Picture picture(width, 1, packing.layout);
            std::memset(picture.image.data[0], before, size_t(picture.row[0]));
            fill_gaps(picture.image);
            for (int i = 0; i < packing.layout.components; ++i) {
                const mdrn_component &c = packing.layout.component[i];
                const Codes codes = codes_of(c.depth, false, false);
                const auto one = float(packing.codes[size_t(i)]) / codes.one;
                const std::vector<float> line(width, one);
                scatter(packing.layout, i, codes, line.data(), picture.image.data[c.plane], 0,
                        width);
                float read = -1;
                gather(packing.layout, i, codes, picture.image.data[c.plane], at, 1, &read);
                EXPECT_FLOAT_EQ(read, one) << "component " << i;
            }
            const auto *pixel = static_cast<uint8_t *>(picture.image.data[0]) +
                                at * ptrdiff_t(packing.pixel.size());
            EXPECT_EQ(Bytes(pixel, pixel + packing.pixel.size()), packing.pixel);
            EXPECT_TRUE(picture.guards_intact());
        }
}

TEST(Samples, FloatsOfOneWordEach) {
    const mdrn_component halves[] = {{0, 4, 0, 0, 16}, {0, 4, 2, 0, 16}};
    const mdrn_component singles[] = {{0, 8, 0, 0, 32}, {0, 8, 4, 0, 32}};
    const Bytes expected[2][2] = {
        {{0x00, 0xc0, 0x00, 0x35}, {0xc0, 0x00, 0x35, 0x00}},  // -2, 0.3125: IEEE 754 binary16
        {{0, 0, 0, 0xc0, 0, 0, 0xa0, 0x3e}, {0xc0, 0, 0, 0, 0x3e, 0xa0, 0, 0}}};
    for (const bool single : {false, true})
        for (const bool big_endian : {false, true}) {
            SCOPED_TRACE(testing::Message() << single << big_endian);
            const mdrn_component *c = single ? singles : halves;
            mdrn_layout layout = packed(MDRN_COLOR_GRAY, {c[0], c[1]}, big_endian);
            layout.is_float = 1;
            Picture picture(3, 1, layout);
            fill_gaps(picture.image);
            const float y[] = {-2, -2, -2}, alpha[] = {0.3125F, 0.3125F, 0.3125F};
            scatter(layout, 0, {}, y, picture.image.data[0], 0, 3);
            scatter(layout, 1, {}, alpha, picture.image.data[0], 0, 3);
            const Bytes &pixel = expected[single][big_endian];
            const auto *at = static_cast<uint8_t *>(picture.image.data[0]) + 2 * pixel.size();
            EXPECT_EQ(Bytes(at, at + pixel.size()), pixel);
        }
}

// A pair of pixels of 4:2:2 has a second Y even where the picture ends after the first.
TEST(Samples, PackedSubsamplingEndsWithWholePairs) {
    mdrn_layout yuyv = packed(MDRN_COLOR_YUV, {{0, 2, 0, 0, 8}, {0, 4, 1, 0, 8}, {0, 4, 3, 0, 8}});
    yuyv.log2_chroma_w = 1;
    Picture picture(3, 2, yuyv);
    ASSERT_EQ(picture.row[0], 8);
    FrameConverter converter(nullptr);
    Rgb rgb(3, 2);
    for (int c = 0; c < 3; ++c)
        for (int y = 0; y < 2; ++y)
            for (int x = 0; x < 3; ++x) rgb.at(c, y, x) = 1;
    converter.pack(rgb.planes, picture.image);
    for (int y = 0; y < 2; ++y) {
        const auto *row =
            static_cast<uint8_t *>(picture.image.data[0]) + y * picture.image.stride[0];
        EXPECT_EQ(Bytes(row, row + 8), (Bytes{235, 128, 235, 128, 235, 128, 255, 128}));
    }
    EXPECT_TRUE(picture.guards_intact());
    picture.image.stride[0] = 7;
    EXPECT_ANY_THROW(check_image(picture.image, "it"));
}

}  // namespace
}  // namespace mdrn::test
