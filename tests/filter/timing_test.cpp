// SPDX-License-Identifier: BSD-2-Clause
// When frames come out: each once, in order, as late as async_depth allows and no later.
#include <gtest/gtest.h>

#include <algorithm>

#include "harness.h"

namespace filter_test {
namespace {

// A variable frame rate with gaps, and durations that say nothing of it.
std::vector<Frame> some_frames(int count, const Source &source = {}) {
    std::vector<Frame> frames;
    for (int i = 0; i < count; ++i) {
        frames.push_back(make_frame(source, i + 1));
        frames.back()->pts = 1000 + 40 * i * i;
        set_duration(frames.back().get(), 7 + i);
    }
    return frames;
}

class Depth : public testing::TestWithParam<int> {
protected:
    const int depth = GetParam();
    const std::string filters = mdrn("async_depth=" + std::to_string(depth));
};

void expect_same(const std::vector<Frame> &sent, const std::vector<Frame> &got) {
    ASSERT_EQ(got.size(), sent.size());
    for (size_t i = 0; i < sent.size(); ++i) {
        EXPECT_EQ(got[i]->pts, sent[i]->pts) << "frame " << i;
        EXPECT_EQ(duration(got[i].get()), duration(sent[i].get())) << "frame " << i;
        const Frame alone = filtered(mdrn(), {}, sent[i].get());
        ASSERT_TRUE(alone);
        EXPECT_EQ(pixels(got[i].get()), pixels(alone.get())) << "frame " << i;
    }
}

TEST_P(Depth, PushedFramesComeOutInOrder) {
    const std::vector<Frame> frames = some_frames(7);
    std::vector<Frame> got;
    Graph graph(filters);
    ASSERT_GE(graph.configure(), 0);
    for (const Frame &frame : frames) {
        ASSERT_GE(graph.send(frame.get()), 0);
        while (Frame out = graph.receive(false)) got.push_back(std::move(out));
    }
    ASSERT_GE(graph.end(), 0);
    while (Frame out = graph.receive()) got.push_back(std::move(out));
    expect_same(frames, got);
    const AVRational base = av_buffersink_get_time_base(graph.sink());
    const AVRational rate = av_buffersink_get_frame_rate(graph.sink());
    EXPECT_EQ(av_cmp_q(base, kTimeBase), 0);
    EXPECT_EQ(av_cmp_q(rate, kFrameRate), 0);
}

// All frames and the end wait in the link before the filter runs for the first time.
TEST_P(Depth, QueuedFramesComeOutInOrder) {
    for (const int count : {0, 1, 2, 5, 12}) {
        SCOPED_TRACE(count);
        const std::vector<Frame> frames = some_frames(count);
        std::vector<Frame> got;
        Graph graph(filters);
        ASSERT_GE(graph.configure(), 0);
        for (const Frame &frame : frames) ASSERT_GE(graph.send(frame.get(), false), 0);
        ASSERT_GE(graph.end(), 0);
        int error = 0;
        while (Frame out = graph.receive(true, &error)) got.push_back(std::move(out));
        EXPECT_EQ(error, AVERROR_EOF);
        expect_same(frames, got);
    }
}

// A source of a frame a second: what can be out is out before the next is there, be it the same as
// the one before or not.
TEST_P(Depth, NoFrameIsHeldLongerThanAsked) {
    Graph graph(filters);
    ASSERT_GE(graph.configure(), 0);
    int out = 0;
    for (int sent = 1; sent <= 8; ++sent) {
        ASSERT_GE(graph.send(make_frame({}, sent / 3).get()), 0);
        while (graph.receive(false)) ++out;
        EXPECT_EQ(out, std::max(0, sent - depth + 1)) << "after " << sent;
        int error = 0;
        EXPECT_FALSE(graph.receive(true, &error));
        EXPECT_EQ(error, AVERROR(EAGAIN));
    }
    ASSERT_GE(graph.end(), 0);
    while (graph.receive(false)) ++out;
    EXPECT_EQ(out, 8);
}

// fps repeats the last frame up to the time of the end.
TEST_P(Depth, TheTimeOfTheEndIsPassedOn) {
    if (!avfilter_get_by_name("fps")) GTEST_SKIP() << "these libraries have no fps filter";
    const auto frames_until = [](const std::string &chain, int64_t end) {
        Graph graph(chain + ",fps=25");
        EXPECT_GE(graph.configure(), 0);
        for (int i = 0; i < 3; ++i) EXPECT_GE(graph.send(make_frame({}, i).get()), 0);
        EXPECT_GE(graph.end(end), 0);
        int count = 0;
        while (graph.receive()) ++count;
        return count;
    };
    EXPECT_EQ(frames_until(filters, 120), 3);
    EXPECT_EQ(frames_until(filters, 400), 10);
}

// Each plane that the filter was lent comes back, whenever the graph ends.
struct Planes {
    std::vector<uint8_t> bytes = std::vector<uint8_t>(16 * 12);
    int lent = 0;

    Frame frame() {
        Frame frame(av_frame_alloc());
        frame->format = AV_PIX_FMT_GRAY8;
        frame->width = frame->linesize[0] = 16;
        frame->height = 12;
        frame->data[0] = bytes.data();
        frame->buf[0] = av_buffer_create(
            bytes.data(), bytes.size(),
            [](void *opaque, uint8_t *) { --static_cast<Planes *>(opaque)->lent; }, this, 0);
        ++lent;
        return frame;
    }
};

TEST_P(Depth, FramesInFlightAreFreedWithTheGraph) {
    Planes planes;
    {
        Graph graph(filters);
        ASSERT_GE(graph.configure(), 0);
        for (int i = 0; i < 8; ++i) ASSERT_GE(graph.send(planes.frame().get()), 0);
        EXPECT_EQ(planes.lent, depth - 1);
    }
    EXPECT_EQ(planes.lent, 0);
}

TEST_P(Depth, AnOutputThatClosesEarlyIsAnEnd) {
    if (!avfilter_get_by_name("trim")) GTEST_SKIP() << "these libraries have no trim filter";
    Planes planes;
    {
        Graph graph(filters + ",trim=end_frame=2");
        ASSERT_GE(graph.configure(), 0);
        int out = 0, error = 0, sent = 0;
        for (; sent < 20 && error != AVERROR_EOF; ++sent) {
            if (graph.send(planes.frame().get()) < 0) break;
            while (graph.receive(true, &error)) ++out;
        }
        EXPECT_EQ(out, 2);
        EXPECT_EQ(error, AVERROR_EOF);
        EXPECT_LE(sent, 2 + depth);
    }
    EXPECT_EQ(planes.lent, 0);
}

INSTANTIATE_TEST_SUITE_P(Timing, Depth, testing::Values(1, 2, 5));

}  // namespace
}  // namespace filter_test
