// SPDX-License-Identifier: BSD-2-Clause
// FFmpeg's demuxers and decoders behind a frame at a time. A Media is for one thread at a time.
#pragma once

#include <cstddef>
#include <filesystem>
#include <memory>
#include <span>
#include <string>

#include "picture.h"

struct AVFrame;

namespace mdrn::training {

// All of it throws std::runtime_error: NAME: what cannot be done: FFmpeg's own words.
class Media {
public:
    // A picture file's bytes, which must outlive it; name: what messages call it, its ending
    // decides where the bytes don't tell.
    Media(std::span<const std::byte> bytes, const std::string &name);
    // A video file, its best video stream.
    explicit Media(const std::filesystem::path &path);
    ~Media();
    Media(Media &&) noexcept;

    // The next frame, the Media's own until the next call; null at the end. Throws where a picture
    // is damaged; a video's damaged packets are passed over.
    const AVFrame *next();

    // Goes to the last key frame at or before a time, or, in formats without an index, to one near
    // it.
    void seek(double seconds);
    double time(const AVFrame *frame) const;  // seconds since the stream's start
    double duration() const;                  // seconds; 0 where it is not known

    // As read_picture says; untagged YUV is BT.709 if hd, else BT.601.
    Picture picture_of(const AVFrame *frame, bool hd) const;

private:
    struct State;
    std::unique_ptr<State> state_;
};

// As read_picture says; untagged YUV is BT.709 if hd, else BT.601. Throws std::runtime_error
// without a name.
Picture picture_of(const AVFrame *frame, bool hd);

}  // namespace mdrn::training
