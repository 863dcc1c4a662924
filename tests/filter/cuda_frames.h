// SPDX-License-Identifier: BSD-2-Clause
// Frames in CUDA memory, on the emulated device, and the same picture in main memory.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>

#include "emulator/control.h"
#include "harness.h"

extern "C" {
#include <libavutil/hwcontext.h>
#include <libavutil/pixdesc.h>
}

namespace filter_test {

struct Unref {
    void operator()(AVBufferRef *buffer) const { av_buffer_unref(&buffer); }
};
using Buffer = std::unique_ptr<AVBufferRef, Unref>;

inline AVHWFramesContext *frames_context(const AVBufferRef *buffer) {
    return reinterpret_cast<AVHWFramesContext *>(buffer->data);
}

inline Buffer open_device() {
    AVBufferRef *device = nullptr;
    av_hwdevice_ctx_create(&device, AV_HWDEVICE_TYPE_CUDA, "0", nullptr, 0);
    return Buffer(device);
}

inline Buffer make_pool(const Buffer &device, AVPixelFormat format, int width, int height,
                        bool ready = true) {
    Buffer pool(av_hwframe_ctx_alloc(device.get()));
    AVHWFramesContext *frames = frames_context(pool.get());
    frames->format = AV_PIX_FMT_CUDA;
    frames->sw_format = format;
    frames->width = width;
    frames->height = height;
    if (ready && av_hwframe_ctx_init(pool.get()) < 0) return nullptr;
    return pool;
}

inline void set_size(AVFrame *frame, int width, int height) {
    frame->width = width;
    frame->height = height;
}

// A frame of the pool that holds what frame does, which has the pool's size.
inline Frame upload(const AVFrame *frame, const Buffer &pool) {
    Frame result(av_frame_alloc());
    if (av_hwframe_get_buffer(pool.get(), result.get(), 0) < 0) return nullptr;
    if (av_hwframe_transfer_data(result.get(), frame, 0) < 0) return nullptr;
    av_frame_copy_props(result.get(), frame);
    return result;
}

// All that the frame's pool has room for is copied: libavutil leaves out the last row of chroma
// where the height is odd.
inline Frame download(const AVFrame *frame) {
    const Frame whole = ref(frame);
    const AVHWFramesContext *pool = frames_context(frame->hw_frames_ctx);
    set_size(whole.get(), pool->width, pool->height);
    Frame result(av_frame_alloc());
    if (av_hwframe_transfer_data(result.get(), whole.get(), 0) < 0) return nullptr;
    set_size(result.get(), frame->width, frame->height);
    return result;
}

// The largest difference of two frames, in code values of their format.
inline int difference(const AVFrame *a, const AVFrame *b) {
    if (a->format != b->format || a->width != b->width || a->height != b->height) return 1 << 20;
    const AVPixFmtDescriptor *format = av_pix_fmt_desc_get(AVPixelFormat(a->format));
    std::vector<uint16_t> x(a->width), y(a->width);
    int largest = 0;
    for (int c = 0; c < format->nb_components; ++c) {
        const bool chroma = !(format->flags & AV_PIX_FMT_FLAG_RGB) && (c == 1 || c == 2);
        const int width = AV_CEIL_RSHIFT(a->width, chroma ? format->log2_chroma_w : 0);
        const int height = AV_CEIL_RSHIFT(a->height, chroma ? format->log2_chroma_h : 0);
        for (int row = 0; row < height; ++row) {
            for (const auto &[values, frame] : {std::pair{&x, a}, {&y, b}})
                av_read_image_line(values->data(), const_cast<const uint8_t **>(frame->data),
                                   frame->linesize, format, 0, row, c, width, 0);
            for (int i = 0; i < width; ++i) largest = std::max(largest, abs(x[i] - y[i]));
        }
    }
    return largest;
}

inline std::string on_gpu(const std::string &options = "") {
    return "mdrn=model=mdrn-s:precision=fp32" + (options.empty() ? "" : ":" + options);
}

inline Source source_of(AVPixelFormat format, int width, int height) {
    const bool rgb = av_pix_fmt_desc_get(format)->flags & AV_PIX_FMT_FLAG_RGB;
    return {format, width, height, rgb ? AVCOL_SPC_RGB : AVCOL_SPC_BT709,
            rgb ? AVCOL_RANGE_JPEG : AVCOL_RANGE_MPEG};
}

inline Source in_cuda(Source source, const Buffer &pool) {
    source.format = AV_PIX_FMT_CUDA;
    source.hw_frames = pool.get();
    return source;
}

// A picture in both memories, at the upper left of planes that may be larger.
struct Picture {
    Picture(const Buffer &device, AVPixelFormat format, int width, int height, int coded_width,
            int coded_height, int seed = 1)
        : pool(make_pool(device, format, coded_width, coded_height)),
          software_source(source_of(format, width, height)),
          source(in_cuda(software_source, pool)),
          software(make_frame(source_of(format, coded_width, coded_height), seed)),
          frame(upload(software.get(), pool)) {
        set_size(software.get(), width, height);
        set_size(frame.get(), width, height);
    }
    Picture(const Buffer &device, int width = 16, int height = 12, int seed = 1)
        : Picture(device, AV_PIX_FMT_NV12, width, height, width, height, seed) {}

    Buffer pool;
    Source software_source, source;
    Frame software, frame;
};

class CudaFrames : public testing::Test {
protected:
    CudaFrames() {
        emulated::set_twice(false);
        device = open_device();
    }
    void SetUp() override {
        if (!device) GTEST_SKIP() << "these libraries have no CUDA (ffnvcodec)";
    }
    void TearDown() override {
        device.reset();
        EXPECT_EQ(emulated::bytes_in_use(), 0u);
        EXPECT_EQ(emulated::bytes_abandoned(), abandoned);
        EXPECT_EQ(emulated::take_faults(), std::vector<std::string>{});
    }

    Buffer device;
    const size_t abandoned = emulated::bytes_abandoned();
};

}  // namespace filter_test
