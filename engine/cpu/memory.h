// SPDX-License-Identifier: BSD-2-Clause
// How rows and maps lie in the arena.
#pragma once

#include <algorithm>
#include <cstddef>

#include "cpu/kernels.h"

namespace mdrn::cpu {

inline constexpr size_t kLine = 16;  // floats of a cache line

// Cuts a block of memory into arrays; without a block it only counts.
class Carver {
public:
    explicit Carver(float *base = nullptr) : base_(base) {}

    // Aligned to a cache line.
    float *take(size_t floats) {
        float *start = base_ ? base_ + used_ : nullptr;
        used_ += (floats + kLine - 1) / kLine * kLine;
        return start;
    }
    double *take_doubles(size_t doubles) { return reinterpret_cast<double *>(take(2 * doubles)); }

    // What follows lies beyond all that other took; both began at the same place, and what they
    // took before that is never in use at the same time.
    void join(const Carver &other) { used_ = std::max(used_, other.used_); }

    size_t used() const { return used_; }  // floats

private:
    float *base_;
    size_t used_ = 0;
};

// (rows, channels, columns): a line of padding lies left of each channel's columns, so that the
// neighbours of the first and the last column can be read and written. A pitch of an odd number of
// lines spreads channels over the cache's sets.
struct RowSet {
    RowSet() = default;
    RowSet(Carver &carver, int rows, int channels_, int columns) : channels(channels_) {
        const size_t lines = (static_cast<size_t>(columns) + kLine - 1) / kLine + 1;
        pitch = static_cast<ptrdiff_t>((lines | 1) * kLine);
        // Strips read whole quanta beyond their halo.
        constexpr size_t kSlack = 4 * kLine;
        data = carver.take(static_cast<size_t>(rows) * channels * pitch + kLine + kSlack);
    }

    // Column 0 of channel 0; channel c is pitch * c further on.
    float *row(int y) const { return data + kLine + static_cast<ptrdiff_t>(y) * channels * pitch; }

    float *data = nullptr;
    int channels = 0;
    ptrdiff_t pitch = 0;
};

// The last few rows of a stream.
struct Ring {
    Ring() = default;
    Ring(Carver &carver, int rows, int channels, int columns)
        : set(carver, rows, channels, columns), count(rows) {}

    float *row(int y) const { return set.row((y + 8 * count) % count); }
    ptrdiff_t pitch() const { return set.pitch; }

    RowSet set;
    int count = 1;
};

// Index of the sample that reflect padding shows at i, which is at most one beyond the ends.
inline int reflect(int i, int n) {
    return i < 0 ? -i : i < n ? i : 2 * n - 2 - i;
}

// Makes columns -1 and n of a row what reflect padding shows there.
inline void reflect_columns(float *row, ptrdiff_t pitch, int channels, int n) {
    for (int c = 0; c < channels; ++c, row += pitch) {
        row[-1] = row[1];
        row[n] = row[n - 2];
    }
}

inline void zero_columns(float *row, ptrdiff_t pitch, int channels, int n) {
    for (int c = 0; c < channels; ++c, row += pitch) row[-1] = row[n] = 0;
}

// Pointers to a row's channels, for pointwise.
inline const float **channel_pointers(const float *row, ptrdiff_t pitch, int channels,
                                      const float **pointers) {
    for (int c = 0; c < channels; ++c) *pointers++ = row + c * pitch;
    return pointers;
}

}  // namespace mdrn::cpu
