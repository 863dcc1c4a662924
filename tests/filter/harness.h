// SPDX-License-Identifier: BSD-2-Clause
// Filter graphs as a program would drive them: buffer → filters → buffersink.
#pragma once

extern "C" {
#include <libavfilter/avfilter.h>
#include <libavfilter/buffersink.h>
#include <libavfilter/buffersrc.h>
#include <libavfilter/version.h>
#include <libavutil/frame.h>
#include <libavutil/log.h>
#include <libavutil/pixfmt.h>
}

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace filter_test {

// From 7.1 on, links know the colours of their frames.
inline constexpr bool kLinksHaveColour = LIBAVFILTER_VERSION_INT >= AV_VERSION_INT(10, 4, 100);

struct FreeFrame {
    void operator()(AVFrame *frame) const { av_frame_free(&frame); }
};
using Frame = std::unique_ptr<AVFrame, FreeFrame>;

// What the first link of a graph promises of its frames.
struct Source {
    AVPixelFormat format = AV_PIX_FMT_GRAY8;
    int width = 16;
    int height = 12;
    AVColorSpace colorspace = AVCOL_SPC_UNSPECIFIED;
    AVColorRange range = AVCOL_RANGE_UNSPECIFIED;
    std::vector<AVFrameSideDataType> side_data = {};  // of the link, 1 KiB each; from 8.0 on
    AVBufferRef *hw_frames = nullptr;                 // of the link; stays the caller's
};

inline constexpr AVRational kTimeBase = {1, 1000};
inline constexpr AVRational kFrameRate = {25, 1};

// A frame that keeps the source's promise, with noise that depends on seed alone.
Frame make_frame(const Source &source, int seed = 1);
Frame ref(const AVFrame *frame);
int64_t duration(const AVFrame *frame);
void set_duration(AVFrame *frame, int64_t duration);
void set_interlaced(AVFrame *frame);

// The samples row by row, without what lies between rows.
std::vector<uint8_t> pixels(const AVFrame *frame);

class Graph {
public:
    // Parses; threads: 0 = libavfilter's own choice.
    explicit Graph(const std::string &filters, const Source &source = {}, int threads = 0);
    ~Graph();
    Graph(const Graph &) = delete;
    Graph &operator=(const Graph &) = delete;

    // To be called once before frames are sent. An error if the filters did not parse, or do not
    // take the source's format: no conversion is inserted.
    int configure();
    // The graph runs at once with push, else when a frame is asked for. frame stays the caller's.
    int send(AVFrame *frame, bool push = true);
    int end(int64_t pts = AV_NOPTS_VALUE);
    // The next frame; NULL and *error where there is none. Without ask, only one that has come out.
    Frame receive(bool ask = true, int *error = nullptr);
    AVFilterContext *filter(const char *name) const;  // its first
    AVFilterContext *sink() const { return sink_; }

private:
    int parse(const std::string &filters, const Source &source, int threads);

    AVFilterGraph *graph_ = nullptr;
    AVFilterContext *source_ = nullptr;
    AVFilterContext *sink_ = nullptr;
    int status_ = 0;
};

// All that av_log() is told at this level and above while this lives; one at a time.
class Log {
public:
    explicit Log(int level = AV_LOG_INFO);
    ~Log();
    const std::string &text() const;
    int count(const std::string &words) const;
};

// One frame through filters in a graph of its own; NULL where that fails.
Frame filtered(const std::string &filters, const Source &source, const AVFrame *frame);

// The filter with the fast network and nothing chosen by the machine.
inline std::string mdrn(const std::string &options = "") {
    return "mdrn=model=mdrn-s:device=cpu" + (options.empty() ? "" : ":" + options);
}

}  // namespace filter_test
