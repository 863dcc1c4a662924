// SPDX-License-Identifier: BSD-2-Clause
// Frames for long on the emulated device, from either memory: its memory is back after each, and
// the host's stays as it was.
#include "cuda_frames.h"
#include "soak.h"

namespace filter_test {
namespace {

class CudaSoak : public CudaFrames, public testing::WithParamInterface<bool> {};

TEST_P(CudaSoak, OfFramesLeavesNothing) {
    const bool in_cuda = GetParam();
    const int frames = 100 * soak_length(), first = 20;
    const Picture a(device, 16, 12, 1), b(device, 16, 12, 2);
    Graph graph(on_gpu(in_cuda ? "" : "device=cuda:async_depth=3"),
                in_cuda ? a.source : a.software_source);
    ASSERT_GE(graph.configure(), 0);
    Footprint before;
    size_t bytes = 0;
    int received = 0;
    for (int i = 0; i < frames; ++i) {
        if (i == first) {
            before = Footprint::now();
            bytes = emulated::bytes_in_use();
        }
        const Picture &picture = i / 2 % 2 ? a : b;
        const Frame frame = ref((in_cuda ? picture.frame : picture.software).get());
        frame->pts = i;
        ASSERT_GE(graph.send(frame.get()), 0);
        while (const Frame out = graph.receive(false)) {
            ++received;
            // The emulated device does nothing before somebody waits for it.
            ASSERT_TRUE(!in_cuda || download(out.get()));
        }
    }
    expect_flat(before, Footprint::now(), frames - first);
    EXPECT_EQ(emulated::bytes_in_use(), bytes);
    ASSERT_GE(graph.end(), 0);
    while (graph.receive()) ++received;
    EXPECT_EQ(received, frames);
}

INSTANTIATE_TEST_SUITE_P(InCudaOrNot, CudaSoak, testing::Bool());

}  // namespace
}  // namespace filter_test
