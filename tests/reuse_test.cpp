// SPDX-License-Identifier: BSD-2-Clause
// Pictures that are the same as the one before are not computed again.
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "api.h"
#include "last_picture.h"
#include "picture.h"

namespace mdrn::test {
namespace {

struct Format {
    const char *name;
    mdrn_layout layout;
};

void PrintTo(const Format &format, std::ostream *out) {
    *out << format.name;
}

mdrn_layout yuyv() {
    mdrn_layout layout =
        packed(MDRN_COLOR_YUV, {{0, 2, 0, 0, 8}, {0, 4, 1, 0, 8}, {0, 4, 3, 0, 8}});
    layout.log2_chroma_w = 1;
    return layout;
}

mdrn_layout nv12() {
    mdrn_layout layout =
        packed(MDRN_COLOR_YUV, {{0, 1, 0, 0, 8}, {1, 2, 0, 0, 8}, {1, 2, 1, 0, 8}});
    layout.log2_chroma_w = layout.log2_chroma_h = 1;
    return layout;
}

// What lies between and beside the rows differs from picture to picture.
Picture picture(const mdrn_layout &layout, bool upside_down, uint8_t between) {
    Picture result(17, 13, layout, upside_down);
    for (auto &plane : result.memory) std::fill(plane.begin(), plane.end(), between);
    for (int p = 0; p < 4; ++p)
        for (int y = 0; y < result.rows[p]; ++y)
            for (int x = 0; x < result.row[p]; ++x)
                static_cast<uint8_t *>(result.image.data[p])[y * result.image.stride[p] + x] =
                    static_cast<uint8_t>(60 * p + 7 * y + x);
    return result;
}

// A context that says of each picture whether it was computed.
class Enlarger {
public:
    explicit Enlarger(mdrn_settings settings = small_settings()) : context_(open(settings)) {}

    // The enlargement of in, without what lies between rows.
    std::vector<std::vector<uint8_t>> operator()(const mdrn_image &in) {
        Picture out(2 * in.width, 2 * in.height, in.layout);
        mdrn_image large = out.image;
        large.matrix = in.matrix;
        large.transfer = in.transfer;
        large.range = in.range;
        large.chroma_location = in.chroma_location;
        EXPECT_EQ(enlarge(context_.get(), in, large), 0) << mdrn_last_error();
        EXPECT_TRUE(out.guards_intact());
        return {std::begin(out.memory), std::end(out.memory)};
    }
    bool computed() {
        const uint64_t before = std::exchange(reused_, statistics().reused);
        return reused_ == before;
    }
    mdrn_statistics statistics() const {
        mdrn_statistics statistics;
        mdrn_get_statistics(context_.get(), &statistics, sizeof statistics);
        return statistics;
    }
    mdrn_context *context() { return context_.get(); }

private:
    const Context context_;
    uint64_t reused_ = 0;
};

auto computed_alone(const mdrn_image &in) {
    mdrn_settings settings = small_settings();
    settings.reuse = 0;
    return Enlarger(settings)(in);
}

uint8_t &byte_at(const Picture &picture, int plane, int y, int x) {
    return static_cast<uint8_t *>(picture.image.data[plane])[y * picture.image.stride[plane] + x];
}

class Same : public testing::TestWithParam<Format> {};

TEST_P(Same, IsEveryByteOfEveryRowAndNothingElse) {
    LastPicture last;
    const Picture a = picture(GetParam().layout, false, 0);
    EXPECT_FALSE(last.is(a.image));
    last.keep(a.image);
    EXPECT_TRUE(last.is(a.image));
    for (const bool upside_down : {false, true}) {
        const Picture b = picture(GetParam().layout, upside_down, 0xff);
        EXPECT_TRUE(last.is(b.image));
        for (int p = 0; p < 4; ++p)
            for (int y = 0; y < b.rows[p]; ++y)
                for (int x = 0; x < b.row[p]; ++x) {
                    byte_at(b, p, y, x) ^= 1;
                    ASSERT_FALSE(last.is(b.image)) << p << ", " << y << ", " << x;
                    byte_at(b, p, y, x) ^= 1;
                }
        EXPECT_TRUE(last.is(b.image));
        last.keep(b.image);
        EXPECT_TRUE(last.is(a.image));
    }
    last.forget();
    EXPECT_FALSE(last.is(a.image));
}

TEST_P(Same, HasTheSameEnlargement) {
    Enlarger enlarger;
    const Picture a = picture(GetParam().layout, false, 0);
    const Picture b = picture(GetParam().layout, true, 0xff);
    const auto first = enlarger(a.image);
    EXPECT_TRUE(enlarger.computed());
    for (int i = 0; i < 2; ++i) {
        EXPECT_EQ(enlarger(b.image), first);
        EXPECT_FALSE(enlarger.computed());
    }
    EXPECT_EQ(computed_alone(b.image), first);
}

// The caller's planes are the caller's again: what becomes of them changes nothing.
TEST_P(Same, IsWhatWasSentAndNotWhatBecameOfIt) {
    Enlarger enlarger;
    Picture mine = picture(GetParam().layout, false, 0);
    const auto first = enlarger(mine.image);
    byte_at(mine, mine.image.layout.component[0].plane, 12, 3) ^= 0x40;
    EXPECT_EQ(enlarger(mine.image), computed_alone(mine.image));
    EXPECT_TRUE(enlarger.computed());
    byte_at(mine, mine.image.layout.component[0].plane, 12, 3) ^= 0x40;
    EXPECT_EQ(enlarger(mine.image), first);
    EXPECT_TRUE(enlarger.computed());
}

INSTANTIATE_TEST_SUITE_P(All, Same,
                         testing::Values(Format{"Gray16", planar(MDRN_COLOR_GRAY, 1, 16)},
                                         Format{"Yuv420p", planar(MDRN_COLOR_YUV, 3, 8, 1, 1)},
                                         Format{"Yuva422p10", planar(MDRN_COLOR_YUV, 4, 10, 1, 0)},
                                         Format{"Gbrapf16",
                                                planar(MDRN_COLOR_RGB, 4, 16, 0, 0, true)},
                                         Format{"Yuyv422", yuyv()}, Format{"Nv12", nv12()},
                                         Format{"Rgba", packed(MDRN_COLOR_RGB, {{0, 4, 0, 0, 8},
                                                                                {0, 4, 1, 0, 8},
                                                                                {0, 4, 2, 0, 8},
                                                                                {0, 4, 3, 0, 8}})}),
                         [](const auto &format) { return std::string(format.param.name); });

// Samples below black and above white pass beside the network: twice they would be added.
TEST(Reuse, OfWhatLiesOutside0To1) {
    Enlarger enlarger;
    Picture in = picture(planar(MDRN_COLOR_RGB, 3, 32, 0, 0, true), false, 0);
    for (int c = 0; c < 3; ++c)
        for (int y = 0; y < 13; ++y)
            for (int x = 0; x < 17; ++x) in.set_float(c, y, x, 0.2F * float(x - 5));
    const auto first = enlarger(in.image);
    EXPECT_EQ(enlarger(in.image), first);
    EXPECT_FALSE(enlarger.computed());
}

TEST(NoReuse, OfWhatIsReadInAnotherWay) {
    const Picture in = picture(planar(MDRN_COLOR_YUV, 3, 8, 1, 1), false, 0);
    const auto expect_computed = [&](const char *what, const auto &change) {
        SCOPED_TRACE(what);
        mdrn_image other = in.image;
        change(other);
        Enlarger enlarger;
        enlarger(in.image);
        EXPECT_EQ(enlarger(other), computed_alone(other));
        EXPECT_TRUE(enlarger.computed());
        enlarger(in.image);
        EXPECT_TRUE(enlarger.computed());
    };
    expect_computed("width", [](mdrn_image &image) { --image.width; });
    expect_computed("height", [](mdrn_image &image) { --image.height; });
    expect_computed("matrix", [](mdrn_image &image) { image.matrix = 1; });
    expect_computed("transfer", [](mdrn_image &image) { image.transfer = 1; });
    expect_computed("range", [](mdrn_image &image) { image.range = MDRN_RANGE_FULL; });
    expect_computed("siting", [](mdrn_image &image) { image.chroma_location = MDRN_CHROMA_TOP; });
    expect_computed("order", [](mdrn_image &image) {
        std::swap(image.layout.component[1], image.layout.component[2]);
    });
    expect_computed("depth", [](mdrn_image &image) { image.layout.component[0].depth = 7; });
}

TEST(NoReuse, WhereItIsNotWanted) {
    mdrn_settings settings = small_settings();
    settings.reuse = 0;
    Enlarger enlarger(settings);
    const Picture in = picture(planar(MDRN_COLOR_GRAY, 1, 8), false, 0);
    for (int i = 0; i < 3; ++i) enlarger(in.image);
    EXPECT_EQ(enlarger.statistics().pictures, 3U);
    EXPECT_EQ(enlarger.statistics().reused, 0U);
}

// What the stages hold is another picture's, or no picture's, or of unknown worth.
TEST(NoReuse, WhereTheResultIsGone) {
    Enlarger enlarger;
    const Picture in = picture(planar(MDRN_COLOR_GRAY, 1, 8), false, 0);
    const auto first = enlarger(in.image);
    ASSERT_EQ(mdrn_prepare(enlarger.context(), 40, 30), 0);
    EXPECT_EQ(enlarger(in.image), first);
    EXPECT_TRUE(enlarger.computed());
    ASSERT_EQ(mdrn_prepare(enlarger.context(), 17, 13), 0);  // as it is
    EXPECT_EQ(enlarger(in.image), first);
    EXPECT_FALSE(enlarger.computed());
}

TEST(Reuse, GoesOnAfterAFlushAndAPictureThatWasRefused) {
    Enlarger enlarger;
    const Picture in = picture(planar(MDRN_COLOR_GRAY, 1, 8), false, 0);
    const Picture wrong(35, 26, in.image.layout);
    const auto first = enlarger(in.image);
    EXPECT_TRUE(enlarger.computed());
    mdrn_flush(enlarger.context());
    EXPECT_EQ(enlarge(enlarger.context(), in.image, wrong.image), MDRN_ERROR_INVALID_ARGUMENT);
    EXPECT_EQ(enlarger(in.image), first);
    EXPECT_FALSE(enlarger.computed());
}

TEST(Reuse, IsASettingOf0Or1) {
    mdrn_settings settings = small_settings();
    EXPECT_EQ(settings.reuse, 1);
    settings.reuse = 2;
    mdrn_context *context = nullptr;
    EXPECT_EQ(mdrn_open(&context, &settings), MDRN_ERROR_INVALID_ARGUMENT);
    EXPECT_NE(std::string(mdrn_last_error()).find("reuse is 2"), std::string::npos);
}

}  // namespace
}  // namespace mdrn::test
