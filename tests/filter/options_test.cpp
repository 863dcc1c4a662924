// SPDX-License-Identifier: BSD-2-Clause
// Options, and what is refused before the first frame.
#include <gtest/gtest.h>

#include "harness.h"

extern "C" {
#include <libavutil/opt.h>
}

namespace filter_test {
namespace {

TEST(Options, ThatCannotBeAreRefusedWithTheValuesThatCan) {
    const std::pair<const char *, const char *> cases[] = {
        {"scale=5", "2, 3, 4"},
        {"scale=-2147483648", "2, 3, 4"},
        {"device=tpu", "auto, cpu, cuda"},
        {"device=", "auto, cpu, cuda"},
        {"precision=int8", "auto, fp32, fp16, bf16"},
        {"gpu=-2", "-1 for the first GPU"},
        {"async_depth=-1", "1 to 64"},
        {"async_depth=2147483647", "1 to 64"},
        {"memory=-1", "number of bytes"},
        {"model=", "mdrn-s and the path"},
        {"scale=", "scale"},
        {"memory=much", "memory"},
        {"nosuch=1", "nosuch"},
    };
    for (const auto &[options, words] : cases) {
        SCOPED_TRACE(options);
        const Log log;
        AVFilterGraph *graph = avfilter_graph_alloc();
        AVFilterContext *filter =
            avfilter_graph_alloc_filter(graph, avfilter_get_by_name("mdrn"), "mdrn");
        ASSERT_TRUE(filter);
        EXPECT_LT(avfilter_init_str(filter, options), 0);
        EXPECT_NE(log.text().find(words), std::string::npos) << log.text();
        avfilter_graph_free(&graph);
    }
}

// As ffmpeg does it from 7.1 on, to see what a graph's inputs are.
TEST(Options, AFilterMayBeFreedBeforeItIsConfigured) {
    for (int i = 0; i < 2; ++i) {
        AVFilterGraph *graph = avfilter_graph_alloc();
        AVFilterInOut *inputs = nullptr, *outputs = nullptr;
        EXPECT_GE(avfilter_graph_parse2(graph, mdrn("async_depth=3").c_str(), &inputs, &outputs),
                  0);
        EXPECT_TRUE(inputs && outputs);
        avfilter_inout_free(&inputs);
        avfilter_inout_free(&outputs);
        avfilter_graph_free(&graph);
    }
}

TEST(Options, NoneChangesWhileFramesRun) {
    Graph graph(mdrn());
    ASSERT_GE(graph.configure(), 0);
    char reply[64] = "";
    EXPECT_EQ(avfilter_process_command(graph.filter("mdrn"), "scale", "4", reply, sizeof reply, 0),
              AVERROR(ENOSYS));
    EXPECT_GE(graph.send(make_frame({}).get()), 0);
    const Frame got = graph.receive();
    ASSERT_TRUE(got);
    EXPECT_EQ(got->width, 32);
}

TEST(Refused, AModelThatIsNotThere) {
    const Log log;
    EXPECT_EQ(Graph("mdrn=model=/nowhere/net.safetensors:device=cpu").configure(), AVERROR(EINVAL));
    EXPECT_EQ(log.count("/nowhere/net.safetensors"), 1) << log.text();
}

TEST(Refused, TooLittleMemoryWithHowMuchIsNeeded) {
    const Log log;
    EXPECT_EQ(Graph(mdrn("memory=1000"), {AV_PIX_FMT_GRAY8, 320, 180}).configure(),
              AVERROR(ENOMEM));
    EXPECT_NE(log.text().find("MiB"), std::string::npos) << log.text();
    EXPECT_NE(log.text().find("memory"), std::string::npos) << log.text();
}

TEST(Refused, PicturesTooLargeToBeEnlarged) {
    const std::pair<int, int> sizes[] = {
        {1 << 30, 1}, {1, 1 << 30}, {1 << 29, 1}, {1 << 20, 64}, {30000, 30000}};
    for (const auto &[width, height] : sizes) {
        SCOPED_TRACE(std::to_string(width) + "x" + std::to_string(height));
        const Log log;
        const int status = Graph(mdrn("scale=4"), {AV_PIX_FMT_RGBA64, width, height}).configure();
        EXPECT_EQ(status, AVERROR(EINVAL));
        EXPECT_NE(log.text().find("too large to be enlarged 4 times"), std::string::npos)
            << log.text();
    }
}

}  // namespace
}  // namespace filter_test
