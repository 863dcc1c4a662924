/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Decodes the video of a file, enlarges it with the mdrn filter and encodes it, on FFmpeg's
 * libraries (5.1 and later).
 *
 *     cc upscale.c -o upscale $(pkg-config --cflags --libs libavfilter libavformat libavcodec
 * libavutil)
 *     ./upscale [-cuda] IN OUT [FILTERS [ENCODER]]
 *
 * FILTERS are "mdrn=scale=2" unless given, ENCODER is libx264. With -cuda, frames are decoded on
 * the GPU where it can, enlarged there, and stay there for an encoder that takes them, such as
 * h264_nvenc. Sound and subtitles are left out.
 */
#include <inttypes.h>
#include <libavcodec/avcodec.h>
#include <libavfilter/avfilter.h>
#include <libavfilter/buffersink.h>
#include <libavfilter/buffersrc.h>
#include <libavfilter/version.h>
#include <libavformat/avformat.h>
#include <libavutil/avstring.h>
#include <libavutil/hwcontext.h>
#include <libavutil/mem.h>
#include <libavutil/pixdesc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct Upscaler {
    const char *filters;
    const AVCodec *codec; /* of the encoder */
    AVBufferRef *device;  /* CUDA, or NULL */
    AVFormatContext *in;
    AVStream *video; /* of in */
    AVCodecContext *decoder;
    AVFilterGraph *graph; /* opened by the first frame decoded */
    AVFilterContext *source, *sink;
    AVFormatContext *out;
    AVCodecContext *encoder; /* opened by the first frame enlarged */
    AVPacket *packet;
    int64_t frames;
} Upscaler;

static int check(int result, const char *what) {
    if (result < 0) {
        fprintf(stderr, "\nupscale: %s: %s\n", what, av_err2str(result));
        exit(1);
    }
    return result;
}

static void *check_memory(void *pointer) {
    if (!pointer) check(AVERROR(ENOMEM), "the first steps");
    return pointer;
}

static void open_input(Upscaler *u, const char *name) {
    const AVCodec *codec = NULL;
    check(avformat_open_input(&u->in, name, NULL, NULL), name);
    check(avformat_find_stream_info(u->in, NULL), name);
    const int index = av_find_best_stream(u->in, AVMEDIA_TYPE_VIDEO, -1, -1, &codec, 0);
    u->video = u->in->streams[check(index, name)];

    u->decoder = check_memory(avcodec_alloc_context3(codec));
    check(avcodec_parameters_to_context(u->decoder, u->video->codecpar), name);
    u->decoder->pkt_timebase = u->video->time_base;
    if (u->device) u->decoder->hw_device_ctx = check_memory(av_buffer_ref(u->device));
    check(avcodec_open2(u->decoder, codec, NULL), codec->name);
}

static int takes_cuda(const AVCodec *encoder) {
    const AVCodecHWConfig *config;
    for (int i = 0; (config = avcodec_get_hw_config(encoder, i)); i++)
        if (config->pix_fmt == AV_PIX_FMT_CUDA) return 1;
    return 0;
}

/* FILTERS, and the way to the GPU and back where frames are not there or must not be. */
static char *whole_chain(const Upscaler *u, const AVFrame *first) {
    if (!u->device) return check_memory(av_strdup(u->filters));
    const AVHWFramesContext *pool =
        first->hw_frames_ctx ? (AVHWFramesContext *)first->hw_frames_ctx->data : NULL;
    const char *format = av_get_pix_fmt_name(pool ? pool->sw_format : first->format);
    const char *up = pool ? "" : "hwupload,";
    return check_memory(takes_cuda(u->codec)
                            ? av_asprintf("%s%s", up, u->filters)
                            : av_asprintf("%s%s,hwdownload,format=%s", up, u->filters, format));
}

static void open_graph(Upscaler *u, const AVFrame *first) {
    u->graph = check_memory(avfilter_graph_alloc());
    u->source =
        check_memory(avfilter_graph_alloc_filter(u->graph, avfilter_get_by_name("buffer"), "in"));
    AVBufferSrcParameters *p = check_memory(av_buffersrc_parameters_alloc());
    p->format = first->format;
    p->width = first->width;
    p->height = first->height;
    p->sample_aspect_ratio = first->sample_aspect_ratio;
    p->time_base = u->video->time_base;
    p->frame_rate = av_guess_frame_rate(u->in, u->video, NULL);
    p->hw_frames_ctx = first->hw_frames_ctx;
#if LIBAVFILTER_VERSION_INT >= AV_VERSION_INT(9, 16, 100)
    p->color_space = first->colorspace;
    p->color_range = first->color_range;
#endif
    check(av_buffersrc_parameters_set(u->source, p), "the filters' input");
    av_free(p);
    check(avfilter_init_str(u->source, NULL), "the filters' input");
    check(avfilter_graph_create_filter(&u->sink, avfilter_get_by_name("buffersink"), "out", NULL,
                                       NULL, u->graph),
          "the filters' output");

    AVFilterInOut *begin = check_memory(avfilter_inout_alloc());
    AVFilterInOut *end = check_memory(avfilter_inout_alloc());
    begin->name = check_memory(av_strdup("in"));
    begin->filter_ctx = u->source;
    end->name = check_memory(av_strdup("out"));
    end->filter_ctx = u->sink;
    char *chain = whole_chain(u, first);
    check(avfilter_graph_parse_ptr(u->graph, chain, &end, &begin, NULL), chain);
    for (unsigned i = 0; u->device && i < u->graph->nb_filters; i++)
        u->graph->filters[i]->hw_device_ctx = check_memory(av_buffer_ref(u->device));
    check(avfilter_graph_config(u->graph, NULL), chain);
    av_free(chain);
    avfilter_inout_free(&begin);
    avfilter_inout_free(&end);
}

/* Everything that the encoder must know is on the frame, but for the clock. */
static void open_encoder(Upscaler *u, const AVFrame *first) {
    AVCodecContext *encoder = u->encoder = check_memory(avcodec_alloc_context3(u->codec));
    encoder->width = first->width;
    encoder->height = first->height;
    encoder->pix_fmt = first->format;
    encoder->sample_aspect_ratio = first->sample_aspect_ratio;
    encoder->colorspace = first->colorspace;
    encoder->color_range = first->color_range;
    encoder->color_primaries = first->color_primaries;
    encoder->color_trc = first->color_trc;
    encoder->chroma_sample_location = first->chroma_location;
    encoder->time_base = av_buffersink_get_time_base(u->sink);
    encoder->framerate = av_buffersink_get_frame_rate(u->sink);
    if (first->hw_frames_ctx)
        encoder->hw_frames_ctx = check_memory(av_buffer_ref(first->hw_frames_ctx));
    if (u->out->oformat->flags & AVFMT_GLOBALHEADER) encoder->flags |= AV_CODEC_FLAG_GLOBAL_HEADER;
    check(avcodec_open2(encoder, u->codec, NULL), u->codec->name);

    AVStream *stream = check_memory(avformat_new_stream(u->out, NULL));
    check(avcodec_parameters_from_context(stream->codecpar, encoder), u->codec->name);
    stream->time_base = encoder->time_base;
    stream->avg_frame_rate = encoder->framerate;
    stream->sample_aspect_ratio = encoder->sample_aspect_ratio;
    if (!(u->out->oformat->flags & AVFMT_NOFILE))
        check(avio_open(&u->out->pb, u->out->url, AVIO_FLAG_WRITE), u->out->url);
    check(avformat_write_header(u->out, NULL), u->out->url);
}

/* NULL: no more frames. */
static void encode(Upscaler *u, AVFrame *frame) {
    if (frame) {
        if (!u->encoder) open_encoder(u, frame);
        if (frame->width != u->encoder->width || frame->height != u->encoder->height)
            check(AVERROR_INPUT_CHANGED, "the size changes within the video");
        frame->pict_type = AV_PICTURE_TYPE_NONE; /* the encoder chooses */
    }
    check(avcodec_send_frame(u->encoder, frame), u->codec->name);
    int result;
    while ((result = avcodec_receive_packet(u->encoder, u->packet)) >= 0) {
        u->packet->stream_index = 0;
        av_packet_rescale_ts(u->packet, u->encoder->time_base, u->out->streams[0]->time_base);
        check(av_interleaved_write_frame(u->out, u->packet), u->out->url);
    }
    if (result != AVERROR(EAGAIN) && result != AVERROR_EOF) check(result, u->codec->name);
}

static void filter(Upscaler *u, AVFrame *frame) {
    if (frame) {
        if (!u->graph) open_graph(u, frame);
        frame->pts = frame->best_effort_timestamp;
    }
    check(av_buffersrc_add_frame(u->source, frame), u->filters);
    AVFrame *large = check_memory(av_frame_alloc());
    int result;
    while ((result = av_buffersink_get_frame(u->sink, large)) >= 0) {
        encode(u, large);
        av_frame_unref(large);
        fprintf(stderr, "\r%" PRId64 " frames", ++u->frames);
    }
    if (result != AVERROR(EAGAIN) && result != AVERROR_EOF) check(result, u->filters);
    av_frame_free(&large);
}

static void decode(Upscaler *u, const AVPacket *packet) {
    int result = avcodec_send_packet(u->decoder, packet);
    if (result == AVERROR_INVALIDDATA) return; /* a damaged packet; what follows may be whole */
    check(result, u->decoder->codec->name);
    AVFrame *frame = check_memory(av_frame_alloc());
    while ((result = avcodec_receive_frame(u->decoder, frame)) >= 0) filter(u, frame);
    if (result != AVERROR(EAGAIN) && result != AVERROR_EOF) check(result, u->decoder->codec->name);
    av_frame_free(&frame);
}

static void upscale(Upscaler *u) {
    AVPacket *packet = check_memory(av_packet_alloc());
    u->packet = check_memory(av_packet_alloc());
    int result;
    while ((result = av_read_frame(u->in, packet)) >= 0) {
        if (packet->stream_index == u->video->index) decode(u, packet);
        av_packet_unref(packet);
    }
    if (result != AVERROR_EOF) check(result, u->in->url);
    decode(u, NULL);
    if (!u->graph) check(AVERROR_INVALIDDATA, "no frame could be decoded");
    filter(u, NULL);
    if (!u->encoder) check(AVERROR_INVALIDDATA, "no frame came out of the filters");
    encode(u, NULL);
    check(av_write_trailer(u->out), u->out->url);
    if (!(u->out->oformat->flags & AVFMT_NOFILE)) check(avio_closep(&u->out->pb), u->out->url);
    fputc('\n', stderr);
    av_packet_free(&packet);
}

static void close_all(Upscaler *u) {
    av_packet_free(&u->packet);
    avcodec_free_context(&u->encoder);
    avfilter_graph_free(&u->graph);
    avcodec_free_context(&u->decoder);
    avformat_free_context(u->out);
    avformat_close_input(&u->in);
    av_buffer_unref(&u->device);
}

int main(int argc, char **argv) {
    const int cuda = argc > 1 && !strcmp(argv[1], "-cuda");
    argc -= cuda;
    argv += cuda;
    if (argc < 3 || argc > 5) {
        fprintf(stderr, "usage: upscale [-cuda] IN OUT [FILTERS [ENCODER]]\n");
        return 2;
    }
    av_log_set_level(AV_LOG_WARNING);
    Upscaler u = {0};
    u.filters = argc > 3 ? argv[3] : "mdrn=scale=2";
    const char *encoder = argc > 4 ? argv[4] : "libx264";
    u.codec = avcodec_find_encoder_by_name(encoder);
    if (!u.codec) check(AVERROR_ENCODER_NOT_FOUND, encoder);
    if (cuda)
        check(av_hwdevice_ctx_create(&u.device, AV_HWDEVICE_TYPE_CUDA, NULL, NULL, 0), "CUDA");
    open_input(&u, argv[1]);
    check(avformat_alloc_output_context2(&u.out, NULL, NULL, argv[2]), argv[2]);
    upscale(&u);
    close_all(&u);
    return 0;
}
