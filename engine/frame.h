// SPDX-License-Identifier: BSD-2-Clause
// Pictures of any layout from and to planar RGB float, in host memory.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <string>

#include "mdrn.h"
#include "stages.h"

namespace mdrn {

// Three planes of float32, R, G, B: sample (c, y, x) at data[c * plane + y * row + x].
struct Planes {
    float *data = nullptr;
    Size size;
    ptrdiff_t row = 0;    // floats from one row to the next
    ptrdiff_t plane = 0;  // floats from one plane to the next
};

inline float *line_of(const Planes &planes, int c, int y) {
    return planes.data + c * planes.plane + y * planes.row;
}

// Tells the user something once per context.
using WarnOnce = std::function<void(const std::string &message)>;

// What every backend warns of in a picture to unpack.
inline constexpr char kNotFinite[] =
    "The picture has samples that are not finite (NaN or infinity); they count as 0.";
inline constexpr char kLinearLight[] =
    "The picture is tagged as linear light, but the network knows display-referred pictures; "
    "convert it to a transfer such as BT.709's first.";

// Throws Error(MDRN_ERROR_INVALID_ARGUMENT) for an image that cannot be: sizes, strides, plane
// pointers, components that contradict each other. scale times its size must not overflow.
void check_image(const mdrn_image &image, const char *which);

// Throws unless out is scale times in, with the same layout and colour.
void check_pair(const mdrn_image &in, const mdrn_image &out, int scale);

// Whether two images, each of them checked, agree in size, layout and colours.
bool same_kind(const mdrn_image &a, const mdrn_image &b);

// Keeps zimg's graphs for the last kind of image seen. Alpha is resampled apart (Catmull-Rom) from
// the image unpacked last and written by pack. Not thread safe.
class FrameConverter {
public:
    explicit FrameConverter(WarnOnce warn);
    ~FrameConverter();
    FrameConverter(FrameConverter &&) noexcept;

    // Writes all of rgb: the image at its upper left, extended by its last column and row.
    // Values are not clipped; a sample that is not finite becomes 0 and is warned of once.
    void unpack(const mdrn_image &image, const Planes &rgb);

    // Writes the image from hr's upper left.
    void pack(const Planes &hr, const mdrn_image &image);

private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace mdrn
