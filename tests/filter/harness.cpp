// SPDX-License-Identifier: BSD-2-Clause
#include "harness.h"

extern "C" {
#include <libavutil/imgutils.h>
#include <libavutil/log.h>
#include <libavutil/mem.h>
#include <libavutil/pixdesc.h>
}

#include <cstdio>
#include <cstring>
#include <mutex>
#include <random>

namespace filter_test {
namespace {

std::mutex log_mutex;
int log_level;
std::string log_text;

void write_log(void *, int level, const char *format, va_list arguments) {
    if (level > log_level) return;
    char line[2048];
    vsnprintf(line, sizeof line, format, arguments);
    const std::lock_guard lock(log_mutex);
    log_text += line;
}

void fill(AVFrame *frame, int seed) {
    const AVPixFmtDescriptor *format = av_pix_fmt_desc_get(AVPixelFormat(frame->format));
    std::mt19937 random(seed);
    for (int plane = 0; plane < 4 && frame->data[plane]; ++plane) {
        const int height = plane == 1 || plane == 2
                               ? AV_CEIL_RSHIFT(frame->height, format->log2_chroma_h)
                               : frame->height;
        const int bytes = av_image_get_linesize(AVPixelFormat(frame->format), frame->width, plane);
        for (int y = 0; y < height; ++y) {
            uint8_t *row = frame->data[plane] + y * frame->linesize[plane];
            if (format->flags & AV_PIX_FMT_FLAG_FLOAT) {
                for (int x = 0; x < bytes / 4; ++x)
                    reinterpret_cast<float *>(row)[x] = float(random() % 1024) / 1023;
            } else {
                for (int x = 0; x < bytes; ++x) row[x] = uint8_t(random());
            }
        }
    }
}

}  // namespace

Frame make_frame(const Source &source, int seed) {
    Frame frame(av_frame_alloc());
    frame->format = source.format;
    frame->width = source.width;
    frame->height = source.height;
    frame->colorspace = source.colorspace;
    frame->color_range = source.range;
    if (av_frame_get_buffer(frame.get(), 0) < 0) return nullptr;
    fill(frame.get(), seed);
    frame->pts = seed * 40;
    return frame;
}

Frame ref(const AVFrame *frame) {
    return Frame(av_frame_clone(frame));
}

int64_t duration(const AVFrame *frame) {
#if LIBAVUTIL_VERSION_INT < AV_VERSION_INT(57, 30, 100)
    return frame->pkt_duration;
#else
    return frame->duration;
#endif
}

void set_duration(AVFrame *frame, int64_t duration) {
#if LIBAVUTIL_VERSION_INT < AV_VERSION_INT(57, 30, 100)
    frame->pkt_duration = duration;
#else
    frame->duration = duration;
#endif
}

void set_interlaced(AVFrame *frame) {
#ifdef AV_FRAME_FLAG_INTERLACED
    frame->flags |= AV_FRAME_FLAG_INTERLACED;
#else
    frame->interlaced_frame = 1;
#endif
}

std::vector<uint8_t> pixels(const AVFrame *frame) {
    const auto format = AVPixelFormat(frame->format);
    std::vector<uint8_t> bytes(av_image_get_buffer_size(format, frame->width, frame->height, 1));
    av_image_copy_to_buffer(bytes.data(), int(bytes.size()), frame->data, frame->linesize, format,
                            frame->width, frame->height, 1);
    return bytes;
}

Graph::Graph(const std::string &filters, const Source &source, int threads)
    : graph_(avfilter_graph_alloc()) {
    status_ = graph_ ? parse(filters, source, threads) : AVERROR(ENOMEM);
}

Graph::~Graph() {
    avfilter_graph_free(&graph_);
}

int Graph::parse(const std::string &filters, const Source &source, int threads) {
    graph_->nb_threads = threads;
    avfilter_graph_set_auto_convert(graph_, AVFILTER_AUTO_CONVERT_NONE);
    source_ = avfilter_graph_alloc_filter(graph_, avfilter_get_by_name("buffer"), "in");
    sink_ = avfilter_graph_alloc_filter(graph_, avfilter_get_by_name("buffersink"), "out");
    AVBufferSrcParameters *parameters = av_buffersrc_parameters_alloc();
    if (!source_ || !sink_ || !parameters) {
        av_free(parameters);
        return AVERROR(ENOMEM);
    }
    parameters->format = source.format;
    parameters->width = source.width;
    parameters->height = source.height;
    parameters->time_base = kTimeBase;
    parameters->frame_rate = kFrameRate;
    parameters->sample_aspect_ratio = {1, 1};
    parameters->hw_frames_ctx = source.hw_frames;
#if LIBAVFILTER_VERSION_INT >= AV_VERSION_INT(10, 4, 100)
    parameters->color_space = source.colorspace;
    parameters->color_range = source.range;
#endif
#if LIBAVFILTER_VERSION_MAJOR >= 11
    for (const AVFrameSideDataType type : source.side_data)
        av_frame_side_data_new(&parameters->side_data, &parameters->nb_side_data, type, 1024, 0);
#endif
    int result = av_buffersrc_parameters_set(source_, parameters);
#if LIBAVFILTER_VERSION_MAJOR >= 11
    av_frame_side_data_free(&parameters->side_data, &parameters->nb_side_data);
#endif
    av_free(parameters);
    if (result < 0) return result;
    if ((result = avfilter_init_str(source_, nullptr)) < 0) return result;
    if ((result = avfilter_init_str(sink_, nullptr)) < 0) return result;

    AVFilterInOut *from = avfilter_inout_alloc();
    AVFilterInOut *to = avfilter_inout_alloc();
    result = AVERROR(ENOMEM);
    if (from && to) {
        *from = {av_strdup("in"), source_, 0, nullptr};
        *to = {av_strdup("out"), sink_, 0, nullptr};
        if (from->name && to->name)
            result = avfilter_graph_parse_ptr(graph_, filters.c_str(), &to, &from, nullptr);
    }
    avfilter_inout_free(&from);
    avfilter_inout_free(&to);
    return result;
}

int Graph::configure() {
    return status_ < 0 ? status_ : avfilter_graph_config(graph_, nullptr);
}

int Graph::send(AVFrame *frame, bool push) {
    return av_buffersrc_add_frame_flags(
        source_, frame, AV_BUFFERSRC_FLAG_KEEP_REF | (push ? AV_BUFFERSRC_FLAG_PUSH : 0));
}

int Graph::end(int64_t pts) {
    return av_buffersrc_close(source_, pts, AV_BUFFERSRC_FLAG_PUSH);
}

Frame Graph::receive(bool ask, int *error) {
    Frame frame(av_frame_alloc());
    const int result = frame ? av_buffersink_get_frame_flags(
                                   sink_, frame.get(), ask ? 0 : AV_BUFFERSINK_FLAG_NO_REQUEST)
                             : AVERROR(ENOMEM);
    if (error) *error = result;
    return result < 0 ? nullptr : std::move(frame);
}

AVFilterContext *Graph::filter(const char *name) const {
    for (unsigned i = 0; i < graph_->nb_filters; ++i)
        if (!strcmp(graph_->filters[i]->filter->name, name)) return graph_->filters[i];
    return nullptr;
}

Log::Log(int level) {
    log_level = level;
    log_text.clear();
    av_log_set_callback(write_log);
}

Log::~Log() {
    av_log_set_callback(av_log_default_callback);
}

const std::string &Log::text() const {
    return log_text;
}

int Log::count(const std::string &words) const {
    int found = 0;
    for (size_t at = 0; (at = log_text.find(words, at)) != std::string::npos; ++at) ++found;
    return found;
}

Frame filtered(const std::string &filters, const Source &source, const AVFrame *frame) {
    Graph graph(filters, source);
    const Frame copy = ref(frame);
    if (graph.configure() < 0 || graph.send(copy.get()) < 0) return nullptr;
    graph.end();
    return graph.receive();
}

}  // namespace filter_test
