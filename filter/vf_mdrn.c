/*
 * This file is part of FFmpeg.
 *
 * FFmpeg is free software; you can redistribute it and/or
 * modify it under the terms of the GNU Lesser General Public
 * License as published by the Free Software Foundation; either
 * version 2.1 of the License, or (at your option) any later version.
 *
 * FFmpeg is distributed in the hope that it will be useful,
 * but WITHOUT ANY WARRANTY; without even the implied warranty of
 * MERCHANTABILITY or FITNESS FOR A PARTICULAR PURPOSE.  See the GNU
 * Lesser General Public License for more details.
 *
 * You should have received a copy of the GNU Lesser General Public
 * License along with FFmpeg; if not, write to the Free Software
 * Foundation, Inc., 51 Franklin Street, Fifth Floor, Boston, MA 02110-1301 USA
 */

/**
 * @file
 * Enlarge video with the Multi-level Dispersion Residual Network (MDRN).
 *
 * The options and the translation of AVFrame to mdrn_image are here; the rest
 * is libmdrn's.
 */

#include <limits.h>
#include <mdrn.h>
#include <stdint.h>
#include <string.h>

#include "libavutil/avstring.h"
#include "libavutil/bprint.h"
#include "libavutil/common.h"
#include "libavutil/cpu.h"
#include "libavutil/fifo.h"
#include "libavutil/frame.h"
#include "libavutil/hwcontext.h"
#include "libavutil/imgutils.h"
#include "libavutil/macros.h"
#include "libavutil/mem.h"
#include "libavutil/opt.h"
#include "libavutil/pixdesc.h"
#include "libavutil/version.h"
#include "version.h"
#include "avfilter.h"
#include "filters.h"
#include "formats.h"
#include "video.h"

#define BEFORE_7_1 (LIBAVFILTER_VERSION_INT < AV_VERSION_INT(10, 4, 100))
#define BEFORE_8_0 (LIBAVFILTER_VERSION_MAJOR < 11)

#if BEFORE_7_1
#include "internal.h"
#define FilterLink AVFilterLink
#define ff_filter_link(link) (link)
#endif

/* All that is needed of cuda.h, without which FFmpeg may be built. */
#define CUDA_VERSION 0
typedef struct CUctx_st *CUcontext;
typedef struct CUstream_st *CUstream;
#include "libavutil/hwcontext_cuda.h"

#define MAX_ASYNC_DEPTH 64

/** A frame in flight. libmdrn reads and writes the planes of both. */
typedef struct Job {
    AVFrame *in;
    AVFrame *out;
} Job;

typedef struct MDRNContext {
    const AVClass *class;

    int scale;
    char *model;
    char *device;
    int gpu;
    char *precision;
    int async_depth;
    int64_t memory;
    int reuse;

    mdrn_device mdrn_device;
    mdrn_precision mdrn_precision;

    mdrn_context *mdrn;
    AVBufferRef *cuda_frames;     ///< hw_frames_ctx of the input, or NULL
    AVFifo *jobs;                 ///< frames in flight, the oldest first
    enum AVPixelFormat sw_format; ///< of the planes in either memory
    mdrn_layout layout;
    int queried;                  ///< times that query_formats was called
    int warned_interlaced;
    int said_matrix;
} MDRNContext;

#define OFFSET(x) offsetof(MDRNContext, x)
#define FLAGS (AV_OPT_FLAG_VIDEO_PARAM | AV_OPT_FLAG_FILTERING_PARAM)

/** Ranges and names are checked by init, whose messages list the values. */
static const AVOption mdrn_options[] = {
    { "scale",
      "times that width and height grow: 2, 3, 4, 0 for the model's own",
      OFFSET(scale), AV_OPT_TYPE_INT, { .i64 = 0 },
      INT_MIN, INT_MAX, FLAGS },
    { "model",
      "network: mdrn, mdrn-s or the path of a safetensors file",
      OFFSET(model), AV_OPT_TYPE_STRING, { .str = "mdrn" }, 0, 0, FLAGS },
    { "device",
      "where to compute: auto, cpu, cuda",
      OFFSET(device), AV_OPT_TYPE_STRING, { .str = "auto" }, 0, 0, FLAGS },
    { "gpu",
      "index of the GPU, -1 for the first one",
      OFFSET(gpu), AV_OPT_TYPE_INT, { .i64 = -1 },
      INT_MIN, INT_MAX, FLAGS },
    { "precision",
      "number format: auto, fp32, fp16, bf16",
      OFFSET(precision), AV_OPT_TYPE_STRING, { .str = "auto" }, 0, 0, FLAGS },
    { "async_depth",
      "software frames in flight, 0 for 2 with device=cuda and 1 otherwise",
      OFFSET(async_depth), AV_OPT_TYPE_INT, { .i64 = 0 },
      INT_MIN, INT_MAX, FLAGS },
    { "memory",
      "bytes of memory to take at most, 0 for 80% of what is available",
      OFFSET(memory), AV_OPT_TYPE_INT64, { .i64 = 0 },
      INT64_MIN, (double)INT64_MAX, FLAGS },
    { "reuse",
      "do not compute a software frame that is the same as the one before",
      OFFSET(reuse), AV_OPT_TYPE_BOOL, { .i64 = 1 }, 0, 1, FLAGS },
    { NULL }
};

AVFILTER_DEFINE_CLASS(mdrn);

/** The message has come through log_callback already. */
static int to_averror(int error)
{
    switch (error) {
    case MDRN_ERROR_INVALID_ARGUMENT:
    case MDRN_ERROR_MODEL:
        return AVERROR(EINVAL);
    case MDRN_ERROR_OUT_OF_MEMORY:
        return AVERROR(ENOMEM);
    case MDRN_ERROR_UNSUPPORTED:
        return AVERROR(ENOSYS);
    default:
        return AVERROR_EXTERNAL;
    }
}

static void log_callback(void *opaque, mdrn_log_level level,
                         const char *message)
{
    static const int levels[] = {
        [MDRN_LOG_ERROR]   = AV_LOG_ERROR,
        [MDRN_LOG_WARNING] = AV_LOG_WARNING,
        [MDRN_LOG_INFO]    = AV_LOG_INFO,
        [MDRN_LOG_VERBOSE] = AV_LOG_VERBOSE,
    };

    av_log(opaque,
           level < FF_ARRAY_ELEMS(levels) ? levels[level] : AV_LOG_DEBUG,
           "%s\n", message);
}

/** @return index of value in the NULL-terminated names, or an error */
static int find_name(AVFilterContext *ctx, const char *option,
                     const char *value, const char *const *names)
{
    AVBPrint list;

    av_bprint_init(&list, 0, AV_BPRINT_SIZE_AUTOMATIC);
    for (int i = 0; names[i]; i++) {
        if (value && !strcmp(value, names[i]))
            return i;
        av_bprintf(&list, "%s%s", i ? ", " : "", names[i]);
    }
    av_log(ctx, AV_LOG_ERROR, "%s=%s is not known; valid values are %s\n",
           option, value ? value : "", list.str);
    return AVERROR(EINVAL);
}

static av_cold int init(AVFilterContext *ctx)
{
    static const char *const devices[] = { "auto", "cpu", "cuda", NULL };
    static const mdrn_device device_values[] = {
        MDRN_DEVICE_AUTO, MDRN_DEVICE_CPU, MDRN_DEVICE_CUDA,
    };
    static const char *const precisions[] = {
        "auto", "fp32", "fp16", "bf16", NULL
    };
    static const mdrn_precision precision_values[] = {
        MDRN_PRECISION_AUTO, MDRN_PRECISION_FP32,
        MDRN_PRECISION_FP16, MDRN_PRECISION_BF16,
    };
    MDRNContext *s = ctx->priv;
    int ret;

    if (s->scale && (s->scale < 2 || s->scale > 4)) {
        av_log(ctx, AV_LOG_ERROR, "scale=%d is not possible; valid values are "
               "2, 3, 4, and 0 for the model's own\n", s->scale);
        return AVERROR(EINVAL);
    }
    if (!s->model || !*s->model) {
        av_log(ctx, AV_LOG_ERROR, "model is empty; valid values are mdrn, "
               "mdrn-s and the path of a safetensors file\n");
        return AVERROR(EINVAL);
    }
    if (s->gpu < -1) {
        av_log(ctx, AV_LOG_ERROR, "gpu=%d is not possible; valid values are "
               "0 and up, and -1 for the first GPU\n", s->gpu);
        return AVERROR(EINVAL);
    }
    if (s->async_depth < 0 || s->async_depth > MAX_ASYNC_DEPTH) {
        av_log(ctx, AV_LOG_ERROR, "async_depth=%d is not possible; valid "
               "values are 1 to %d, and 0 for 2 with device=cuda and 1 "
               "otherwise\n", s->async_depth, MAX_ASYNC_DEPTH);
        return AVERROR(EINVAL);
    }
    if (s->memory < 0) {
        av_log(ctx, AV_LOG_ERROR, "memory=%"PRId64" is not possible; valid "
               "values are a number of bytes such as 2Gi, and 0 for 80%% of "
               "what is available\n", s->memory);
        return AVERROR(EINVAL);
    }

    ret = find_name(ctx, "device", s->device, devices);
    if (ret < 0)
        return ret;
    s->mdrn_device = device_values[ret];

    ret = find_name(ctx, "precision", s->precision, precisions);
    if (ret < 0)
        return ret;
    s->mdrn_precision = precision_values[ret];

    if (!s->async_depth)
        s->async_depth = s->mdrn_device == MDRN_DEVICE_CUDA ? 2 : 1;
    return 0;
}

static void close_mdrn(MDRNContext *s)
{
    Job job;

    mdrn_close(&s->mdrn); // waits: from here on no plane is in use
    while (s->jobs && av_fifo_read(s->jobs, &job, 1) >= 0) {
        av_frame_free(&job.in);
        av_frame_free(&job.out);
    }
    av_fifo_freep2(&s->jobs);
    av_buffer_unref(&s->cuda_frames); // and with it, maybe, the CUDA context
}

static av_cold void uninit(AVFilterContext *ctx)
{
    close_mdrn(ctx->priv);
}

static int is_full_range_format(int format)
{
    return av_strstart(av_get_pix_fmt_name(format), "yuvj", NULL);
}

/** @return why libmdrn cannot take planes of this format, NULL if it can */
static const char *refusal(const AVPixFmtDescriptor *desc)
{
    enum AVPixelFormat format         = av_pix_fmt_desc_get_id(desc);
    const AVComponentDescriptor *comp = desc->comp;

    if (desc->flags & AV_PIX_FMT_FLAG_HWACCEL)
        return "its frames are neither in main memory nor in CUDA's";
    if (desc->flags & AV_PIX_FMT_FLAG_PAL)
        return "it has a palette";
    if (desc->flags & AV_PIX_FMT_FLAG_BAYER)
        return "it is a Bayer mosaic";
    if (format == AV_PIX_FMT_XYZ12LE || format == AV_PIX_FMT_XYZ12BE)
        return "it is XYZ, neither YUV nor RGB";
    if (desc->flags & AV_PIX_FMT_FLAG_BITSTREAM && comp->step < 8)
        return "its pixels are smaller than a byte";
    if (!(desc->flags & AV_PIX_FMT_FLAG_PLANAR) && desc->log2_chroma_w &&
        comp[0].step << desc->log2_chroma_w != comp[1].step)
        return "its luma samples are not equally far apart";
    if (!(desc->flags & AV_PIX_FMT_FLAG_FLOAT) && comp->depth > 16)
        return "its integers have more than 16 bits";
    return NULL;
}

static void say_refused(AVFilterContext *ctx, const AVPixFmtDescriptor *desc)
{
    const char *why = refusal(desc);

    if (why && desc->flags & AV_PIX_FMT_FLAG_HWACCEL)
        av_log(ctx, AV_LOG_ERROR, "%s is not possible: %s; put hwdownload and "
               "format before the filter\n", desc->name, why);
    else if (why)
        av_log(ctx, AV_LOG_WARNING, "%s is converted first, and not back: %s\n",
               desc->name, why);
}

static int query_formats(AVFilterContext *ctx)
{
    const AVFilterFormats *offered = ctx->inputs[0]->incfg.formats;
    const AVPixFmtDescriptor *desc = NULL;
    AVFilterFormats *formats       = NULL;
    enum AVPixelFormat only        = AV_PIX_FMT_NONE;
    MDRNContext *s                 = ctx->priv;
    int ret;

    /* Once more, when filters that take anything know what they will get.
     * FATE's filtfmts asks a filter that has none before it. */
    if (ctx->inputs[0]->src &&
        (!s->queried++ || !offered || !offered->nb_formats))
        return AVERROR(EAGAIN);
    if (offered && offered->nb_formats == 1)
        only = offered->formats[0];
    if (only != AV_PIX_FMT_NONE && only != AV_PIX_FMT_CUDA)
        say_refused(ctx, av_pix_fmt_desc_get(only));

    ret = ff_add_format(&formats, AV_PIX_FMT_CUDA);
    if (ret < 0)
        return ret;
    while ((desc = av_pix_fmt_desc_next(desc))) {
        enum AVPixelFormat format = av_pix_fmt_desc_get_id(desc);

        /* Few bits are for input that has no more, not to convert to. */
        if (refusal(desc) || (desc->comp[0].depth < 8 && format != only))
            continue;
        ret = ff_add_format(&formats, format);
        if (ret < 0)
            return ret;
    }
    return ff_set_common_formats(ctx, formats);
}

/** libmdrn's words for what the descriptor says in FFmpeg's. */
static mdrn_component component_of(const AVPixFmtDescriptor *desc, int i)
{
    const AVComponentDescriptor *comp = &desc->comp[i];
    int end       = comp->shift + comp->depth;
    int is_be     = !!(desc->flags & AV_PIX_FMT_FLAG_BE);
    mdrn_component component = {
        .plane  = comp->plane,
        .step   = comp->step,
        .offset = comp->offset + (is_be && end <= 8), // of two bytes, the last
        .shift  = comp->shift,
        .depth  = comp->depth,
    };

    /* Both in bits: xv30be and v30xbe, whose pixel is one word. */
    if (desc->flags & AV_PIX_FMT_FLAG_BITSTREAM) {
        component.step   = comp->step / 8;
        component.shift  = comp->offset;
        component.offset = comp->offset + comp->depth > 16 ? 0 : 2;
    }
    return component;
}

static mdrn_layout layout_of(const AVPixFmtDescriptor *desc)
{
    mdrn_layout layout = {
        .model         = desc->flags & AV_PIX_FMT_FLAG_RGB ? MDRN_COLOR_RGB :
                         desc->nb_components > 2 ? MDRN_COLOR_YUV
                                                 : MDRN_COLOR_GRAY,
        .components    = desc->nb_components,
        .log2_chroma_w = desc->log2_chroma_w,
        .log2_chroma_h = desc->log2_chroma_h,
        .big_endian    = !!(desc->flags & AV_PIX_FMT_FLAG_BE),
        .is_float      = !!(desc->flags & AV_PIX_FMT_FLAG_FLOAT),
    };

    for (int i = 0; i < desc->nb_components; i++)
        layout.component[i] = component_of(desc, i);

#if BEFORE_7_1
    /* The descriptor has two bits of red and three of blue. */
    if (av_pix_fmt_desc_get_id(desc) == AV_PIX_FMT_RGB8) {
        layout.component[0] = (mdrn_component) { .step = 1, .shift = 5, .depth = 3 };
        layout.component[1] = (mdrn_component) { .step = 1, .shift = 2, .depth = 3 };
        layout.component[2] = (mdrn_component) { .step = 1, .shift = 0, .depth = 2 };
    }
#endif
    return layout;
}

/** The matrix of an untagged YUV picture. */
static enum AVColorSpace assumed_colorspace(int width, int height)
{
    return width > 1279 || height > 576 ? AVCOL_SPC_BT709 : AVCOL_SPC_SMPTE170M;
}

static mdrn_image image_of(const MDRNContext *s, const AVFrame *frame)
{
    mdrn_image image = {
        .size            = sizeof(image),
        .memory          = s->cuda_frames ? MDRN_MEMORY_CUDA : MDRN_MEMORY_HOST,
        .width           = frame->width,
        .height          = frame->height,
        .layout          = s->layout,
        .matrix          = frame->colorspace,
        .transfer        = frame->color_trc,
        .range           = is_full_range_format(s->sw_format) ||
                           frame->color_range == AVCOL_RANGE_JPEG ?
                               MDRN_RANGE_FULL :
                           frame->color_range == AVCOL_RANGE_MPEG ?
                               MDRN_RANGE_LIMITED : MDRN_RANGE_UNSPECIFIED,
        .chroma_location = (mdrn_chroma_location)frame->chroma_location,
    };

    for (int i = 0; i < 4; i++) {
        image.data[i]   = frame->data[i];
        image.stride[i] = frame->linesize[i];
    }
    return image;
}

/**
 * @return threads for libmdrn, 0 = as many as it likes. That is also meant by
 * the number that libavfilter finds where no one asked for one: a thread more
 * than there are processors, up to 16, would only make the others wait.
 */
static int nb_threads(AVFilterContext *ctx)
{
    int cpus    = av_cpu_count();
    int threads = ff_filter_get_nb_threads(ctx);

    if (!ctx->nb_threads && cpus > 1 && threads == FFMIN(cpus + 1, 16))
        return 0;
    return threads;
}

/** Say which planes frames in CUDA memory can have, if these are others. */
static int check_sw_format(AVFilterContext *ctx,
                           const AVHWFramesContext *frames)
{
    const AVPixFmtDescriptor *desc = av_pix_fmt_desc_get(frames->sw_format);
    AVHWFramesConstraints *constraints;
    AVBPrint list;

    if (desc && !refusal(desc))
        return 0;

    av_bprint_init(&list, 0, AV_BPRINT_SIZE_AUTOMATIC);
    constraints = av_hwdevice_get_hwframe_constraints(frames->device_ref, NULL);
    for (int i = 0; constraints &&
         constraints->valid_sw_formats[i] != AV_PIX_FMT_NONE; i++) {
        enum AVPixelFormat format = constraints->valid_sw_formats[i];

        if (!refusal(av_pix_fmt_desc_get(format)))
            av_bprintf(&list, "%s%s", list.len ? ", " : "",
                       av_get_pix_fmt_name(format));
    }
    av_hwframe_constraints_free(&constraints);
    av_log(ctx, AV_LOG_ERROR, "CUDA frames with sw_format %s are not possible; "
           "possible are %s\n", desc ? desc->name : "none", list.str);
    return AVERROR(EINVAL);
}

/**
 * Have libmdrn compute on the GPU where the input's frames are, in their
 * context and on their stream. Like libavutil, it enters the context by itself.
 */
static int use_cuda_frames(AVFilterContext *ctx, mdrn_settings *settings)
{
    const FilterLink *inlink        = ff_filter_link(ctx->inputs[0]);
    MDRNContext *s                  = ctx->priv;
    const AVHWFramesContext *frames = NULL;
    const AVCUDADeviceContext *cuda;

    if (inlink->hw_frames_ctx)
        frames = (AVHWFramesContext *)inlink->hw_frames_ctx->data;
    if (!frames || frames->device_ctx->type != AV_HWDEVICE_TYPE_CUDA) {
        av_log(ctx, AV_LOG_ERROR, "The input is said to be in CUDA memory, but "
               "has no hw_frames_ctx of a CUDA device\n");
        return AVERROR(EINVAL);
    }
    if (s->mdrn_device == MDRN_DEVICE_CPU) {
        av_log(ctx, AV_LOG_ERROR, "device=cpu cannot take frames in CUDA "
               "memory; leave device out, or put hwdownload and format before "
               "the filter\n");
        return AVERROR(EINVAL);
    }

    s->cuda_frames = av_buffer_ref(inlink->hw_frames_ctx);
    if (!s->cuda_frames)
        return AVERROR(ENOMEM);

    s->sw_format           = frames->sw_format;
    cuda                   = frames->device_ctx->hwctx;
    settings->device       = MDRN_DEVICE_CUDA;
    settings->async_depth  = 1; // no filter has to wait for the GPU
    settings->cuda_context = cuda->cuda_ctx;
    settings->cuda_stream  = cuda->stream;
    return check_sw_format(ctx, frames);
}

/** Give the output a pool of frames in the same memory as the input's. */
static int init_output_frames(AVFilterLink *outlink)
{
    FilterLink *link            = ff_filter_link(outlink);
    const MDRNContext *s        = outlink->src->priv;
    const AVHWFramesContext *in = (AVHWFramesContext *)s->cuda_frames->data;
    AVHWFramesContext *frames;

    av_buffer_unref(&link->hw_frames_ctx);
    link->hw_frames_ctx = av_hwframe_ctx_alloc(in->device_ref);
    if (!link->hw_frames_ctx)
        return AVERROR(ENOMEM);

    frames            = (AVHWFramesContext *)link->hw_frames_ctx->data;
    frames->format    = AV_PIX_FMT_CUDA;
    frames->sw_format = in->sw_format;
    frames->width     = FFALIGN(outlink->w, 2); // the planes of odd sizes
    frames->height    = FFALIGN(outlink->h, 2); // overlap in some versions
    return av_hwframe_ctx_init(link->hw_frames_ctx);
}

/** Set the output's size and what depends on it. */
static int config_size(AVFilterLink *outlink)
{
    AVFilterContext *ctx = outlink->src;
    AVFilterLink *inlink = ctx->inputs[0];
    MDRNContext *s       = ctx->priv;
    int scale            = mdrn_scale(s->mdrn);

    if (inlink->w > INT_MAX / scale || inlink->h > INT_MAX / scale ||
        av_image_check_size2(inlink->w * scale, inlink->h * scale, INT64_MAX,
                             s->sw_format, 0, ctx) < 0) {
        av_log(ctx, AV_LOG_ERROR, "%dx%d pictures are too large to be enlarged "
               "%d times\n", inlink->w, inlink->h, scale);
        return AVERROR(EINVAL);
    }
    outlink->w = inlink->w * scale;
    outlink->h = inlink->h * scale;
    outlink->sample_aspect_ratio = inlink->sample_aspect_ratio;
#if !BEFORE_7_1
    if (s->layout.model == MDRN_COLOR_YUV &&
        inlink->colorspace == AVCOL_SPC_UNSPECIFIED)
        outlink->colorspace = assumed_colorspace(inlink->w, inlink->h);
#endif
#if !BEFORE_8_0
    av_frame_side_data_remove_by_props(&outlink->side_data,
                                       &outlink->nb_side_data,
                                       AV_SIDE_DATA_PROP_SIZE_DEPENDENT);
#endif
    return 0;
}

static int config_output(AVFilterLink *outlink)
{
    AVFilterContext *ctx = outlink->src;
    AVFilterLink *inlink = ctx->inputs[0];
    MDRNContext *s       = ctx->priv;
    mdrn_settings settings;
    int ret;

    close_mdrn(s);

    mdrn_settings_default(&settings, sizeof(settings));
    settings.model       = s->model;
    settings.scale       = s->scale;
    settings.device      = s->mdrn_device;
    settings.gpu         = s->gpu;
    settings.precision   = s->mdrn_precision;
    settings.threads     = nb_threads(ctx);
    settings.async_depth = s->async_depth;
    settings.memory      = s->memory;
    settings.reuse       = s->reuse;
    settings.log         = log_callback;
    settings.log_opaque  = ctx;

    s->sw_format = inlink->format;
    if (inlink->format == AV_PIX_FMT_CUDA) {
        ret = use_cuda_frames(ctx, &settings);
        if (ret < 0)
            return ret;
    }
    s->layout = layout_of(av_pix_fmt_desc_get(s->sw_format));

    s->jobs = av_fifo_alloc2(settings.async_depth, sizeof(Job), 0);
    if (!s->jobs)
        return AVERROR(ENOMEM);

    ret = mdrn_open(&s->mdrn, &settings);
    if (ret == MDRN_ERROR_UNSUPPORTED && s->cuda_frames)
        av_log(ctx, AV_LOG_ERROR, "For the CPU, put hwdownload and format "
               "before the filter\n");
    if (ret < 0)
        return to_averror(ret);

    ret = config_size(outlink);
    if (ret < 0)
        return ret;
    if (s->cuda_frames) {
        ret = init_output_frames(outlink);
        if (ret < 0)
            return ret;
    }
    ret = mdrn_prepare(s->mdrn, inlink->w, inlink->h);
    return ret < 0 ? to_averror(ret) : 0;
}

static void remove_size_dependent_side_data(AVFrame *frame)
{
#if BEFORE_8_0
    static const enum AVFrameSideDataType types[] = {
        AV_FRAME_DATA_PANSCAN,
        AV_FRAME_DATA_MOTION_VECTORS,
        AV_FRAME_DATA_REGIONS_OF_INTEREST,
        AV_FRAME_DATA_DETECTION_BBOXES,
        AV_FRAME_DATA_SPHERICAL,
#if !BEFORE_7_1
        AV_FRAME_DATA_LCEVC,
        AV_FRAME_DATA_VIDEO_HINT,
#endif
    };

    for (int i = 0; i < FF_ARRAY_ELEMS(types); i++)
        av_frame_remove_side_data(frame, types[i]);
#else
    av_frame_side_data_remove_by_props(&frame->side_data, &frame->nb_side_data,
                                       AV_SIDE_DATA_PROP_SIZE_DEPENDENT);
#endif
}

static int is_interlaced(const AVFrame *frame)
{
#ifdef AV_FRAME_FLAG_INTERLACED
    return !!(frame->flags & AV_FRAME_FLAG_INTERLACED);
#else
    return frame->interlaced_frame;
#endif
}

/** Check that a frame in CUDA memory is where the filter computes. */
static int check_cuda_frame(AVFilterContext *ctx, const AVFrame *in)
{
    const MDRNContext *s          = ctx->priv;
    const AVHWFramesContext *want = (AVHWFramesContext *)s->cuda_frames->data;
    const AVHWFramesContext *got  = NULL;

    if (in->hw_frames_ctx)
        got = (AVHWFramesContext *)in->hw_frames_ctx->data;
    if (got && got->device_ctx == want->device_ctx &&
        got->sw_format == want->sw_format &&
        got->width >= in->width && got->height >= in->height)
        return 0;

    av_log(ctx, AV_LOG_ERROR, "The frame's hw_frames_ctx is missing, too small "
           "or not of the device and the sw_format, %s, that the filter was "
           "configured for\n", av_get_pix_fmt_name(want->sw_format));
    return AVERROR(EINVAL);
}

/** Check what no one but the input knows, and say once what was made of it. */
static int check_input(AVFilterContext *ctx, const AVFrame *in)
{
    const AVFilterLink *inlink = ctx->inputs[0];
    const char *name = av_get_pix_fmt_name(in->format);
    MDRNContext *s   = ctx->priv;

    if (in->width != inlink->w || in->height != inlink->h ||
        in->format != inlink->format) {
        av_log(ctx, AV_LOG_ERROR, "The frame is %dx%d %s, but the filter was "
               "configured for %dx%d %s\n", in->width, in->height,
               name ? name : "of an unknown format",
               inlink->w, inlink->h, av_get_pix_fmt_name(inlink->format));
        return AVERROR(EINVAL);
    }
    if (s->cuda_frames) {
        int ret = check_cuda_frame(ctx, in);

        if (ret < 0)
            return ret;
    }
    if (!s->warned_interlaced && is_interlaced(in)) {
        s->warned_interlaced = 1;
        av_log(ctx, AV_LOG_WARNING, "The video is interlaced; deinterlace it "
               "first, with bwdif for example\n");
    }
    return 0;
}

/** Give the output the input's properties, as far as the new size lets them. */
static int copy_props(AVFilterContext *ctx, AVFrame *out, const AVFrame *in)
{
    MDRNContext *s = ctx->priv;
    int scale      = mdrn_scale(s->mdrn);
    int ret        = av_frame_copy_props(out, in);

    if (ret < 0)
        return ret;

    out->crop_left   = in->crop_left   * scale;
    out->crop_right  = in->crop_right  * scale;
    out->crop_top    = in->crop_top    * scale;
    out->crop_bottom = in->crop_bottom * scale;
    remove_size_dependent_side_data(out);

    /* From the larger size, others would guess another matrix. */
    if (s->layout.model == MDRN_COLOR_YUV &&
        in->colorspace == AVCOL_SPC_UNSPECIFIED) {
        out->colorspace = assumed_colorspace(in->width, in->height);
        if (!s->said_matrix) {
            s->said_matrix = 1;
            av_log(ctx, AV_LOG_INFO, "The video does not say its matrix; for "
                   "its size, %s is assumed\n",
                   av_color_space_name(out->colorspace));
        }
    }
    return 0;
}

/** Takes in, whatever it returns. */
static int send_frame(AVFilterContext *ctx, AVFrame *in)
{
    AVFilterLink *outlink = ctx->outputs[0];
    MDRNContext *s        = ctx->priv;
    mdrn_image small, large;
    Job job = { .in = in };
    int ret;

    ret = check_input(ctx, in);
    if (ret < 0)
        goto fail;

    job.out = ff_get_video_buffer(outlink, outlink->w, outlink->h);
    if (!job.out) {
        ret = AVERROR(ENOMEM);
        goto fail;
    }
    job.out->width  = outlink->w; // of a frame in CUDA memory, the pool's
    job.out->height = outlink->h;
    ret = copy_props(ctx, job.out, in);
    if (ret < 0)
        goto fail;

    small        = image_of(s, in);
    large        = image_of(s, job.out);
    large.matrix = small.matrix;

    ret = mdrn_send(s->mdrn, &small, &large, NULL);
    if (ret < 0) {
        ret = to_averror(ret);
        goto fail;
    }
    /* There is room: the queue holds as many as libmdrn takes. */
    return av_fifo_write(s->jobs, &job, 1);

fail:
    av_frame_free(&job.in);
    av_frame_free(&job.out);
    return ret;
}

/** @return 1 if a frame went out, 0 if none is ready, or an error */
static int receive_frame(AVFilterContext *ctx)
{
    MDRNContext *s = ctx->priv;
    Job job;
    int ret, error;

    ret = mdrn_receive(s->mdrn, NULL);
    if (ret == MDRN_AGAIN || ret == MDRN_EOF)
        return 0;
    error = ret < 0 ? to_averror(ret) : 0;

    ret = av_fifo_read(s->jobs, &job, 1);
    if (ret < 0)
        return error < 0 ? error : AVERROR_BUG;

    av_frame_free(&job.in);
    if (error < 0) {
        av_frame_free(&job.out);
        return error;
    }
    ret = ff_filter_frame(ctx->outputs[0], job.out);
    return ret < 0 ? ret : 1;
}

static int activate(AVFilterContext *ctx)
{
    AVFilterLink *inlink  = ctx->inputs[0];
    AVFilterLink *outlink = ctx->outputs[0];
    MDRNContext *s        = ctx->priv;
    AVFrame *in;
    int64_t pts;
    int ret, status;

    FF_FILTER_FORWARD_STATUS_BACK(outlink, inlink);

    ret = ff_inlink_consume_frame(inlink, &in);
    if (ret < 0)
        return ret;
    if (ret > 0) {
        /* Another frame or the end may wait behind this one. */
        ff_filter_set_ready(ctx, 100);
        ret = send_frame(ctx, in);
        if (ret < 0)
            return ret;
        ret = receive_frame(ctx);
        return FFMIN(ret, 0);
    }

    if (ff_inlink_acknowledge_status(inlink, &status, &pts)) {
        mdrn_send(s->mdrn, NULL, NULL, NULL); // drain
        ret = receive_frame(ctx);
        if (ret)
            ff_filter_set_ready(ctx, 100);
        else
            ff_outlink_set_status(outlink, status, pts);
        return FFMIN(ret, 0);
    }

    FF_FILTER_FORWARD_WANTED(outlink, inlink);
    return FFERROR_NOT_READY;
}

static const AVFilterPad mdrn_inputs[] = {
    {
        .name = "default",
        .type = AVMEDIA_TYPE_VIDEO,
    },
};

static const AVFilterPad mdrn_outputs[] = {
    {
        .name         = "default",
        .type         = AVMEDIA_TYPE_VIDEO,
        .config_props = config_output,
    },
};

#define DESCRIPTION NULL_IF_CONFIG_SMALL( \
    "Enlarge video with the Multi-level Dispersion Residual Network.")

#if BEFORE_8_0
const AVFilter ff_vf_mdrn = {
    .name          = "mdrn",
    .description   = DESCRIPTION,
    .priv_class    = &mdrn_class,
    .flags         = AVFILTER_FLAG_SLICE_THREADS,
#else
const FFFilter ff_vf_mdrn = {
    .p.name        = "mdrn",
    .p.description = DESCRIPTION,
    .p.priv_class  = &mdrn_class,
    .p.flags       = AVFILTER_FLAG_SLICE_THREADS,
#endif
    .priv_size     = sizeof(MDRNContext),
    .init          = init,
    .uninit        = uninit,
    .activate      = activate,
    FILTER_INPUTS(mdrn_inputs),
    FILTER_OUTPUTS(mdrn_outputs),
    FILTER_QUERY_FUNC(query_formats),
    .flags_internal = FF_FILTER_FLAG_HWFRAME_AWARE,
};
