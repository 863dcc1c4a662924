// SPDX-License-Identifier: BSD-2-Clause
#include "patch.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>

#include "bicubic.h"

namespace mdrn::training {
namespace {

// Sum of green's absolute differences to the right and below.
int64_t energy_of(const Picture &picture, int left, int top, int size) {
    const ptrdiff_t down = ptrdiff_t(3) * picture.width;
    int64_t sum = 0;
    for (int y = top; y < top + size - 1; ++y) {
        const uint8_t *green = picture.row(y) + 3 * left + 1;
        for (int x = 0; x < size - 1; ++x, green += 3)
            sum += std::abs(green[3] - green[0]) + std::abs(green[down] - green[0]);
    }
    return sum;
}

}  // namespace

Place draw_place(Draws &draws, const Picture &gt, int scale, int lq_size, bool by_energy) {
    const auto draw = [&] {
        const int x = int(draws.below(uint64_t(gt.width / scale - lq_size + 1)));
        const int y = int(draws.below(uint64_t(gt.height / scale - lq_size + 1)));
        return Place{x, y};
    };
    if (!by_energy) return draw();
    constexpr int kPlaces = 8;
    Place places[kPlaces];
    double reached[kPlaces], sum = 0;
    for (int i = 0; i < kPlaces; ++i) {
        places[i] = draw();
        sum += double(energy_of(gt, scale * places[i].x, scale * places[i].y, scale * lq_size));
        reached[i] = sum;
    }
    const double drawn = draws.fraction() * sum;
    for (int i = 0; i < kPlaces; ++i)
        if (drawn < reached[i]) return places[i];
    return places[0];  // flat everywhere
}

Picture reduced_patch(const Picture &gt, int scale, Place place, int lq_size) {
    const int width = gt.width / scale, height = gt.height / scale;
    const int left = std::max(place.x - kBicubicMargin, 0);
    const int top = std::max(place.y - kBicubicMargin, 0);
    const int right = std::min(place.x + lq_size + kBicubicMargin, width);
    const int bottom = std::min(place.y + lq_size + kBicubicMargin, height);
    const Picture around = reduce(
        crop(gt, scale * left, scale * top, scale * (right - left), scale * (bottom - top)), scale);
    return crop(around, place.x - left, place.y - top, lq_size, lq_size);
}

Turn draw_turn(Draws &draws, bool use_hflip, bool use_rot) {
    Turn turn;
    turn.left_right = draws.coin() && use_hflip;
    turn.upside_down = draws.coin() && use_rot;
    turn.transposed = draws.coin() && use_rot;
    return turn;
}

void copy_turned(const Picture &picture, int x, int y, int size, Turn turn, uint8_t *out) {
    const ptrdiff_t row = ptrdiff_t(3) * picture.width;
    const uint8_t *first =
        picture.row(turn.upside_down ? y + size - 1 : y) + 3 * (turn.left_right ? x + size - 1 : x);
    ptrdiff_t right = turn.left_right ? -3 : 3, down = turn.upside_down ? -row : row;
    if (turn.transposed) std::swap(right, down);
    for (int v = 0; v < size; ++v) {
        const uint8_t *pixel = first + v * down;
        for (int u = 0; u < size; ++u, pixel += right, out += 3) std::memcpy(out, pixel, 3);
    }
}

}  // namespace mdrn::training
