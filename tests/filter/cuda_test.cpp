// SPDX-License-Identifier: BSD-2-Clause
// Frames in CUDA memory, on the emulated device. What the filter makes of the same planes in main
// memory, on the CPU, is what it must make of them.
#include <cuda.h>

#include "cuda_frames.h"

extern "C" {
#include <libavutil/hwcontext_cuda.h>
}

namespace filter_test {
namespace {

TEST_F(CudaFrames, OfEverySwFormatBecomeWhatSoftwareFramesDo) {
    struct Case {
        int width, height, coded_width, coded_height;
        const char *options;
    };
    const Case cases[] = {{16, 12, 16, 12, "scale=2"},
                          {15, 11, 16, 12, "scale=3"},
                          {17, 9, 64, 32, "scale=2"},
                          {1, 1, 2, 2, "scale=3"}};
    AVHWFramesConstraints *constraints = av_hwdevice_get_hwframe_constraints(device.get(), nullptr);
    ASSERT_TRUE(constraints);
    int formats = 0;
    for (const AVPixelFormat *format = constraints->valid_sw_formats; *format != AV_PIX_FMT_NONE;
         ++format) {
        if (av_pix_fmt_desc_get(*format)->flags & AV_PIX_FMT_FLAG_HWACCEL) continue;
        ++formats;
        for (const auto &[width, height, coded_width, coded_height, options] : cases) {
            SCOPED_TRACE(std::string(av_get_pix_fmt_name(*format)) + " " + std::to_string(width) +
                         "x" + std::to_string(height));
            const Picture picture(device, *format, width, height, coded_width, coded_height);
            const Frame want =
                filtered(mdrn(options), picture.software_source, picture.software.get());
            const Frame got = filtered(on_gpu(options), picture.source, picture.frame.get());
            ASSERT_TRUE(want && got);
            ASSERT_EQ(got->format, AV_PIX_FMT_CUDA);
            EXPECT_EQ(frames_context(got->hw_frames_ctx)->sw_format, *format);
            const Frame seen = download(got.get());
            ASSERT_TRUE(seen);
            EXPECT_LE(difference(seen.get(), want.get()), 1);
        }
    }
    av_hwframe_constraints_free(&constraints);
    EXPECT_GE(formats, 9);
}

// Where another filter cuts a piece out.
TEST_F(CudaFrames, MayBeginInsideTheirPlanes) {
    const Picture large(device, AV_PIX_FMT_YUV420P, 32, 24, 32, 24);
    for (const Frame *frame : {&large.software, &large.frame}) {
        AVFrame *piece = frame->get();
        for (int plane = 0; plane < 3; ++plane)
            piece->data[plane] += (plane ? 2 : 4) * piece->linesize[plane] + (plane ? 1 : 2);
        set_size(piece, 13, 9);
    }
    Source software = large.software_source, source = large.source;
    software.width = source.width = 13;
    software.height = source.height = 9;
    const Frame want = filtered(mdrn(), software, large.software.get());
    const Frame got = filtered(on_gpu(), source, large.frame.get());
    ASSERT_TRUE(want && got);
    EXPECT_LE(difference(download(got.get()).get(), want.get()), 1);
}

TEST_F(CudaFrames, LeaveAtOnceAndStayOnTheirDevice) {
    for (const char *options : {"", "device=cuda", "device=cuda:async_depth=5", "gpu=0"}) {
        SCOPED_TRACE(options);
        const Picture picture(device);
        Graph graph(on_gpu(options), picture.source);
        ASSERT_GE(graph.configure(), 0);
        AVBufferRef *pool = av_buffersink_get_hw_frames_ctx(graph.sink());
        ASSERT_TRUE(pool);
        EXPECT_EQ(frames_context(pool)->device_ctx, frames_context(picture.pool.get())->device_ctx);
        EXPECT_EQ(frames_context(pool)->initial_pool_size, 0);
        std::vector<Frame> held;  // the pool has no end
        for (int i = 0; i < 40; ++i) {
            const Frame frame = ref(picture.frame.get());
            frame->pts = i;
            frame->crop_left = 1;
            ASSERT_GE(graph.send(frame.get()), 0);
            held.push_back(graph.receive(false));
            ASSERT_TRUE(held.back());
            EXPECT_EQ(held.back()->pts, i);
            EXPECT_EQ(held.back()->width, 32);
            EXPECT_EQ(held.back()->height, 24);
            EXPECT_EQ(held.back()->crop_left, 2u);
            EXPECT_EQ(held.back()->hw_frames_ctx->data, pool->data);
        }
        const Frame first = download(held.front().get()), last = download(held.back().get());
        EXPECT_EQ(pixels(first.get()), pixels(last.get()));
    }
}

// On another stream the network would run before its input is there.
TEST_F(CudaFrames, AreWorkedOnOnTheirOwnStream) {
    const auto enlarged = [&] {
        const Picture picture(device);
        return download(filtered(on_gpu(), picture.source, picture.frame.get()).get());
    };
    const Frame want = enlarged();
    auto *cuda = static_cast<AVCUDADeviceContext *>(
        reinterpret_cast<AVHWDeviceContext *>(device->data)->hwctx);
    CUcontext left = nullptr;
    ASSERT_EQ(cuCtxPushCurrent(cuda->cuda_ctx), CUDA_SUCCESS);
    ASSERT_EQ(cuStreamCreate(&cuda->stream, CU_STREAM_NON_BLOCKING), CUDA_SUCCESS);
    ASSERT_EQ(cuCtxPopCurrent(&left), CUDA_SUCCESS);
    const Frame got = enlarged();
    EXPECT_EQ(cuCtxGetCurrent(&left), CUDA_SUCCESS);
    EXPECT_EQ(left, nullptr);
    ASSERT_EQ(cuCtxPushCurrent(cuda->cuda_ctx), CUDA_SUCCESS);
    EXPECT_EQ(cuStreamDestroy(cuda->stream), CUDA_SUCCESS);
    ASSERT_EQ(cuCtxPopCurrent(&left), CUDA_SUCCESS);
    ASSERT_TRUE(want && got);
    EXPECT_EQ(pixels(got.get()), pixels(want.get()));
}

TEST_F(CudaFrames, GoThroughTwoFiltersOfOneGraph) {
    const Picture picture(device);
    const Frame once = filtered(on_gpu(), picture.source, picture.frame.get());
    ASSERT_TRUE(once);
    Source between = picture.source;
    between.width = once->width;
    between.height = once->height;
    between.hw_frames = once->hw_frames_ctx;
    const Frame want = filtered(on_gpu("scale=3"), between, once.get());
    const Frame got =
        filtered(on_gpu() + "," + on_gpu("scale=3"), picture.source, picture.frame.get());
    ASSERT_TRUE(want && got);
    EXPECT_EQ(got->width, 96);
    EXPECT_EQ(pixels(download(got.get()).get()), pixels(download(want.get()).get()));
}

TEST_F(CudaFrames, OfAnotherSizeNeedANewGraph) {
    const Picture small(device), large(device, 24, 20);
    Graph graph(on_gpu(), small.source);
    ASSERT_GE(graph.configure(), 0);
    ASSERT_GE(graph.send(small.frame.get()), 0);
    const Log log;
    EXPECT_EQ(graph.send(large.frame.get()), AVERROR(EINVAL));
    EXPECT_EQ(log.count("24x20 cuda, but the filter was configured for 16x12 cuda"), 1)
        << log.text();
    const Frame got = filtered(on_gpu(), large.source, large.frame.get());
    const Frame want = filtered(mdrn(), large.software_source, large.software.get());
    ASSERT_TRUE(want && got);
    EXPECT_LE(difference(download(got.get()).get(), want.get()), 1);
    EXPECT_TRUE(graph.receive());
}

TEST_F(CudaFrames, FromElsewhereAreRefusedAndTheOthersGoOn) {
    const Picture picture(device);
    const Buffer second = open_device();
    const Picture elsewhere(second), like(device),
        other(device, AV_PIX_FMT_YUV420P, 16, 12, 16, 12), tiny(device, 8, 8);
    const Frame without = ref(picture.frame.get()), beyond = ref(tiny.frame.get());
    av_buffer_unref(&without->hw_frames_ctx);
    set_size(beyond.get(), 16, 12);

    Graph graph(on_gpu(), picture.source);
    ASSERT_GE(graph.configure(), 0);
    for (const Frame *frame : {&elsewhere.frame, &other.frame, &without, &beyond}) {
        const Log log;
        EXPECT_EQ(graph.send(frame->get()), AVERROR(EINVAL));
        EXPECT_EQ(log.count("hw_frames_ctx is missing, too small or not of"), 1) << log.text();
        EXPECT_GE(graph.send(picture.frame.get()), 0);
        EXPECT_TRUE(graph.receive());
    }
    EXPECT_GE(graph.send(like.frame.get()), 0);  // of another pool like the first
    EXPECT_TRUE(graph.receive());
}

TEST_F(CudaFrames, ThatCannotBeAreRefusedWithWhatCan) {
    const Picture picture(device);
    const Buffer pal8 = make_pool(device, AV_PIX_FMT_PAL8, 16, 12, false);
    struct Case {
        std::string options, words;
        const AVBufferRef *pool;
    };
    const Case cases[] = {
        {"device=cpu", "leave device out, or put hwdownload", picture.pool.get()},
        {"gpu=1", "the frames are on gpu 0", picture.pool.get()},
        {"scale=2", "sw_format pal8 are not possible; possible are nv12, ", pal8.get()},
        {"scale=2", "hw_frames_ctx", nullptr},
    };
    for (const auto &[options, words, pool] : cases) {
        SCOPED_TRACE(words);
        Source source = picture.source;
        source.hw_frames = const_cast<AVBufferRef *>(pool);
        const Log log;
        EXPECT_EQ(Graph(on_gpu(options), source).configure(), AVERROR(EINVAL));
        EXPECT_NE(log.text().find(words), std::string::npos) << log.text();
    }
}

// The graph is the last to hold on to the device; its filters are freed in any order.
TEST_F(CudaFrames, AreGivenBackWithTheGraph) {
    Picture picture(device);
    Graph graph(on_gpu() + "," + on_gpu(), picture.source);
    ASSERT_GE(graph.configure(), 0);
    for (int i = 0; i < 3; ++i) ASSERT_GE(graph.send(picture.frame.get()), 0);
    picture.frame.reset();
    picture.pool.reset();
    device.reset();
}

// Whatever fails, there is an error or the right picture.
class Failing : public CudaFrames {
protected:
    struct Outcome {
        int error = 0;
        uint64_t made = 0;  // of what is counted, from the graph's configuration to its end
        std::vector<std::vector<uint8_t>> frames;
    };

    // What counter counts fails once, at the nth from the graph's configuration on.
    Outcome run(uint64_t (*counter)(), void (*fail)(uint64_t), uint64_t nth) {
        Outcome outcome;
        std::vector<Frame> got;
        const Picture picture(device);
        {
            Graph graph(on_gpu() + "," + on_gpu(), picture.source);
            const uint64_t before = counter();
            fail(nth);
            outcome.error = std::min(graph.configure(), 0);
            for (int i = 0; i < 3 && !outcome.error; ++i) {
                outcome.error = std::min(graph.send(picture.frame.get()), 0);
                if (Frame frame = graph.receive(false)) got.push_back(std::move(frame));
            }
            fail(0);
            outcome.made = counter() - before;
        }
        for (const Frame &frame : got)
            outcome.frames.push_back(pixels(download(frame.get()).get()));
        return outcome;
    }

    void each(uint64_t (*counter)(), void (*fail)(uint64_t), int step) {
        const Outcome want = run(counter, fail, 0);
        ASSERT_EQ(want.frames.size(), 3u);
        ASSERT_GT(want.made, 10u);
        int count = 0, errors = 0;
        for (uint64_t nth = 1; nth <= want.made; nth += step, ++count) {
            SCOPED_TRACE("failure " + std::to_string(nth));
            const size_t before = emulated::bytes_in_use();
            const Log log;
            const Outcome got = run(counter, fail, nth);
            ASSERT_EQ(emulated::take_faults().size(), 0u) << log.text() << got.error;
            ASSERT_EQ(emulated::bytes_in_use(), before);
            if (got.error) {
                ++errors;
                EXPECT_FALSE(log.text().empty());
            } else {
                EXPECT_EQ(got.frames, want.frames);
            }
        }
        EXPECT_GT(errors, count / 2);
        std::printf("# %d of %d failed in turn, %d with an error\n", count, int(want.made), errors);
    }
};

TEST_F(Failing, DriverCalls) {
    each(emulated::calls, emulated::fail_call, 13);
}

TEST_F(Failing, Allocations) {
    each(emulated::allocations, emulated::fail_allocation, 1);
}

}  // namespace
}  // namespace filter_test
