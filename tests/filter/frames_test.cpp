// SPDX-License-Identifier: BSD-2-Clause
// Frames that lie in memory as they like, or are not what the link promised.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>

#include "harness.h"

extern "C" {
#include <libavutil/pixdesc.h>
}

namespace filter_test {
namespace {

const Source kYuv = {AV_PIX_FMT_YUV420P, 15, 11, AVCOL_SPC_BT709, AVCOL_RANGE_MPEG};
const Source kRgb = {AV_PIX_FMT_RGB24, 15, 11, AVCOL_SPC_RGB, AVCOL_RANGE_JPEG};

// The same picture in planes of its own: offset bytes before each, rows stride apart, the last row
// first with flip. What lies between the rows is noise.
Frame moved(const AVFrame *frame, const Source &source, int offset, int stride, bool flip) {
    Frame copy = make_frame(source);
    av_frame_copy_props(copy.get(), frame);
    for (int plane = 0; plane < 4 && frame->data[plane]; ++plane) {
        const int height =
            plane && source.format == AV_PIX_FMT_YUV420P ? (source.height + 1) / 2 : source.height;
        const int bytes = std::min(abs(frame->linesize[plane]), stride);
        AVBufferRef *buffer = av_buffer_alloc(offset + stride * height);
        std::fill_n(buffer->data, buffer->size, uint8_t(0xA5));
        av_buffer_unref(&copy->buf[plane]);
        copy->buf[plane] = buffer;
        copy->data[plane] = buffer->data + offset + (flip ? stride * (height - 1) : 0);
        copy->linesize[plane] = flip ? -stride : stride;
        for (int y = 0; y < height; ++y)
            memcpy(copy->data[plane] + y * copy->linesize[plane],
                   frame->data[plane] + y * frame->linesize[plane], bytes);
    }
    return copy;
}

TEST(Planes, MayLieAnywhere) {
    for (const Source &source : {Source{}, kYuv, kRgb}) {
        SCOPED_TRACE(av_get_pix_fmt_name(source.format));
        const Frame plain = make_frame(source, 3);
        const Frame want = filtered(mdrn(), source, plain.get());
        ASSERT_TRUE(want);
        for (const int offset : {0, 1, 7})
            for (const int stride : {48, 51, 64})
                for (const bool flip : {false, true}) {
                    const Frame odd = moved(plain.get(), source, offset, stride, flip);
                    ASSERT_EQ(pixels(odd.get()), pixels(plain.get()));
                    const Frame got = filtered(mdrn(), source, odd.get());
                    ASSERT_TRUE(got);
                    EXPECT_EQ(pixels(got.get()), pixels(want.get()))
                        << "offset " << offset << ", stride " << stride << ", flip " << flip;
                }
    }
}

TEST(Planes, OfFiltersThatMoveThem) {
    const Source large = {AV_PIX_FMT_YUV420P, 24, 20, AVCOL_SPC_BT709, AVCOL_RANGE_MPEG};
    for (const char *move : {"vflip", "crop=13:9:1:1:exact=1", "crop=13:9:3:5:exact=1,vflip"}) {
        SCOPED_TRACE(move);
        const Frame frame = make_frame(large, 4);
        const Frame before = filtered(move, large, frame.get());
        ASSERT_TRUE(before);
        const Source small = {large.format, before->width, before->height, large.colorspace,
                              large.range};
        const Frame plain = moved(before.get(), small, 0, 64, false);
        const Frame want = filtered(mdrn(), small, plain.get());
        const Frame got = filtered(std::string(move) + "," + mdrn(), large, frame.get());
        ASSERT_TRUE(want && got);
        EXPECT_EQ(pixels(got.get()), pixels(want.get()));
    }
}

TEST(Planes, CroppedByTheirOwnFields) {
    Source coded = kYuv;
    coded.width = 32, coded.height = 24;
    const Frame frame = make_frame(coded, 5);
    frame->crop_left = 3, frame->crop_top = 5, frame->crop_right = 14, frame->crop_bottom = 8;
    ASSERT_EQ(av_frame_apply_cropping(frame.get(), AV_FRAME_CROP_UNALIGNED), 0);
    ASSERT_EQ(frame->width, kYuv.width);
    ASSERT_EQ(frame->height, kYuv.height);
    const Frame plain = moved(frame.get(), kYuv, 0, 32, false);
    const Frame want = filtered(mdrn(), kYuv, plain.get());
    const Frame got = filtered(mdrn(), kYuv, frame.get());
    ASSERT_TRUE(want && got);
    EXPECT_EQ(pixels(got.get()), pixels(want.get()));
}

TEST(Planes, OfTheInputStayAsTheyAre) {
    const Frame frame = make_frame(kYuv, 6);
    const Frame second = ref(frame.get());  // makes it read-only
    const std::vector<uint8_t> before = pixels(frame.get());
    ASSERT_TRUE(filtered(mdrn(), kYuv, frame.get()));
    EXPECT_EQ(pixels(frame.get()), before);
    EXPECT_EQ(av_buffer_get_ref_count(frame->buf[0]), 2);
}

TEST(Planes, ThatAreMissingOrTooNarrowAreRefused) {
    const Log log;
    Graph graph(mdrn(), kYuv);
    ASSERT_GE(graph.configure(), 0);
    const Frame missing = make_frame(kYuv, 1);
    missing->data[2] = nullptr;
    EXPECT_EQ(graph.send(missing.get()), AVERROR(EINVAL));
    EXPECT_EQ(log.count("plane 2 is NULL"), 1) << log.text();
    for (const int linesize : {0, 7, -7}) {
        const Frame narrow = make_frame(kYuv, 2);
        narrow->linesize[1] = linesize;
        EXPECT_EQ(graph.send(narrow.get()), AVERROR(EINVAL));
    }
    EXPECT_EQ(log.count("plane 1 has stride 7, but"), 1) << log.text();
    EXPECT_GE(graph.send(make_frame(kYuv, 3).get()), 0);
    EXPECT_TRUE(graph.receive());
}

TEST(Sizes, OfOnePixelAndOfOneRow) {
    for (const auto &[width, height] : {std::pair{1, 1}, {1, 2000}, {2000, 1}, {3, 1}})
        for (const AVPixelFormat format : {AV_PIX_FMT_YUV420P, AV_PIX_FMT_RGB24}) {
            const Source source = {format, width, height};
            const Frame got = filtered(mdrn("scale=4"), source, make_frame(source).get());
            ASSERT_TRUE(got) << width << "x" << height;
            EXPECT_EQ(got->width, width * 4);
            EXPECT_EQ(got->height, height * 4);
        }
}

// What a caller without a check of its own sends, as ffmpeg does with -reinit_filter 0.
class Contradiction : public testing::TestWithParam<int> {};

TEST_P(Contradiction, IsRefusedAndTheOthersGoOn) {
    const Source source;
    const std::vector<std::pair<Source, std::string>> others = {
        {{AV_PIX_FMT_GRAY8, 32, 12}, "32x12 gray"},
        {{AV_PIX_FMT_GRAY8, 16, 8}, "16x8 gray"},
        {{AV_PIX_FMT_GRAY8, 1, 1}, "1x1 gray"},
        {{AV_PIX_FMT_RGB24, 16, 12}, "16x12 rgb24"},
        {{AV_PIX_FMT_YUV420P, 16, 12}, "16x12 yuv420p"},
    };
    Graph graph(mdrn("async_depth=" + std::to_string(GetParam())), source);
    ASSERT_GE(graph.configure(), 0);
    std::vector<Frame> sent, got;
    for (size_t i = 0; i < 2 * others.size(); ++i) {
        if (i % 2) {
            const auto &[other, name] = others[i / 2];
            const Log log;
            EXPECT_EQ(graph.send(make_frame(other, int(i)).get()), AVERROR(EINVAL)) << name;
            EXPECT_NE(log.text().find(name), std::string::npos) << log.text();
            EXPECT_NE(log.text().find("configured for 16x12 gray"), std::string::npos);
        } else {
            sent.push_back(make_frame(source, int(i)));
            ASSERT_GE(graph.send(sent.back().get()), 0);
        }
        while (Frame out = graph.receive(false)) got.push_back(std::move(out));
    }
    graph.end();
    while (Frame out = graph.receive()) got.push_back(std::move(out));
    ASSERT_EQ(got.size(), sent.size());
    for (size_t i = 0; i < sent.size(); ++i) {
        const Frame alone = filtered(mdrn(), source, sent[i].get());
        EXPECT_EQ(got[i]->pts, sent[i]->pts);
        EXPECT_EQ(pixels(got[i].get()), pixels(alone.get())) << i;
    }
}

// The frame that is refused stands last in the link: the end behind it is still seen.
TEST_P(Contradiction, DoesNotHideTheEnd) {
    Graph graph(mdrn("async_depth=" + std::to_string(GetParam())));
    ASSERT_GE(graph.configure(), 0);
    ASSERT_GE(graph.send(make_frame({}).get(), false), 0);
    ASSERT_GE(graph.send(make_frame({}).get(), false), 0);
    ASSERT_GE(graph.send(make_frame({AV_PIX_FMT_GRAY8, 8, 8}).get(), false), 0);
    graph.end();
    int out = 0, refused = 0, error = 0;
    for (int i = 0; i < 10 && error != AVERROR_EOF; ++i) {
        if (graph.receive(true, &error)) ++out;
        refused += error == AVERROR(EINVAL);
    }
    EXPECT_EQ(error, AVERROR_EOF);
    EXPECT_EQ(out, 2);
    EXPECT_LE(refused, 1);  // end() may have been told of it already
}

INSTANTIATE_TEST_SUITE_P(Frames, Contradiction, testing::Values(1, 2, 5));

struct Colours {
    AVColorSpace colorspace;
    AVColorRange range;
    AVChromaLocation location;
};
constexpr Colours kColours[] = {
    {AVCOL_SPC_BT709, AVCOL_RANGE_MPEG, AVCHROMA_LOC_LEFT},
    {AVCOL_SPC_SMPTE170M, AVCOL_RANGE_MPEG, AVCHROMA_LOC_LEFT},
    {AVCOL_SPC_SMPTE170M, AVCOL_RANGE_JPEG, AVCHROMA_LOC_CENTER},
    {AVCOL_SPC_BT2020_NCL, AVCOL_RANGE_MPEG, AVCHROMA_LOC_TOPLEFT},
};

void tag(AVFrame *frame, const Colours &colours) {
    frame->colorspace = colours.colorspace;
    frame->color_range = colours.range;
    frame->chroma_location = colours.location;
}

// From 7.1 on the link says BT.709, limited; frames that know better are believed.
TEST(Colour, FollowsEachFrame) {
    Source source = kYuv;
    source.width = source.height = 16;
    Graph graph(mdrn(), source);
    ASSERT_GE(graph.configure(), 0);
    std::vector<std::vector<uint8_t>> seen;
    for (const Colours &colours : kColours) {
        SCOPED_TRACE(av_color_space_name(colours.colorspace));
        const Frame frame = make_frame(source, 8);
        tag(frame.get(), colours);
        ASSERT_GE(graph.send(frame.get()), 0);
        const Frame got = graph.receive();
        ASSERT_TRUE(got);
        EXPECT_EQ(got->colorspace, colours.colorspace);
        EXPECT_EQ(got->color_range, colours.range);
        EXPECT_EQ(got->chroma_location, colours.location);

        Source own = source;
        own.colorspace = colours.colorspace;
        own.range = colours.range;
        const Frame alone = filtered(mdrn(), own, frame.get());
        ASSERT_TRUE(alone);
        EXPECT_EQ(pixels(got.get()), pixels(alone.get()));
        for (const auto &other : seen) EXPECT_NE(pixels(got.get()), other);
        seen.push_back(pixels(got.get()));
    }
}

TEST(Colour, OfTheLinkHoldsForFramesThatDoNotSay) {
    if (!kLinksHaveColour) GTEST_SKIP() << "links have no colours before FFmpeg 7.1";
    Source source = kYuv;
    source.colorspace = AVCOL_SPC_BT2020_NCL;
    const Frame frame = make_frame(source, 9);
    const Frame want = filtered(mdrn(), source, frame.get());
    tag(frame.get(), {AVCOL_SPC_UNSPECIFIED, AVCOL_RANGE_UNSPECIFIED, AVCHROMA_LOC_UNSPECIFIED});
    const Frame got = filtered(mdrn(), source, frame.get());
    ASSERT_TRUE(want && got);
    EXPECT_EQ(got->colorspace, AVCOL_SPC_BT2020_NCL);
    EXPECT_EQ(got->color_range, AVCOL_RANGE_MPEG);
    EXPECT_EQ(pixels(got.get()), pixels(want.get()));
}

TEST(Colour, ThatNoStandardHasIsRefused) {
    const Log log;
    Graph graph(mdrn(), kYuv);
    ASSERT_GE(graph.configure(), 0);
    Frame frame = make_frame(kYuv);
    frame->colorspace = AVColorSpace(99);
    EXPECT_EQ(graph.send(frame.get()), AVERROR(EINVAL));
    frame = make_frame(kYuv);
    frame->chroma_location = AVChromaLocation(99);
    EXPECT_EQ(graph.send(frame.get()), AVERROR(EINVAL));
    EXPECT_EQ(log.count("99"), 2) << log.text();
    EXPECT_GE(graph.send(make_frame(kYuv).get()), 0);
    EXPECT_TRUE(graph.receive());
}

// One such sample would reach the whole picture.
TEST(Floats, NotFiniteCountAsZeroAndAreWarnedOfOnce) {
    for (const AVPixelFormat format : {AV_PIX_FMT_GRAYF32, AV_PIX_FMT_GBRPF32}) {
        const Source source = {format, 16, 12};
        const Frame bad = make_frame(source, 10), zero = make_frame(source, 10);
        const float values[] = {NAN, INFINITY, -INFINITY};
        for (int i = 0; i < 3; ++i) {
            reinterpret_cast<float *>(bad->data[0])[i * 5] = values[i];
            reinterpret_cast<float *>(zero->data[0])[i * 5] = 0;
        }
        const Frame want = filtered(mdrn(), source, zero.get());
        const Log log;
        Graph graph(mdrn(), source);
        ASSERT_GE(graph.configure(), 0);
        for (int i = 0; i < 3; ++i) {
            ASSERT_GE(graph.send(bad.get()), 0);
            const Frame got = graph.receive();
            ASSERT_TRUE(want && got);
            EXPECT_EQ(pixels(got.get()), pixels(want.get()));
        }
        EXPECT_EQ(log.count("finite"), 1) << log.text();
    }
}

TEST(Interlaced, IsWarnedOfOnce) {
    const Log log;
    Graph graph(mdrn());
    ASSERT_GE(graph.configure(), 0);
    for (int i = 0; i < 4; ++i) {
        const Frame frame = make_frame({}, i);
        if (i) set_interlaced(frame.get());
        ASSERT_GE(graph.send(frame.get()), 0);
        EXPECT_EQ(log.count("interlaced"), i > 0);
    }
}

}  // namespace
}  // namespace filter_test
