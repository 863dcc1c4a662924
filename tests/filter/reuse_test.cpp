// SPDX-License-Identifier: BSD-2-Clause
// Frames that are the same as the one before are not computed again.
#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include "harness.h"

extern "C" {
#include <libavutil/log.h>
}

namespace filter_test {
namespace {

const Source kSource = {AV_PIX_FMT_YUVA420P, 17, 13, AVCOL_SPC_BT709, AVCOL_RANGE_MPEG};

// All that comes out of a graph for what is sent.
std::vector<Frame> sent_through(const std::string &filters, const std::vector<Frame> &frames,
                                const Source &source = kSource) {
    std::vector<Frame> got;
    Graph graph(filters, source);
    EXPECT_GE(graph.configure(), 0);
    for (const Frame &frame : frames) {
        EXPECT_GE(graph.send(frame.get()), 0);
        while (Frame out = graph.receive(false)) got.push_back(std::move(out));
    }
    EXPECT_GE(graph.end(), 0);
    while (Frame out = graph.receive()) got.push_back(std::move(out));
    EXPECT_EQ(got.size(), frames.size());
    return got;
}

std::vector<uint8_t> computed(const AVFrame *frame, const Source &source = kSource) {
    const Frame alone = filtered(mdrn("reuse=0"), source, frame);
    return alone ? pixels(alone.get()) : std::vector<uint8_t>();
}

class Reuse : public testing::TestWithParam<int> {
protected:
    const std::string filters = mdrn("async_depth=" + std::to_string(GetParam()));
};

// What the log says of a run.
std::string reused(const Log &log) {
    const size_t at = log.text().find(" pictures were the same as the one before");
    if (at == std::string::npos) return "nothing";
    const size_t line = log.text().rfind('\n', at) + 1;
    const std::string said = log.text().substr(line, at - line);
    return said.substr(said.find("] ") == std::string::npos ? 0 : said.find("] ") + 2);
}

TEST_P(Reuse, OfTheResultOfTheSameFrame) {
    std::vector<Frame> frames;
    for (const char content : std::string("aabbbaca")) {
        frames.push_back(make_frame(kSource, content));
        frames.back()->pts = 7 * int64_t(frames.size() * frames.size());
    }
    const Log log(AV_LOG_VERBOSE);
    const std::vector<Frame> got = sent_through(filters, frames);
    EXPECT_EQ(reused(log), "3 of 8") << log.text();
    ASSERT_EQ(got.size(), frames.size());
    for (size_t i = 0; i < got.size(); ++i) {
        EXPECT_EQ(got[i]->pts, frames[i]->pts) << i;
        EXPECT_EQ(pixels(got[i].get()), computed(frames[i].get())) << i;
        EXPECT_TRUE(av_frame_is_writable(got[i].get())) << i;
    }
}

TEST_P(Reuse, ButForTheFramesOwnProperties) {
    std::vector<Frame> frames;
    for (int i = 0; i < 3; ++i) {
        frames.push_back(make_frame(kSource, 1));
        frames[i]->pts = 100 * i;
        set_duration(frames[i].get(), 10 + i);
        frames[i]->color_primaries = i ? AVCOL_PRI_BT2020 : AVCOL_PRI_BT709;
        for (int k = 0; k < i; ++k)
            av_frame_new_side_data(frames[i].get(), AV_FRAME_DATA_SEI_UNREGISTERED, 16);
        av_dict_set(&frames[i]->metadata, "number", std::to_string(i).c_str(), 0);
    }
    const Log log(AV_LOG_VERBOSE);
    const std::vector<Frame> got = sent_through(filters, frames);
    EXPECT_EQ(reused(log), "2 of 3") << log.text();
    ASSERT_EQ(got.size(), 3u);
    for (int i = 0; i < 3; ++i) {
        EXPECT_EQ(got[i]->pts, frames[i]->pts);
        EXPECT_EQ(duration(got[i].get()), 10 + i);
        EXPECT_EQ(got[i]->color_primaries, frames[i]->color_primaries);
        EXPECT_EQ(got[i]->nb_side_data, i);
        EXPECT_EQ(av_dict_get(got[i]->metadata, "number", nullptr, 0)->value, std::to_string(i));
    }
}

// Programs write to what they have sent, and to what they got, without asking who else has it.
TEST(ReuseIsExact, WhateverBecomesOfTheFrames) {
    const Frame mine = make_frame(kSource, 1), other = make_frame(kSource, 2);
    const std::vector<uint8_t> first = computed(mine.get()), second = computed(other.get());
    Graph graph(mdrn(), kSource);
    ASSERT_GE(graph.configure(), 0);
    for (int i = 0; i < 6; ++i) {
        ASSERT_GE(graph.send(mine.get()), 0);
        const Frame out = graph.receive(false);
        ASSERT_TRUE(out);
        EXPECT_EQ(pixels(out.get()), i < 3 ? first : second) << i;
        for (int p = 0; p < 4; ++p) std::fill_n(out->data[p], 16, uint8_t(i));
        if (i == 2) av_frame_copy(mine.get(), other.get());
    }
}

INSTANTIATE_TEST_SUITE_P(Depths, Reuse, testing::Values(1, 2, 5));

TEST(NoReuse, OfAFrameThatDiffersInOneSampleOfAnyPlane) {
    for (int plane = 0; plane < 4; ++plane) {
        SCOPED_TRACE(plane);
        std::vector<Frame> frames;
        for (int i = 0; i < 2; ++i) frames.push_back(make_frame(kSource, 1));
        const bool chroma = plane == 1 || plane == 2;
        const int row = chroma ? 6 : 12, column = chroma ? 8 : 16;
        frames[1]->data[plane][row * frames[1]->linesize[plane] + column] ^= 0x80;
        const std::vector<Frame> got = sent_through(mdrn(), frames);
        ASSERT_EQ(got.size(), 2u);
        EXPECT_NE(pixels(got[0].get()), pixels(got[1].get()));
        EXPECT_EQ(pixels(got[1].get()), computed(frames[1].get()));
    }
}

TEST(NoReuse, WhereItIsNotWanted) {
    std::vector<Frame> frames;
    for (int i = 0; i < 3; ++i) frames.push_back(make_frame(kSource, 1));
    const Log log(AV_LOG_VERBOSE);
    const std::vector<Frame> got = sent_through(mdrn("reuse=0"), frames);
    EXPECT_EQ(reused(log), "0 of 3") << log.text();
    ASSERT_EQ(got.size(), 3u);
    EXPECT_EQ(pixels(got[0].get()), pixels(got[2].get()));
}

TEST(Verbose, TellsOfTheDeviceAtTheStartAndOfTheWorkAtTheEnd) {
    const Log log(AV_LOG_VERBOSE);
    sent_through(mdrn(), {});
    EXPECT_EQ(log.count("2 times on: CPU ("), 1) << log.text();
    EXPECT_EQ(log.count(" MiB of memory"), 1) << log.text();
    EXPECT_EQ(log.count(" a second"), 0) << log.text();
    std::vector<Frame> frames;
    frames.push_back(make_frame(kSource, 1));
    sent_through(mdrn(), frames);
    EXPECT_EQ(log.count(" a second"), 1) << log.text();
    EXPECT_EQ(log.count("distill "), 1) << log.text();
}

}  // namespace
}  // namespace filter_test
