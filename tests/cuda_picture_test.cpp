// SPDX-License-Identifier: BSD-2-Clause
// unpack and pack on the emulated device against the CPU's ways in and out, frame.h and excess.h.
#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <random>

#include "device_stages.h"
#include "error.h"
#include "excess.h"
#include "stage_checks.h"

namespace mdrn::test {
namespace {

// A network whose weights are such that head's channels 48 to 50 are R, G, B, and that the tail's
// subpixels are what x holds in gather(0).
constexpr int kFeatures = 52;
constexpr int kRgb = 48;
constexpr float kLift = 8;  // as far to the right GELU(x) is x

Model passage(int scale) {
    Model model;
    model.features = kFeatures;
    model.scale = scale;
    model.visit([](const std::string &, const std::vector<int64_t> &shape, Values &values) {
        size_t size = 1;
        for (int64_t n : shape) size *= size_t(n);
        values.assign(size, 0);
    });
    for (int c = 0; c < 3; ++c) {
        model.fea_conv.weight[((kRgb + c) * 3 + c) * 9 + 4] = 1;
        model.fea_conv.bias[kRgb + c] = kMean[c];
    }
    for (int c = 0; c < kFeatures; ++c) {
        model.c1.weight[c * kBlocks * kFeatures + c] = 1;
        model.c1.bias[c] = kLift;
        model.c2.pw.weight[c * kFeatures + c] = 1;
        model.c2.dw.weight[c * 9 + 4] = 1;
        model.c2.dw.bias[c] = -kLift;
    }
    for (int o = 0; o < 3 * scale * scale; ++o)
        model.upsampler.weight[(o * kFeatures + o) * 9 + 4] = 1;
    return model;
}

class Passage {
public:
    Passage(int scale, Size size)
        : size_(size),
          model_(passage(scale)),
          cuda_(model_, device_.cudnn.get(), false, device_.stream,
                [this](const std::string &) { ++warnings; }) {
        cuda_.prepare(size, Plan::fast);
    }

    // (3, H, W) of the prepared size.
    Values unpack(Picture &picture) {
        const DevicePicture device(picture);
        cuda_.unpack(device.upload());
        cuda_.head();
        cuda_.finish();
        Values x(size_t(kFeatures) * size_.width * size_.height);
        cuda_.read(Map::x, x.data());
        const size_t plane = size_t(size_.width) * size_.height;
        return {x.begin() + kRgb * plane, x.begin() + (kRgb + 3) * plane};
    }

    // hr is what pack packs from now on.
    void set(Rgb &hr) {
        const int s = model_.scale;
        Values x(size_t(kFeatures) * size_.width * size_.height);
        for (int o = 0; o < 3 * s * s; ++o)
            for (int y = 0; y < size_.height; ++y)
                for (int i = 0; i < size_.width; ++i)
                    x[(size_t(o) * size_.height + y) * size_.width + i] =
                        hr.at(o / (s * s), y * s + o / s % s, i * s + o % s) - kMean[o / (s * s)];
        cuda_.write(Map::x, x.data());
        cuda_.gather(0);
        cuda_.tail();
    }

    void pack(Picture &picture) {
        DevicePicture device(picture);
        cuda_.pack(device.upload());
        device.download(cuda_.queue().stream);
    }

    int warnings = 0;

private:
    Size size_;
    Model model_;
    Device device_;
    cuda::CudaStages cuda_;
};

struct Layout {
    const char *name;
    mdrn_layout layout;
};

mdrn_layout semi_planar(int depth, int shift, int w, int h) {
    const auto bytes = uint8_t(depth > 8 ? 2 : 1);
    const auto d = uint8_t(depth), s = uint8_t(shift);
    mdrn_layout layout = packed(MDRN_COLOR_YUV, {{0, bytes, 0, s, d},
                                                 {1, uint8_t(2 * bytes), 0, s, d},
                                                 {1, uint8_t(2 * bytes), bytes, s, d}});
    layout.log2_chroma_w = uint8_t(w);
    layout.log2_chroma_h = uint8_t(h);
    return layout;
}

mdrn_layout bytes(int r, int g, int b, int a, bool alpha) {
    std::vector<mdrn_component> components;
    for (int offset : {r, g, b, a}) components.push_back({0, 4, uint8_t(offset), 0, 8});
    if (!alpha) components.pop_back();
    return packed(MDRN_COLOR_RGB, components);
}

mdrn_layout shifted(mdrn_layout layout, int shift) {
    for (mdrn_component &c : layout.component) c.shift = uint8_t(shift);
    return layout;
}

mdrn_layout yuyv() {
    mdrn_layout layout =
        packed(MDRN_COLOR_YUV, {{0, 2, 0, 0, 8}, {0, 4, 1, 0, 8}, {0, 4, 3, 0, 8}});
    layout.log2_chroma_w = 1;
    return layout;
}

std::vector<Layout> layouts() {
    constexpr auto yuv = MDRN_COLOR_YUV, rgb = MDRN_COLOR_RGB, gray = MDRN_COLOR_GRAY;
    return {
        // FFmpeg's CUDA frames
        {"nv12", semi_planar(8, 0, 1, 1)},
        {"p010", semi_planar(10, 6, 1, 1)},
        {"p012", semi_planar(12, 4, 1, 1)},
        {"p016", semi_planar(16, 0, 1, 1)},
        {"nv16", semi_planar(8, 0, 1, 0)},
        {"p210", semi_planar(10, 6, 1, 0)},
        {"p212", semi_planar(12, 4, 1, 0)},
        {"p216", semi_planar(16, 0, 1, 0)},
        {"yuv420p", planar(yuv, 3, 8, 1, 1)},
        {"yuva420p", planar(yuv, 4, 8, 1, 1)},
        {"yuv422p", planar(yuv, 3, 8, 1, 0)},
        {"yuv444p", planar(yuv, 3, 8)},
        {"yuv420p10", planar(yuv, 3, 10, 1, 1)},
        {"yuv422p10", planar(yuv, 3, 10, 1, 0)},
        {"yuv444p10", planar(yuv, 3, 10)},
        {"yuv444p10msb", shifted(planar(yuv, 3, 10), 6)},
        {"yuv444p12msb", shifted(planar(yuv, 3, 12), 4)},
        {"yuv444p16", planar(yuv, 3, 16)},
        {"0rgb", bytes(1, 2, 3, 0, false)},
        {"rgb0", bytes(0, 1, 2, 3, false)},
        {"0bgr", bytes(3, 2, 1, 0, false)},
        {"bgr0", bytes(2, 1, 0, 3, false)},
        {"argb", bytes(1, 2, 3, 0, true)},
        {"rgba", bytes(0, 1, 2, 3, true)},
        {"abgr", bytes(3, 2, 1, 0, true)},
        {"bgra", bytes(2, 1, 0, 3, true)},
        // and others
        {"yuv440p", planar(yuv, 3, 8, 0, 1)},
        {"yuv411p", planar(yuv, 3, 8, 2, 0)},
        {"yuv410p", planar(yuv, 3, 8, 2, 2)},
        {"yuva444p12be", planar(yuv, 4, 12, 0, 0, false, true)},
        {"yuyv422", yuyv()},
        {"rgb24", packed(rgb, {{0, 3, 0, 0, 8}, {0, 3, 1, 0, 8}, {0, 3, 2, 0, 8}})},
        {"rgb48be", packed(rgb, {{0, 6, 0, 0, 16}, {0, 6, 2, 0, 16}, {0, 6, 4, 0, 16}}, true)},
        {"rgb565le", packed(rgb, {{0, 2, 0, 11, 5}, {0, 2, 0, 5, 6}, {0, 2, 0, 0, 5}})},
        {"x2rgb10be", packed(rgb, {{0, 4, 0, 20, 10}, {0, 4, 0, 10, 10}, {0, 4, 2, 0, 10}}, true)},
        {"gbrp14be", planar(rgb, 3, 14, 0, 0, false, true)},
        {"gbrapf32", planar(rgb, 4, 32, 0, 0, true)},
        {"gbrpf16be", planar(rgb, 3, 16, 0, 0, true, true)},
        {"yuv444pf32", planar(yuv, 3, 32, 0, 0, true)},
        {"gray", planar(gray, 1, 8)},
        {"gray16be", planar(gray, 1, 16, 0, 0, false, true)},
        {"ya8", packed(gray, {{0, 2, 0, 0, 8}, {0, 2, 1, 0, 8}})},
        {"grayf32", planar(gray, 1, 32, 0, 0, true)},
    };
}

float half_value(uint32_t code) {
    return __half2float(std::bit_cast<__half>(uint16_t(code)));
}

// Waves, edges, and a little of what is beyond black and white.
float wave(int c, int y, int x) {
    return 0.5F + 0.56F * std::sin(float(0.31 * x + 0.17 * y + 2 * c)) *
                      ((x / 9 + y / 7) % 3 ? 1.F : -0.4F);
}

void fill(Picture &picture) {
    const mdrn_layout &layout = picture.image.layout;
    for (int i = 0; i < layout.components; ++i)
        for (int y = 0; y < picture.lines(i); ++y)
            for (int x = 0; x < picture.columns(i); ++x) {
                float value = wave(i, 2 * y, 2 * x);
                if (!layout.is_float) {
                    value = std::clamp(value, 0.F, 1.F) * float(picture.mask(i));
                    picture.set(i, y, x, uint32_t(value));
                } else if (layout.component[i].depth == 32) {
                    picture.set_float(i, y, x, value);
                } else {
                    picture.set(i, y, x, uint32_t(0x3000 + 37 * x + 5 * y));  // 0.125 on
                }
            }
}

void expect_close(const Picture &ours, const Picture &zimgs) {
    const mdrn_layout &layout = ours.image.layout;
    for (int i = 0; i < layout.components; ++i)
        for (int y = 0; y < ours.lines(i); ++y)
            for (int x = 0; x < ours.columns(i); ++x) {
                const uint32_t a = ours.get(i, y, x), b = zimgs.get(i, y, x);
                if (!layout.is_float)
                    ASSERT_LE(std::abs(int64_t(a) - int64_t(b)), 1)
                        << "component " << i << ", " << x << "," << y << ": " << a << ", " << b;
                else if (layout.component[i].depth == 32)
                    ASSERT_NEAR(ours.get_float(i, y, x), zimgs.get_float(i, y, x), 1e-5);
                else
                    ASSERT_NEAR(half_value(a), half_value(b), 1e-3);
            }
}

// All but the components, which are cleared: padding, bytes that are nobody's, guards.
void expect_same_rest(Picture &ours, Picture &zimgs) {
    for (Picture *picture : {&ours, &zimgs})
        for (int i = 0; i < picture->image.layout.components; ++i)
            for (int y = 0; y < picture->lines(i); ++y)
                for (int x = 0; x < picture->columns(i); ++x) picture->set(i, y, x, 0);
    for (int p = 0; p < 4; ++p) EXPECT_EQ(ours.memory[p], zimgs.memory[p]) << "plane " << p;
}

// The same picture by our way and by frame.h's, in and out.
void compare(Passage &passage, Rgb &hr, const Layout &layout, const mdrn_image &tags, int scale,
             Size size, bool upside_down = false) {
    SCOPED_TRACE(testing::Message() << layout.name << " matrix " << tags.matrix << " range "
                                    << tags.range << " location " << tags.chroma_location << " "
                                    << size.width << "x" << size.height);
    const auto tag = [&](Picture &picture) {
        picture.image.matrix = tags.matrix;
        picture.image.range = tags.range;
        picture.image.chroma_location = tags.chroma_location;
    };
    Picture in(size.width, size.height, layout.layout, upside_down);
    tag(in);
    fill(in);
    FrameConverter converter(nullptr);
    const Size computed{std::max(size.width, kSmallest), std::max(size.height, kSmallest)};
    Rgb expected(computed.width, computed.height);
    converter.unpack(in.image, expected.planes);
    Excess excess;  // what HostStages has around the network
    excess.take(expected.planes);
    const Values rgb = passage.unpack(in);
    const float most = 1e-6F + 4e-6F * float(layout.layout.is_float);
    for (int c = 0; c < 3; ++c)
        for (int y = 0; y < computed.height; ++y)
            for (int x = 0; x < computed.width; ++x)
                ASSERT_NEAR(rgb[(size_t(c) * computed.height + y) * computed.width + x],
                            expected.at(c, y, x), most)
                    << c << ": " << x << "," << y;
    EXPECT_TRUE(in.guards_intact());

    Picture ours(size.width * scale, size.height * scale, layout.layout, upside_down);
    Picture zimgs(size.width * scale, size.height * scale, layout.layout, upside_down);
    tag(ours);
    tag(zimgs);
    passage.pack(ours);
    Rgb whole = hr;
    whole.planes.data = whole.memory.data();
    excess.give_back(whole.planes);
    converter.pack(whole.planes, zimgs.image);
    expect_close(ours, zimgs);
    expect_same_rest(ours, zimgs);
}

struct Way {
    int scale;
    Size size;
};

class Pictures : public testing::TestWithParam<Way> {
protected:
    Pictures()
        : way(GetParam()), passage(way.scale, computed()), hr(large().width, large().height) {
        for (int c = 0; c < 3; ++c)
            for (int y = 0; y < large().height; ++y)
                for (int x = 0; x < large().width; ++x) hr.at(c, y, x) = wave(c, y, x);
        passage.set(hr);
        tags.matrix = 1;
    }
    Size computed() const {
        return {std::max(way.size.width, kSmallest), std::max(way.size.height, kSmallest)};
    }
    Size large() const { return {computed().width * way.scale, computed().height * way.scale}; }
    void check(const Layout &layout, bool upside_down = false) {
        compare(passage, hr, layout, tags, way.scale, way.size, upside_down);
    }

    Way way;
    Passage passage;
    Rgb hr;
    mdrn_image tags = {};
};

TEST_P(Pictures, OfEveryLayout) {
    for (const Layout &layout : layouts()) check(layout);
}

TEST_P(Pictures, OfEveryMatrixRangeAndSiting) {
    const std::vector<Layout> all{{"yuv444p16", planar(MDRN_COLOR_YUV, 3, 16)},
                                  {"nv12", semi_planar(8, 0, 1, 1)},
                                  {"yuv410p", planar(MDRN_COLOR_YUV, 3, 8, 2, 2)}};
    for (int matrix : {0, 1, 2, 4, 5, 6, 7, 8, 9})
        for (mdrn_range range : {MDRN_RANGE_UNSPECIFIED, MDRN_RANGE_LIMITED, MDRN_RANGE_FULL}) {
            tags.matrix = matrix;
            tags.range = range;
            check(all[0]);
        }
    for (int location = MDRN_CHROMA_UNSPECIFIED; location <= MDRN_CHROMA_BOTTOM; ++location)
        for (size_t i : {1, 2}) {
            tags.chroma_location = mdrn_chroma_location(location);
            check(all[i], location % 2);
        }
}

INSTANTIATE_TEST_SUITE_P(All, Pictures,
                         testing::Values(Way{2, {38, 22}}, Way{3, {37, 21}}, Way{4, {19, 16}},
                                         Way{2, {3, 2}}, Way{3, {1, 17}}),
                         [](const auto &way) {
                             return "x" + std::to_string(way.param.scale) + "_" +
                                    std::to_string(way.param.size.width) + "x" +
                                    std::to_string(way.param.size.height);
                         });

TEST(CudaPicture, UntaggedMatrixIsThatOfTheInputsSize) {
    const Size size{15, 577};  // BT.709 by its height; the output alone would be so at 289 lines
    Passage passage(2, size);
    Rgb hr(30, 1154);
    for (int c = 0; c < 3; ++c)
        for (int y = 0; y < 1154; ++y)
            for (int x = 0; x < 30; ++x) hr.at(c, y, x) = wave(c, y, x);
    passage.set(hr);
    mdrn_image tags = {};
    tags.matrix = 2;
    compare(passage, hr, {"yuv444p", planar(MDRN_COLOR_YUV, 3, 8)}, tags, 2, size);
    compare(passage, hr, {"gray", planar(MDRN_COLOR_GRAY, 1, 8)}, tags, 2, size);
}

TEST(CudaPicture, NotFiniteCountsAsZeroAndIsWarnedOf) {
    Passage passage(2, {15, 15});
    Picture in(15, 15, planar(MDRN_COLOR_RGB, 3, 32, 0, 0, true));
    fill(in);
    passage.unpack(in);
    EXPECT_EQ(passage.warnings, 0);
    in.set_float(0, 1, 2, std::numeric_limits<float>::quiet_NaN());
    in.set_float(2, 2, 3, -std::numeric_limits<float>::infinity());
    const Values rgb = passage.unpack(in);
    EXPECT_GE(passage.warnings, 1);
    EXPECT_NEAR(rgb[1 * 15 + 2], 0, 1e-6);
    EXPECT_NEAR(rgb[2 * 225 + 2 * 15 + 3], 0, 1e-6);
    EXPECT_NEAR(rgb[225 + 1 * 15 + 2], in.get_float(1, 1, 2), 1e-6);
}

TEST(CudaPicture, MatricesThatAreNotLinearAreRefusedByName) {
    Passage passage(2, {15, 15});
    Picture in(15, 15, planar(MDRN_COLOR_YUV, 3, 8));
    for (const auto &[matrix, name] :
         {std::pair(10, "BT.2020 constant luminance"), {14, "ICtCp"}}) {
        in.image.matrix = matrix;
        try {
            passage.unpack(in);
            FAIL() << matrix;
        } catch (const Error &error) {
            EXPECT_EQ(error.code, MDRN_ERROR_UNSUPPORTED);
            EXPECT_NE(std::string(error.what()).find(name), std::string::npos) << error.what();
        }
    }
}

}  // namespace
}  // namespace mdrn::test
