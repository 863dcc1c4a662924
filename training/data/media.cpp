// SPDX-License-Identifier: BSD-2-Clause
#include "media.h"

#include <algorithm>
#include <cstring>
#include <mutex>
#include <stdexcept>

extern "C" {
#include <libavcodec/avcodec.h>
#include <libavformat/avformat.h>
#include <libavutil/log.h>
}

namespace mdrn::training {
namespace {

constexpr int64_t kMostPixels = int64_t(1) << 28;  // 800 MB as RGB

// FFmpeg tells its log why something fails, and its caller a code alone.
thread_local std::string last_error;

void keep_error(void *context, int level, const char *format, va_list arguments) {
    if (level > AV_LOG_ERROR) return;
    char line[512];
    int prefix = 0;
    av_log_format_line2(context, level, format, arguments, line, sizeof line, &prefix);
    last_error = line;
    while (!last_error.empty() && last_error.back() == '\n') last_error.pop_back();
}

[[noreturn]] void fail(const std::string &name, const std::string &what, int code = 0) {
    std::string why = last_error;
    if (why.empty() && code) {
        char text[AV_ERROR_MAX_STRING_SIZE] = {};
        av_strerror(code, text, sizeof text);
        why = text;
    }
    throw std::runtime_error(name + ": " + what + (why.empty() ? "" : ": " + why));
}

}  // namespace

struct Media::State {
    std::string name;
    bool still = false;
    std::span<const std::byte> bytes;
    size_t position = 0;
    AVFormatContext *format = nullptr;
    AVIOContext *io = nullptr;
    AVCodecContext *codec = nullptr;
    AVPacket *packet = av_packet_alloc();
    AVFrame *frame = av_frame_alloc();
    int stream = -1;
    bool drained = false;
    bool key_wanted = false;  // what comes first after a seek

    explicit State(std::string name_) : name(std::move(name_)) {
        static std::once_flag once;
        std::call_once(once, [] { av_log_set_callback(keep_error); });
        last_error.clear();
        if (!packet || !frame) throw std::bad_alloc();
    }
    ~State() {
        avcodec_free_context(&codec);
        avformat_close_input(&format);
        close_io();
        av_packet_free(&packet);
        av_frame_free(&frame);
    }
    State(const State &) = delete;

    void close_io() {
        if (io) av_freep(&io->buffer);
        avio_context_free(&io);
    }

    static int read(void *opaque, uint8_t *buffer, int size) {
        auto *state = static_cast<State *>(opaque);
        const size_t left = state->bytes.size() - state->position;
        if (!left) return AVERROR_EOF;
        const size_t n = std::min(left, size_t(size));
        std::memcpy(buffer, state->bytes.data() + state->position, n);
        state->position += n;
        return int(n);
    }
    static int64_t move(void *opaque, int64_t offset, int whence) {
        auto *state = static_cast<State *>(opaque);
        const int64_t size = int64_t(state->bytes.size());
        switch (whence & ~AVSEEK_FORCE) {
            case AVSEEK_SIZE:
                return size;
            case SEEK_CUR:
                offset += int64_t(state->position);
                break;
            case SEEK_END:
                offset += size;
                break;
            case SEEK_SET:
                break;
            default:
                return AVERROR(EINVAL);
        }
        if (offset < 0 || offset > size) return AVERROR(EINVAL);
        state->position = size_t(offset);
        return offset;
    }

    int open_bytes(const AVInputFormat *input, AVCodecID id, AVDictionary **options) {
        avformat_close_input(&format);
        close_io();
        position = 0;
        constexpr int kBuffer = 1 << 15;
        auto *buffer = static_cast<unsigned char *>(av_malloc(kBuffer));
        io = avio_alloc_context(buffer, kBuffer, 0, this, read, nullptr, move);
        format = avformat_alloc_context();
        if (!buffer || !io || !format) throw std::bad_alloc();
        format->pb = io;
        format->video_codec_id = id;
        const int code = avformat_open_input(&format, name.c_str(), input, options);
        if (code < 0) return code;
        stream = av_find_best_stream(format, AVMEDIA_TYPE_VIDEO, -1, -1, nullptr, 0);
        return std::min(stream, 0);
    }

    // A format without a mark of its own at the start of the file (TGA): the name's ending tells.
    int open_by_name() {
        const AVCodecID id = av_guess_codec(av_guess_format("image2", nullptr, nullptr), nullptr,
                                            name.c_str(), nullptr, AVMEDIA_TYPE_VIDEO);
        AVDictionary *options = nullptr;
        av_dict_set_int(&options, "frame_size", int64_t(bytes.size()), 0);
        const int code = open_bytes(av_find_input_format("image2pipe"), id, &options);
        av_dict_free(&options);
        return code;
    }

    void open_codec() {
        const AVCodecParameters *parameters = format->streams[stream]->codecpar;
        const AVCodec *decoder = avcodec_find_decoder(parameters->codec_id);
        if (!decoder)
            fail(name, std::string("no decoder for ") + avcodec_get_name(parameters->codec_id));
        codec = avcodec_alloc_context3(decoder);
        if (!codec) throw std::bad_alloc();
        int code = avcodec_parameters_to_context(codec, parameters);
        codec->pkt_timebase = format->streams[stream]->time_base;
        codec->thread_count = 1;  // the threads are the loader's
        codec->max_pixels = kMostPixels;
        // Half a picture is none; but to TIFF's decoder a tag that it doesn't know is an error,
        // too.
        if (still && parameters->codec_id != AV_CODEC_ID_TIFF)
            codec->err_recognition = AV_EF_CRCCHECK | AV_EF_EXPLODE;
        if (code >= 0) code = avcodec_open2(codec, decoder, nullptr);
        if (code < 0) fail(name, "cannot be decoded", code);
    }

    int send_packet() {
        int code;
        do {
            av_packet_unref(packet);
            code = av_read_frame(format, packet);
        } while (code >= 0 && (packet->stream_index != stream ||
                               (key_wanted && !(packet->flags & AV_PKT_FLAG_KEY))));
        key_wanted = false;
        if (code < 0) {
            drained = true;
            return avcodec_send_packet(codec, nullptr);
        }
        return avcodec_send_packet(codec, packet);
    }

    const AVFrame *next() {
        last_error.clear();
        for (;;) {
            int code = avcodec_receive_frame(codec, frame);
            const bool damaged =
                code == 0 && (frame->decode_error_flags || frame->flags & AV_FRAME_FLAG_CORRUPT);
            if (still && damaged) fail(name, "is damaged");
            if (code == 0) return frame;
            if (code == AVERROR_EOF || (code == AVERROR(EAGAIN) && drained)) return nullptr;
            if (code == AVERROR(EAGAIN)) code = send_packet();
            if (code < 0 && (still || code == AVERROR(ENOMEM)))
                fail(name, "cannot be decoded", code);
        }
    }
};

Media::Media(std::span<const std::byte> bytes, const std::string &name)
    : state_(std::make_unique<State>(name)) {
    state_->still = true;
    state_->bytes = bytes;
    if (bytes.empty()) fail(name, "is empty");
    int code = state_->open_bytes(nullptr, AV_CODEC_ID_NONE, nullptr);
    if (code < 0) code = state_->open_by_name();
    if (code < 0) fail(name, "is no picture", code);
    state_->open_codec();
}

Media::Media(const std::filesystem::path &path) : state_(std::make_unique<State>(path.string())) {
    State &s = *state_;
    // "file:" keeps a colon in the path from naming a protocol.
    int code = avformat_open_input(&s.format, ("file:" + s.name).c_str(), nullptr, nullptr);
    if (code >= 0) code = avformat_find_stream_info(s.format, nullptr);
    if (code >= 0)
        code = s.stream = av_find_best_stream(s.format, AVMEDIA_TYPE_VIDEO, -1, -1, nullptr, 0);
    if (code < 0) fail(s.name, "is no video", code);
    for (unsigned i = 0; i < s.format->nb_streams; ++i)
        if (int(i) != s.stream) s.format->streams[i]->discard = AVDISCARD_ALL;
    s.open_codec();
}

Media::~Media() = default;
Media::Media(Media &&) noexcept = default;

const AVFrame *Media::next() {
    return state_->next();
}

void Media::seek(double seconds) {
    State &s = *state_;
    const AVStream *stream = s.format->streams[s.stream];
    const int64_t start = stream->start_time == AV_NOPTS_VALUE ? 0 : stream->start_time;
    const int64_t target = start + int64_t(seconds / av_q2d(stream->time_base));
    const int code = av_seek_frame(s.format, s.stream, target, AVSEEK_FLAG_BACKWARD);
    if (code < 0) fail(s.name, "cannot be searched by time", code);
    avcodec_flush_buffers(s.codec);
    s.drained = false;
    s.key_wanted = true;
}

double Media::time(const AVFrame *frame) const {
    const AVStream *stream = state_->format->streams[state_->stream];
    const int64_t start = stream->start_time == AV_NOPTS_VALUE ? 0 : stream->start_time;
    if (frame->best_effort_timestamp == AV_NOPTS_VALUE) return 0;
    return double(frame->best_effort_timestamp - start) * av_q2d(stream->time_base);
}

double Media::duration() const {
    const AVStream *stream = state_->format->streams[state_->stream];
    if (stream->duration > 0) return double(stream->duration) * av_q2d(stream->time_base);
    return state_->format->duration > 0 ? double(state_->format->duration) / AV_TIME_BASE : 0;
}

Picture Media::picture_of(const AVFrame *frame, bool hd) const {
    try {
        return training::picture_of(frame, hd);
    } catch (const std::runtime_error &error) {
        throw std::runtime_error(state_->name + ": " + error.what());
    }
}

}  // namespace mdrn::training
