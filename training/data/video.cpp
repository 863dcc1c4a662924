// SPDX-License-Identifier: BSD-2-Clause
#include "video.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdlib>
#include <stdexcept>
#include <string>
#include <utility>

#include "media.h"

extern "C" {
#include <libavutil/frame.h>
}

namespace mdrn::training {
namespace {

constexpr int kSide = 16;
using Thumbnail = std::array<double, size_t(3) * kSide * kSide>;

Thumbnail thumbnail_of(const Picture &picture) {
    Thumbnail sums = {}, counts = {};
    for (int y = 0; y < picture.height; ++y)
        for (int x = 0; x < picture.width; ++x)
            for (int c = 0; c < 3; ++c) {
                const size_t i =
                    size_t(y * kSide / picture.height * kSide + x * kSide / picture.width) * 3 + c;
                sums[i] += picture.row(y)[3 * x + c];
                ++counts[i];
            }
    for (size_t i = 0; i < sums.size(); ++i) sums[i] /= std::max(counts[i], 1.0);
    return sums;
}

bool nearly_equal(const Picture &a, const Picture &b) {
    if (a.width != b.width || a.height != b.height) return false;
    const Thumbnail first = thumbnail_of(a), second = thumbnail_of(b);
    double sum = 0;
    for (size_t i = 0; i < first.size(); ++i) sum += std::abs(first[i] - second[i]);
    return sum / double(first.size()) < 2;
}

constexpr double kRounding = 1e-3;  // of a frame's time

// frame, if it is at or after a second, else the first that is.
std::optional<Picture> first_from(Media &media, const AVFrame *frame, int second) {
    while (frame && media.time(frame) < second - kRounding) frame = media.next();
    if (!frame) return std::nullopt;
    return media.picture_of(frame, frame->width > 1279 || frame->height > 576);
}

// A video at a frame before or at a second, where there is one.
std::pair<Media, const AVFrame *> opened_at(const std::filesystem::path &path, int second) {
    Media media(path);
    // A seek may end too late: then farther back, and at last without.
    for (int back = 0; back < second; back = 2 * back + 5) {
        media.seek(second - back);
        const AVFrame *frame = media.next();
        if (frame && media.time(frame) <= second + kRounding) return {std::move(media), frame};
    }
    Media whole(path);
    const AVFrame *frame = whole.next();
    return {std::move(whole), frame};
}

}  // namespace

int seconds_of(const std::filesystem::path &path) {
    return std::max(1, int(std::ceil(std::min(Media(path).duration(), 1e6))));
}

std::optional<Picture> read_second(const std::filesystem::path &path, int second) {
    auto [media, frame] = opened_at(path, std::max(second - 1, 0));
    if (second == 0) return first_from(media, frame, 0);
    const std::optional<Picture> before = first_from(media, frame, second - 1);
    std::optional<Picture> picture = first_from(media, media.next(), second);
    if (before && picture && nearly_equal(*before, *picture)) return std::nullopt;
    return picture;
}

}  // namespace mdrn::training
