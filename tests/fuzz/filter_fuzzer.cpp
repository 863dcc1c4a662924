// SPDX-License-Identifier: BSD-2-Clause
// The mdrn filter inside FFmpeg, driven by bytes: options, formats, frames that contradict the
// link, tags, side data, ends. What comes out is in order and of the right size; nothing that is
// good is lost. See CMakeLists.txt for how to run it.
#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <string>

#include "../filter/harness.h"

extern "C" {
#include <libavutil/imgutils.h>
#include <libavutil/log.h>
#include <libavutil/pixdesc.h>
}

namespace {

using namespace filter_test;

constexpr int kMaxSide = 24;
constexpr int kMaxFrames = 8;
constexpr int kMargin = 8;  // rows and columns around a picture that is moved

void require(bool condition) {
    if (!condition) std::abort();
}

class Bytes {
public:
    Bytes(const uint8_t *data, size_t size) : at_(data), end_(data + size) {}

    bool left() const { return at_ < end_; }
    uint8_t byte() { return left() ? *at_++ : 0; }
    int below(int limit) { return byte() % limit; }
    bool often() { return byte() < 224; }
    uint64_t word() {
        uint64_t value = 0;
        for (int i = 0; i < 8; ++i) value = value << 8 | byte();
        return value;
    }
    template <size_t N>
    const char *one_of(const char *const (&names)[N]) {
        return names[byte() % N];
    }

private:
    const uint8_t *at_, *end_;
};

std::string options(Bytes &bytes) {
    static const char *const scales[] = {"2", "3", "4", "0", "1", "5", "-2147483648", "x"};
    static const char *const models[] = {"mdrn", "", "/nowhere", "mdrn-s ", "."};
    static const char *const devices[] = {"cpu", "auto", "cuda", "", "tpu"};
    static const char *const precisions[] = {"fp32", "auto", "fp16", "bf16", "int8"};
    static const char *const depths[] = {"1", "2", "3", "5", "64", "65", "-1", "0"};
    static const char *const memories[] = {"0", "64Mi", "1", "100k", "-1", "9223372036854775807"};
    std::string text = "mdrn=model=";
    text += bytes.often() ? "mdrn-s" : bytes.one_of(models);
    if (bytes.often()) text += std::string(":scale=") + bytes.one_of(scales);
    text += std::string(":device=") + (bytes.often() ? "cpu" : bytes.one_of(devices));
    if (!bytes.often()) text += std::string(":precision=") + bytes.one_of(precisions);
    if (bytes.often()) text += std::string(":async_depth=") + bytes.one_of(depths);
    if (!bytes.often()) text += std::string(":memory=") + bytes.one_of(memories);
    if (!bytes.often()) text += std::string(":gpu=") + std::to_string(int8_t(bytes.byte()));
    if (!bytes.often()) {
        text += ':';
        for (int i = bytes.below(12); i > 0; --i) text += char(bytes.byte() & 127);
    }
    return text;
}

// Of those that have samples in memory.
AVPixelFormat pixel_format(Bytes &bytes) {
    static const AVPixelFormat usual[] = {
        AV_PIX_FMT_GRAY8,   AV_PIX_FMT_YUV420P, AV_PIX_FMT_RGB24,   AV_PIX_FMT_NV12,
        AV_PIX_FMT_GBRPF32, AV_PIX_FMT_RGBA,    AV_PIX_FMT_YUV410P, AV_PIX_FMT_YUVA444P16};
    if (bytes.byte() < 160) return usual[bytes.byte() % std::size(usual)];
    const auto format = AVPixelFormat((bytes.byte() << 8 | bytes.byte()) % 320);
    const AVPixFmtDescriptor *description = av_pix_fmt_desc_get(format);
    return !description || description->flags & AV_PIX_FMT_FLAG_HWACCEL ? AV_PIX_FMT_YUV444P10
                                                                        : format;
}

Source source(Bytes &bytes) {
    Source result;
    result.format = pixel_format(bytes);
    result.width = 1 + bytes.below(kMaxSide);
    result.height = 1 + bytes.below(kMaxSide);
    if (!bytes.often()) {
        result.colorspace = AVCOL_SPC_BT709;
        result.range = AVColorRange(bytes.below(3));
    }
    return result;
}

// Moves the picture off its alignment, and turns it upside down.
void move_planes(AVFrame *frame, const Source &promised, Bytes &bytes) {
    const int offset = bytes.below(kMargin);
    const bool flip = bytes.byte() & 1;
    frame->width = promised.width;
    frame->height = promised.height;
    const AVPixFmtDescriptor *format = av_pix_fmt_desc_get(promised.format);
    for (int plane = 0; plane < av_pix_fmt_count_planes(promised.format); ++plane) {
        const bool chroma = plane == 1 || plane == 2;
        const int rows = AV_CEIL_RSHIFT(frame->height, chroma ? format->log2_chroma_h : 0);
        frame->data[plane] += offset;
        if (!flip) continue;
        frame->data[plane] += (rows - 1) * frame->linesize[plane];
        frame->linesize[plane] = -frame->linesize[plane];
    }
}

void fill(AVFrame *frame, Bytes &bytes) {
    for (int plane = 0; plane < AV_NUM_DATA_POINTERS && frame->buf[plane]; ++plane) {
        uint8_t *data = frame->buf[plane]->data;
        const size_t size = frame->buf[plane]->size;
        const uint8_t first = bytes.byte(), step = bytes.byte();
        for (size_t i = 0; i < size; ++i) data[i] = uint8_t(first + i * step);
    }
}

void change_tags(AVFrame *frame, Bytes &bytes) {
    frame->colorspace = AVColorSpace(bytes.byte());
    frame->color_range = AVColorRange(bytes.byte() % 4);
    frame->chroma_location = AVChromaLocation(bytes.byte() % 9);
    frame->color_primaries = AVColorPrimaries(bytes.byte());
    frame->color_trc = AVColorTransferCharacteristic(bytes.byte());
    frame->sample_aspect_ratio = {int8_t(bytes.byte()), int8_t(bytes.byte())};
    frame->repeat_pict = bytes.byte();
    frame->flags = bytes.byte();
    if (bytes.byte() & 1) set_interlaced(frame);
    set_duration(frame, int64_t(bytes.word()));
    frame->crop_left = bytes.word();
    frame->crop_top = bytes.byte();
}

void add_side_data(AVFrame *frame, Bytes &bytes) {
    for (int i = bytes.below(5); i > 0; --i) {
        const auto type = AVFrameSideDataType(bytes.below(48));
        AVFrameSideData *data = av_frame_new_side_data(frame, type, bytes.byte() * 8);
        if (!data) continue;
        std::memset(data->data, bytes.byte(), data->size);
        if (bytes.byte() & 1) av_dict_set(&data->metadata, "key", "value", 0);
    }
    if (bytes.byte() & 1) av_dict_set(&frame->metadata, "key", "value", 0);
}

// Planes that are not there or too narrow for the picture.
void break_planes(AVFrame *frame, Bytes &bytes) {
    const int plane = bytes.below(4);
    if (bytes.byte() & 1)
        frame->data[plane] = nullptr;
    else
        frame->linesize[plane] = int8_t(bytes.byte()) % 4;
}

struct Sent {
    Frame frame;
    bool good;  // as promised: it must come out
};

Sent next_frame(const Source &promised, Bytes &bytes) {
    Source own = promised;
    const int kind = bytes.below(8);
    if (kind == 1) own = source(bytes);
    if (kind == 2) own.width += kMargin, own.height += kMargin;
    Frame frame = make_frame(own);
    if (!frame) return {};
    fill(frame.get(), bytes);
    if (kind == 2) move_planes(frame.get(), promised, bytes);
    if (kind == 3) change_tags(frame.get(), bytes);
    if (kind == 4) add_side_data(frame.get(), bytes);
    if (kind == 5) break_planes(frame.get(), bytes);
    return {std::move(frame), kind == 0 || kind == 2 || kind == 4 || kind > 5};
}

// What has come out, against what was sent.
class Account {
public:
    explicit Account(const Source &source) : source_(source) {}

    void sent(int64_t pts, bool good) { expected_.push_back({pts, good}); }

    void came(const AVFrame *frame) {
        const int scale = frame->width / source_.width;
        require(scale >= 2 && scale <= 4);
        require(frame->width == scale * source_.width && frame->height == scale * source_.height);
        require(frame->format == source_.format);
        while (!expected_.empty() && expected_.front().first != frame->pts) skip();
        require(!expected_.empty());
        expected_.pop_front();
    }

    void ended() {
        while (!expected_.empty()) skip();
    }

private:
    void skip() {
        require(!expected_.front().second);
        expected_.pop_front();
    }

    Source source_;
    std::deque<std::pair<int64_t, bool>> expected_;
};

void drive(Bytes &bytes) {
    const std::string filters = options(bytes);
    const Source promised = source(bytes);
    Graph graph(filters, promised);
    if (graph.configure() < 0) return;
    Account account(promised);
    int64_t pts = 0;
    int error = 0;
    bool ended = false;
    while (pts < kMaxFrames && bytes.left() && !ended) {
        const Sent sent = next_frame(promised, bytes);
        if (!sent.frame) return;
        sent.frame->pts = ++pts;
        account.sent(pts, sent.good);
        graph.send(sent.frame.get(), bytes.often());
        const bool ask = bytes.often();
        while (const Frame frame = graph.receive(ask, &error)) account.came(frame.get());
        ended = !bytes.often();
    }
    if (!bytes.often()) return;  // the graph is freed with frames in flight
    graph.end(bytes.often() ? pts : AV_NOPTS_VALUE);
    for (int i = 0; i < 4 * kMaxFrames && error != AVERROR_EOF; ++i)
        if (const Frame frame = graph.receive(true, &error)) account.came(frame.get());
    require(error == AVERROR_EOF);
    account.ended();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    const Log log;  // messages are made, and read by no one
    Bytes bytes(data, size);
    drive(bytes);
    return 0;
}
