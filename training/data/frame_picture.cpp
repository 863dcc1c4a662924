// SPDX-License-Identifier: BSD-2-Clause
#include <algorithm>
#include <bit>
#include <cmath>
#include <memory>
#include <stdexcept>
#include <string>

#include "media.h"

extern "C" {
#include <libavutil/frame.h>
#include <libavutil/pixdesc.h>
#include <libswscale/swscale.h>
}

namespace mdrn::training {
namespace {

struct Freed {
    void operator()(AVFrame *frame) const { av_frame_free(&frame); }
    void operator()(SwsContext *context) const { sws_freeContext(context); }
};

bool is_rgb(const AVPixFmtDescriptor &desc) {
    return desc.flags & (AV_PIX_FMT_FLAG_RGB | AV_PIX_FMT_FLAG_PAL);
}
int depth_of(const AVPixFmtDescriptor &desc) {
    int depth = 0;
    for (int i = 0; i < desc.nb_components; ++i) depth = std::max(depth, desc.comp[i].depth);
    return depth;
}

// RGB and gray need no matrix: each sample is scaled and rounded by itself.
uint8_t rounded(uint32_t sample, const AVPixFmtDescriptor &desc, int depth) {
    if (desc.flags & AV_PIX_FMT_FLAG_FLOAT) {
        const float value = std::bit_cast<float>(sample);
        return value > 0 ? uint8_t(std::lrint(255 * std::min(value, 1.0F))) : 0;  // NaN is 0
    }
    const uint64_t most = (uint64_t(1) << depth) - 1;
    return uint8_t((sample * uint64_t(255) + most / 2) / most);
}

Picture by_sample(const AVFrame *frame, const AVPixFmtDescriptor &desc) {
    Picture picture = blank(frame->width, frame->height);
    const bool gray = desc.nb_components < 3;
    const bool inverted = frame->format == AV_PIX_FMT_MONOWHITE;
    std::vector<uint32_t> samples(size_t(frame->width));
    for (int y = 0; y < frame->height; ++y)
        for (int c = 0; c < 3; ++c) {
            const int component = gray ? 0 : c;
            av_read_image_line2(samples.data(), const_cast<const uint8_t **>(frame->data),
                                frame->linesize, &desc, 0, y, component, frame->width, 0, 4);
            uint8_t *row = picture.row(y) + c;
            for (int x = 0; x < frame->width; ++x) {
                const uint8_t value = rounded(samples[size_t(x)], desc, desc.comp[component].depth);
                row[3 * x] = inverted ? uint8_t(255 - value) : value;
            }
        }
    return picture;
}

int matrix_of(const AVFrame *frame, bool hd) {
    switch (frame->colorspace) {
        case AVCOL_SPC_BT709:
            return SWS_CS_ITU709;
        case AVCOL_SPC_FCC:
            return SWS_CS_FCC;
        case AVCOL_SPC_SMPTE240M:
            return SWS_CS_SMPTE240M;
        case AVCOL_SPC_BT2020_NCL:
        case AVCOL_SPC_BT2020_CL:
            return SWS_CS_BT2020;
        case AVCOL_SPC_UNSPECIFIED:
            return hd ? SWS_CS_ITU709 : SWS_CS_ITU601;
        default:
            return SWS_CS_ITU601;
    }
}

bool full_range(const AVFrame *frame) {
    switch (frame->format) {
        case AV_PIX_FMT_YUVJ411P:
        case AV_PIX_FMT_YUVJ420P:
        case AV_PIX_FMT_YUVJ422P:
        case AV_PIX_FMT_YUVJ440P:
        case AV_PIX_FMT_YUVJ444P:
            return true;
        default:
            return frame->color_range == AVCOL_RANGE_JPEG;
    }
}

Picture by_swscale(const AVFrame *frame, const AVPixFmtDescriptor &desc, bool hd) {
    const bool deep = depth_of(desc) > 8;
    const AVPixelFormat to = deep ? AV_PIX_FMT_RGB48 : AV_PIX_FMT_RGB24;
    const int w = frame->width, h = frame->height;
    // Made anew only where size or format change.
    thread_local std::unique_ptr<SwsContext, Freed> context;
    context.reset(sws_getCachedContext(
        context.release(), w, h, AVPixelFormat(frame->format), w, h, to,
        SWS_BICUBIC | SWS_ACCURATE_RND | SWS_FULL_CHR_H_INT | SWS_FULL_CHR_H_INP | SWS_BITEXACT,
        nullptr, nullptr, nullptr));
    const std::string cannot =
        std::string("pixels of format ") + desc.name + " cannot be converted";
    if (!context) throw std::runtime_error(cannot);
    if (!is_rgb(desc)) {
        const int *matrix = sws_getCoefficients(matrix_of(frame, hd));
        sws_setColorspaceDetails(context.get(), matrix, full_range(frame), matrix, 1, 0, 1 << 16,
                                 1 << 16);
    }
    // swscale may write beyond a row's end: into FFmpeg's own padding.
    const std::unique_ptr<AVFrame, Freed> rgb(av_frame_alloc());
    if (!rgb) throw std::bad_alloc();
    rgb->format = to;
    rgb->width = w;
    rgb->height = h;
    if (av_frame_get_buffer(rgb.get(), 0) < 0) throw std::bad_alloc();
    if (sws_scale(context.get(), frame->data, frame->linesize, 0, h, rgb->data, rgb->linesize) != h)
        throw std::runtime_error(cannot);

    Picture picture = blank(w, h);
    for (int y = 0; y < h; ++y) {
        const uint8_t *row = rgb->data[0] + ptrdiff_t(y) * rgb->linesize[0];
        if (deep) {
            const auto *samples = reinterpret_cast<const uint16_t *>(row);
            std::transform(samples, samples + 3 * w, picture.row(y),
                           [](uint32_t v) { return uint8_t((v * 255 + 32767) / 65535); });
        } else {
            std::copy_n(row, 3 * w, picture.row(y));
        }
    }
    return picture;
}

}  // namespace

Picture picture_of(const AVFrame *frame, bool hd) {
    const AVPixFmtDescriptor *desc = av_pix_fmt_desc_get(AVPixelFormat(frame->format));
    if (!desc || desc->flags & AV_PIX_FMT_FLAG_HWACCEL)
        throw std::runtime_error("the decoder gives frames of no known format");
    const bool gray = desc->nb_components < 3 && !(desc->flags & AV_PIX_FMT_FLAG_PAL);
    const bool bayer = desc->flags & AV_PIX_FMT_FLAG_BAYER;
    const bool half = desc->flags & AV_PIX_FMT_FLAG_FLOAT && depth_of(*desc) == 16;
    if (!bayer && !half && (gray || (is_rgb(*desc) && depth_of(*desc) > 8)))
        return by_sample(frame, *desc);
    return by_swscale(frame, *desc, hd);
}

}  // namespace mdrn::training
