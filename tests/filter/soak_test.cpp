// SPDX-License-Identifier: BSD-2-Clause
// Long runs, many graphs and many filters at once: memory, files and threads stay as many as they
// were, and every frame is right.
#include "soak.h"

#include <atomic>
#include <thread>

#include "harness.h"

namespace filter_test {
namespace {

const Source kSource = {AV_PIX_FMT_YUV420P, 16, 12, AVCOL_SPC_BT709, AVCOL_RANGE_MPEG};

// The same weights as the built-in mdrn-s has.
const std::string kFile = MDRN_SOURCE_DIR "/models/mdrn-s_x2.safetensors";

// Frames that repeat now and then, and what comes of them.
struct Content {
    Content() {
        for (int i = 0; i < 7; ++i) {
            sent.push_back(make_frame(kSource, i));
            av_frame_new_side_data(sent.back().get(), AV_FRAME_DATA_A53_CC, 64);
            av_dict_set(&sent.back()->metadata, "number", std::to_string(i).c_str(), 0);
            expected.push_back(pixels(filtered(mdrn(), kSource, sent.back().get()).get()));
        }
    }
    static int of(int frame) { return frame / 3 % 7; }
    std::vector<Frame> sent;
    std::vector<std::vector<uint8_t>> expected;
};

class Soak : public testing::TestWithParam<const char *> {};

TEST_P(Soak, OfFramesLeavesNothing) {
    const Content content;
    const int frames = 3500 * soak_length(), first = 500;
    Graph graph(mdrn(GetParam()), kSource);
    ASSERT_GE(graph.configure(), 0);
    int received = 0, wrong = 0;
    const auto receive = [&] {
        while (const Frame out = graph.receive(false))
            wrong += pixels(out.get()) != content.expected[Content::of(received++)];
    };
    Footprint before;
    for (int i = 0; i < frames; ++i) {
        if (i == first) before = Footprint::now();
        const Frame frame = ref(content.sent[Content::of(i)].get());
        frame->pts = i;
        ASSERT_GE(graph.send(frame.get()), 0);
        receive();
    }
    expect_flat(before, Footprint::now(), frames - first);
    ASSERT_GE(graph.end(), 0);
    while (graph.receive()) ++received;
    EXPECT_EQ(received, frames);
    EXPECT_EQ(wrong, 0);
}

INSTANTIATE_TEST_SUITE_P(Of, Soak, testing::Values("", "reuse=0", "async_depth=3"));

TEST(Soak, OfGraphsLeavesNothing) {
    const Content content;
    const int graphs = 1000 * soak_length(), first = 50;
    Footprint before;
    for (int i = 0; i < graphs; ++i) {
        if (i == first) before = Footprint::now();
        const std::string depth = ":async_depth=" + std::to_string(1 + i % 3);
        Graph graph(
            (i % 2 ? "mdrn=device=cpu:model=mdrn-s" : "mdrn=device=cpu:model=" + kFile) + depth,
            kSource);
        ASSERT_GE(graph.configure(), 0);
        ASSERT_GE(graph.send(content.sent[i % 7].get()), 0);
        if (i % 4 == 3) continue;  // with a frame in flight
        ASSERT_GE(graph.end(), 0);
        const Frame out = graph.receive();
        ASSERT_TRUE(out);
        ASSERT_EQ(pixels(out.get()), content.expected[i % 7]);
    }
    expect_flat(before, Footprint::now(), graphs - first);
}

// Each in a thread of its own, as programs with many players have them, and of every kind.
TEST(Soak, Of16FiltersAtOnce) {
    const Content content;
    const Footprint before = Footprint::now();
    std::atomic<int> right = 0;
    const int frames = 60 * soak_length();
    {
        std::vector<std::jthread> threads;
        for (int number = 0; number < 16; ++number)
            threads.emplace_back([&, number] {
                Graph graph(mdrn("async_depth=" + std::to_string(1 + number % 4)), kSource,
                            1 + number % 3);
                if (graph.configure() < 0) return;
                int received = 0;
                const auto take = [&](const Frame &out) {
                    right += pixels(out.get()) == content.expected[(number + received++) % 7];
                };
                for (int i = 0; i < frames; ++i) {
                    const Frame frame = ref(content.sent[(number + i) % 7].get());
                    if (graph.send(frame.get()) < 0) return;
                    while (const Frame out = graph.receive(false)) take(out);
                }
                graph.end();
                while (const Frame out = graph.receive()) take(out);
            });
    }
    EXPECT_EQ(right, 16 * frames);
    EXPECT_EQ(Footprint::now().files, before.files);
    EXPECT_EQ(Footprint::now().threads, before.threads);
}

}  // namespace
}  // namespace filter_test
