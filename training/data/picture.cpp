// SPDX-License-Identifier: BSD-2-Clause
#include "picture.h"

#include <algorithm>
#include <memory>
#include <ostream>
#include <stdexcept>

#include "error.h"
#include "media.h"
#include "os.h"
#include "weights/atomic.h"

extern "C" {
#include <libavcodec/avcodec.h>
#include <libavutil/frame.h>
}

namespace mdrn::training {
namespace {

constexpr size_t kMostBytes = size_t(1) << 31;

struct Freed {
    void operator()(AVFrame *frame) const { av_frame_free(&frame); }
    void operator()(AVPacket *packet) const { av_packet_free(&packet); }
    void operator()(AVCodecContext *codec) const { avcodec_free_context(&codec); }
};

}  // namespace

Picture blank(int width, int height) {
    return {width, height, std::vector<uint8_t>(size_t(3) * size_t(width) * size_t(height))};
}

Picture crop(const Picture &picture, int x, int y, int width, int height) {
    Picture part = blank(width, height);
    for (int row = 0; row < height; ++row)
        std::copy_n(picture.row(y + row) + 3 * x, 3 * width, part.row(row));
    return part;
}

Picture decode_picture(std::span<const std::byte> bytes, const std::string &name) {
    Media media(bytes, name);
    const AVFrame *frame = media.next();
    if (!frame) throw std::runtime_error(name + ": holds no picture, or is cut short");
    return media.picture_of(frame, false);
}

Picture read_picture(const std::filesystem::path &path) {
    return decode_picture(read_file(path.string(), kMostBytes), path.string());
}

std::vector<std::byte> encode_png(const Picture &picture) {
    const AVCodec *png = avcodec_find_encoder(AV_CODEC_ID_PNG);
    if (!png) throw std::runtime_error("this libavcodec has no PNG encoder");
    const std::unique_ptr<AVCodecContext, Freed> codec(avcodec_alloc_context3(png));
    const std::unique_ptr<AVFrame, Freed> frame(av_frame_alloc());
    const std::unique_ptr<AVPacket, Freed> packet(av_packet_alloc());
    if (!codec || !frame || !packet) throw std::bad_alloc();
    codec->pix_fmt = AV_PIX_FMT_RGB24;
    codec->width = frame->width = picture.width;
    codec->height = frame->height = picture.height;
    codec->time_base = {1, 25};
    codec->thread_count = 1;
    frame->format = AV_PIX_FMT_RGB24;
    if (avcodec_open2(codec.get(), png, nullptr) < 0 || av_frame_get_buffer(frame.get(), 0) < 0)
        throw std::runtime_error("a picture of " + std::to_string(picture.width) + "x" +
                                 std::to_string(picture.height) + " cannot be a PNG");
    for (int y = 0; y < picture.height; ++y)
        std::copy_n(picture.row(y), 3 * picture.width,
                    frame->data[0] + ptrdiff_t(y) * frame->linesize[0]);
    if (avcodec_send_frame(codec.get(), frame.get()) < 0 ||
        avcodec_send_frame(codec.get(), nullptr) < 0 ||
        avcodec_receive_packet(codec.get(), packet.get()) < 0)
        throw std::runtime_error("libavcodec cannot write a PNG");
    const auto *bytes = reinterpret_cast<const std::byte *>(packet->data);
    return {bytes, bytes + packet->size};
}

void write_png(const std::filesystem::path &path, const Picture &picture) {
    const std::vector<std::byte> bytes = encode_png(picture);
    write_atomically(path, [&](std::ostream &out) {
        out.write(reinterpret_cast<const char *>(bytes.data()), std::streamsize(bytes.size()));
    });
}

}  // namespace mdrn::training
