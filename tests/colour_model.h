// SPDX-License-Identifier: BSD-2-Clause
// ITU-T H.273 in float64, from its text: what codes R'G'B' has, and where chroma lies. Only the
// direction from R'G'B' to codes is written down: codes read right if what they became leads back.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <vector>

#include "picture.h"

namespace mdrn::test {

using Triple = std::array<double, 3>;

struct Tags {
    int matrix = 1;
    int transfer = 2;
    bool limited = true;
    int depth = 8;
};

// Table 3. E' of E; below 0 as an odd function.
inline double transferred(double light, int transfer) {
    const double e = std::abs(light);
    double v;
    if (transfer == 16) {
        const double n = std::pow(e, 2610.0 / 4096 / 4);
        v = std::pow((3424.0 / 4096 + 2413.0 / 4096 * 32 * n) / (1 + 2392.0 / 4096 * 32 * n),
                     2523.0 / 4096 * 128);
    } else if (transfer == 18) {
        v = e > 1.0 / 12 ? 0.17883277 * std::log(12 * e - 0.28466892) + 0.55991073
                         : std::sqrt(3 * e);
    } else {
        const double a = 1.099296826809442, b = 0.018053968510807;
        v = e >= b ? a * std::pow(e, 0.45) - (a - 1) : 4.5 * e;
    }
    return light < 0 ? -v : v;
}

// The same turned round by bisection, so that no second formula can be wrong.
inline double light_of(double signal, int transfer) {
    double low = 0, high = 1;
    while (transferred(high, transfer) < std::abs(signal) && high < 1e9) high *= 2;
    for (double middle; (middle = (low + high) / 2) > low && middle < high;)
        (transferred(middle, transfer) < std::abs(signal) ? low : high) = middle;
    return signal < 0 ? -high : high;
}

// Equations 38 to 40, 44 to 46, 56 to 58 and the rest, in R'G'B' to E'Y, E'PB, E'PR.
inline Triple difference_of(const Triple &rgb, const Tags &tags) {
    const auto &[r, g, b] = rgb;
    const int curve = tags.matrix == 10 ? 14 : tags.transfer == 18 ? 18 : 16;
    if (tags.matrix == 14) {
        const double er = light_of(r, curve), eg = light_of(g, curve), eb = light_of(b, curve);
        const double l = transferred((1688 * er + 2146 * eg + 262 * eb) / 4096, curve);
        const double m = transferred((683 * er + 2951 * eg + 462 * eb) / 4096, curve);
        const double s = transferred((99 * er + 309 * eg + 3688 * eb) / 4096, curve);
        if (curve == 18)
            return {(l + m) / 2, (3625 * l - 7465 * m + 3840 * s) / 4096,
                    (9500 * l - 9212 * m - 288 * s) / 4096};
        return {(l + m) / 2, (6610 * l - 13613 * m + 7003 * s) / 4096,
                (17933 * l - 17390 * m - 543 * s) / 4096};
    }
    static const std::array<double, 3> table[] = {
        {1, 0.2126, 0.0722}, {4, 0.30, 0.11},     {5, 0.299, 0.114},   {6, 0.299, 0.114},
        {7, 0.212, 0.087},   {9, 0.2627, 0.0593}, {10, 0.2627, 0.0593}};
    double kr = NAN, kb = NAN;
    for (const auto &row : table)
        if (row[0] == tags.matrix) kr = row[1], kb = row[2];
    if (tags.matrix != 10) {
        const double y = kr * r + (1 - kr - kb) * g + kb * b;
        return {y, (b - y) / (1 - kb) / 2, (r - y) / (1 - kr) / 2};
    }
    const double y = transferred(
        kr * light_of(r, curve) + (1 - kr - kb) * light_of(g, curve) + kb * light_of(b, curve),
        curve);
    const double nb = transferred(1 - kb, curve), pb = 1 - transferred(kb, curve);
    const double nr = transferred(1 - kr, curve), pr = 1 - transferred(kr, curve);
    return {y, (b - y) / (b < y ? nb : pb) / 2, (r - y) / (r < y ? nr : pr) / 2};
}

// The three codes of a pixel, neither rounded nor clipped.
inline Triple codes_of_rgb(const Triple &rgb, const Tags &tags) {
    const double top = std::pow(2, tags.depth) - 1, unit = std::pow(2, tags.depth - 8),
                 middle = std::pow(2, tags.depth - 1);
    const auto as_luma = [&](double e) { return tags.limited ? unit * (219 * e + 16) : top * e; };
    const auto as_chroma = [&](double e) { return (tags.limited ? unit * 224 : top) * e + middle; };
    if (tags.matrix == 0 || tags.matrix == 8) {
        const double r = as_luma(rgb[0]), g = as_luma(rgb[1]), b = as_luma(rgb[2]);
        if (tags.matrix == 0) return {g, b, r};
        return {0.5 * g + 0.25 * (r + b), 0.5 * g - 0.25 * (r + b) + middle,
                0.5 * (r - b) + middle};
    }
    const auto [y, cb, cr] = difference_of(rgb, tags);
    return {as_luma(y), as_chroma(cb), as_chroma(cr)};
}

// Samples of one dimension or two, row by row.
struct Plane {
    int width, height;
    std::vector<double> values;
    Plane(int w, int h) : width(w), height(h), values(size_t(w) * size_t(h)) {}
    double &at(int y, int x) { return values[size_t(y) * size_t(width) + size_t(x)]; }
};

inline double catmull_rom(double x) {
    x = std::abs(x);
    if (x < 1) return 1.5 * x * x * x - 2.5 * x * x + 1;
    return x < 2 ? -0.5 * x * x * x + 2.5 * x * x - 4 * x + 2 : 0;
}

// Rows of from, seen at first + i * step; where that makes fewer the kernel is stretched. Beyond an
// edge a row is mirrored, and beyond the mirror the other end goes on.
inline Plane resampled(Plane &from, int count, double first, double step) {
    Plane to(count, from.height);
    const double stretch = std::max(step, 1.0);
    for (int i = 0; i < count; ++i) {
        const double at = first + i * step;
        double total = 0;
        for (int k = int(std::floor(at - 2 * stretch)); k <= int(std::ceil(at + 2 * stretch));
             ++k) {
            const double weight = catmull_rom((k - at) / stretch);
            const int mirrored = k < 0 ? -1 - k : k >= from.width ? 2 * from.width - 1 - k : k;
            const int column = std::clamp(mirrored, 0, from.width - 1);
            total += weight;
            for (int y = 0; y < from.height; ++y) to.at(y, i) += weight * from.at(y, column);
        }
        for (int y = 0; y < from.height; ++y) to.at(y, i) /= total;
    }
    return to;
}

inline Plane transposed(Plane &from) {
    Plane to(from.height, from.width);
    for (int y = 0; y < from.height; ++y)
        for (int x = 0; x < from.width; ++x) to.at(x, y) = from.at(y, x);
    return to;
}

// Where chroma sample 0 lies among luma samples, of which one of chroma has `every`.
inline double chroma_column(int location, int every) {
    const bool left = location == MDRN_CHROMA_UNSPECIFIED || location == MDRN_CHROMA_LEFT ||
                      location == MDRN_CHROMA_TOP_LEFT || location == MDRN_CHROMA_BOTTOM_LEFT;
    return left ? 0 : (every - 1) / 2.0;
}
inline double chroma_row(int location, int every) {
    if (location == MDRN_CHROMA_TOP || location == MDRN_CHROMA_TOP_LEFT) return 0;
    if (location == MDRN_CHROMA_BOTTOM || location == MDRN_CHROMA_BOTTOM_LEFT) return every - 1;
    return (every - 1) / 2.0;
}

// Chroma as luma lies, and back.
inline Plane chroma_in_full(Plane chroma, const mdrn_image &image) {
    const int w = 1 << image.layout.log2_chroma_w, h = 1 << image.layout.log2_chroma_h;
    const int at = image.chroma_location;
    if (w > 1) chroma = resampled(chroma, image.width, -chroma_column(at, w) / w, 1.0 / w);
    if (h == 1) return chroma;
    Plane columns = transposed(chroma);
    columns = resampled(columns, image.height, -chroma_row(at, h) / h, 1.0 / h);
    return transposed(columns);
}
inline Plane chroma_from_full(Plane full, const mdrn_image &image) {
    const int w = 1 << image.layout.log2_chroma_w, h = 1 << image.layout.log2_chroma_h;
    const int at = image.chroma_location;
    if (w > 1) full = resampled(full, full.width / w, chroma_column(at, w), w);
    if (h == 1) return full;
    Plane columns = transposed(full);
    columns = resampled(columns, full.height / h, chroma_row(at, h), h);
    return transposed(columns);
}

}  // namespace mdrn::test
