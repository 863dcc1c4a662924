// SPDX-License-Identifier: BSD-2-Clause
// What can be wrong with a picture that somebody hands in.
#include <algorithm>
#include <climits>
#include <cstdint>
#include <cstring>
#include <iterator>
#include <string>

#include "error.h"
#include "frame.h"
#include "matrix.h"
#include "samples.h"

namespace mdrn {
namespace {

[[noreturn]] void refuse(const char *which, const std::string &what,
                         mdrn_error code = MDRN_ERROR_INVALID_ARGUMENT) {
    throw Error(code, std::string("In ") + which + ": " + what);
}

// A caller in C may leave anything in an enum; to load that as one is undefined.
template <typename Enum>
int raw(const Enum &value) {
    static_assert(sizeof value == sizeof(int));
    int result = 0;
    std::memcpy(&result, &value, sizeof result);
    return result;
}

bool between(int value, int least, int most) {
    return value >= least && value <= most;
}

void check_size(const mdrn_image &image, const char *which) {
    if (image.size < sizeof(mdrn_image))
        refuse(which, "the field size is " + std::to_string(image.size) + ", at least " +
                          std::to_string(sizeof(mdrn_image)) +
                          " is needed; set it to sizeof(mdrn_image).");
    if (!between(raw(image.memory), MDRN_MEMORY_HOST, MDRN_MEMORY_CUDA))
        refuse(which, "the kind of memory is " + std::to_string(raw(image.memory)) +
                          "; use an mdrn_memory.");
    // Four times the size must stay an int, rounded up to whole chroma samples.
    constexpr int most = INT_MAX / 4 - 16;
    if (!between(image.width, 1, most) || !between(image.height, 1, most))
        refuse(which, "the size is " + std::to_string(image.width) + "x" +
                          std::to_string(image.height) + "; each side must be from 1 to " +
                          std::to_string(most) + ".");
}

void check_component(const mdrn_layout &layout, int index, const char *which) {
    const mdrn_component &c = layout.component[index];
    const std::string name = "component " + std::to_string(index) + " ";
    if (c.plane > 3)
        refuse(which,
               name + "is in plane " + std::to_string(c.plane) + "; there are planes 0 to 3.");
    if (layout.is_float && c.depth != 16 && c.depth != 32)
        refuse(which, name + "is float of depth " + std::to_string(c.depth) +
                          "; float has depth 16 or 32.");
    if (layout.is_float && c.shift) refuse(which, name + "is float and shifted; set shift to 0.");
    if (!layout.is_float && !between(c.depth, 1, 16))
        refuse(which,
               name + "has depth " + std::to_string(c.depth) + "; integers have 1 to 16 bits.");
    if (c.shift + c.depth > 32)
        refuse(which, name + "ends at bit " + std::to_string(c.shift + c.depth) +
                          "; a word has at most 32.");
    if (c.offset + word_size(c) > c.step)
        refuse(which, name + "has words of " + std::to_string(word_size(c)) + " bytes at offset " +
                          std::to_string(c.offset) + ", which do not fit the step of " +
                          std::to_string(c.step) + " bytes.");
}

void check_layout(const mdrn_layout &layout, const char *which) {
    if (!between(raw(layout.model), MDRN_COLOR_GRAY, MDRN_COLOR_RGB))
        refuse(which, "the colour model is " + std::to_string(raw(layout.model)) +
                          "; use an mdrn_color_model.");
    const int own = layout.model == MDRN_COLOR_GRAY ? 1 : 3;
    if (!between(layout.components, own, own + 1))
        refuse(which, "there are " + std::to_string(layout.components) +
                          " components; this colour model has " + std::to_string(own) +
                          ", or one more with alpha.");
    const int subsampling = std::max(layout.log2_chroma_w, layout.log2_chroma_h);
    if (subsampling > (layout.model == MDRN_COLOR_YUV ? 2 : 0))
        refuse(which, "log2_chroma_w and log2_chroma_h are " +
                          std::to_string(layout.log2_chroma_w) + " and " +
                          std::to_string(layout.log2_chroma_h) +
                          "; at most 2 for YUV, 0 for gray and RGB.");
    if (layout.big_endian > 1 || layout.is_float > 1)
        refuse(which, "big_endian and is_float must be 0 or 1.");
    for (int i = 0; i < layout.components; ++i) check_component(layout, i, which);
}

const char *matrix_name(int matrix) {
    constexpr const char *names[] = {"GBR",
                                     "BT.709",
                                     "unspecified",
                                     "reserved",
                                     "FCC",
                                     "BT.470BG",
                                     "SMPTE 170M",
                                     "SMPTE 240M",
                                     "YCgCo",
                                     "BT.2020 non-constant luminance",
                                     "BT.2020 constant luminance",
                                     "SMPTE 2085",
                                     "chromaticity-derived non-constant luminance",
                                     "chromaticity-derived constant luminance",
                                     "ICtCp",
                                     "IPT-C2",
                                     "YCgCo-Re",
                                     "YCgCo-Ro"};
    return between(matrix, 0, int(std::size(names)) - 1) ? names[matrix] : "unknown";
}

bool is_bt2020(int transfer) {
    return transfer == 1 || transfer == 6 || transfer == 14 || transfer == 15;
}

void check_matrix(const mdrn_image &image, const char *which) {
    const int matrix = image.matrix;
    const int transfer = image.transfer;
    const std::string tag =
        "the matrix is " + std::to_string(matrix) + " (" + matrix_name(matrix) + ")";
    const std::string other = ", but the transfer is " + std::to_string(transfer) + "; ";
    if (matrix == kMatrixGbr && (image.layout.log2_chroma_w || image.layout.log2_chroma_h))
        refuse(which, tag + ", but the layout is subsampled; tag the matrix that made it, or 2.");
    if (matrix == kMatrixBt2020Cl && !is_bt2020(transfer) && transfer != kTransferUnspecified)
        refuse(which, tag + other + "it is defined with BT.2020's (14 or 15, the same as 1 and 6).",
               MDRN_ERROR_UNSUPPORTED);
    if (matrix == kMatrixIctcp && transfer != kTransferPq && transfer != kTransferHlg &&
        transfer != kTransferUnspecified)
        refuse(which, tag + other + "it is defined with PQ (16) and HLG (18).",
               MDRN_ERROR_UNSUPPORTED);
    if (between(matrix, 11, 13) || between(matrix, 15, 17))
        refuse(which,
               tag +
                   ", which is not supported; convert to BT.709 or BT.2020 non-constant "
                   "luminance first.",
               MDRN_ERROR_UNSUPPORTED);
    if (!between(matrix, 0, 14) || matrix == 3)
        refuse(which, tag + "; tag the matrix that made the picture, or 2 (unspecified).");
}

void check_colour(const mdrn_image &image, const char *which) {
    if (!between(raw(image.range), MDRN_RANGE_UNSPECIFIED, MDRN_RANGE_FULL))
        refuse(which, "the range is " + std::to_string(raw(image.range)) + "; use an mdrn_range.");
    if (!between(raw(image.chroma_location), MDRN_CHROMA_UNSPECIFIED, MDRN_CHROMA_BOTTOM))
        refuse(which, "the chroma location is " + std::to_string(raw(image.chroma_location)) +
                          "; use an mdrn_chroma_location.");
    if (image.layout.model == MDRN_COLOR_YUV) check_matrix(image, which);
}

void check_plane(const mdrn_image &image, int index, const char *which) {
    const mdrn_component &c = image.layout.component[index];
    const int64_t bytes = int64_t(component_size(image, index).width) * c.step;
    const std::string plane = "plane " + std::to_string(c.plane);
    if (!image.data[c.plane]) refuse(which, plane + " is NULL; point data[] at its first row.");
    const ptrdiff_t stride = image.stride[c.plane];
    if (stride < bytes && stride > -bytes)
        refuse(which, plane + " has stride " + std::to_string(stride) +
                          ", but a row of component " + std::to_string(index) + " has " +
                          std::to_string(bytes) + " bytes.");
    ptrdiff_t all = 0;
    if (stride == PTRDIFF_MIN || __builtin_mul_overflow(stride, ptrdiff_t(image.height), &all))
        refuse(which, plane + " has stride " + std::to_string(stride) + ", too large for " +
                          std::to_string(image.height) + " rows.");
}

bool same_layout(const mdrn_layout &a, const mdrn_layout &b) {
    bool equal = a.model == b.model && a.components == b.components &&
                 a.log2_chroma_w == b.log2_chroma_w && a.log2_chroma_h == b.log2_chroma_h &&
                 a.big_endian == b.big_endian && a.is_float == b.is_float;
    for (int i = 0; equal && i < a.components; ++i) {
        const mdrn_component &c = a.component[i];
        const mdrn_component &d = b.component[i];
        equal = c.plane == d.plane && c.step == d.step && c.offset == d.offset &&
                c.shift == d.shift && c.depth == d.depth;
    }
    return equal;
}

bool same_colour(const mdrn_image &a, const mdrn_image &b) {
    return a.matrix == b.matrix && a.transfer == b.transfer && a.range == b.range &&
           a.chroma_location == b.chroma_location;
}

}  // namespace

void check_image(const mdrn_image &image, const char *which) {
    check_size(image, which);
    check_layout(image.layout, which);
    check_colour(image, which);
    for (int i = 0; i < image.layout.components; ++i) check_plane(image, i, which);
}

void check_pair(const mdrn_image &in, const mdrn_image &out, int scale) {
    check_image(in, "the picture sent");
    check_image(out, "the picture to receive");
    const char *which = "the picture to receive";
    if (int64_t(in.width) * scale != out.width || int64_t(in.height) * scale != out.height)
        refuse(which, "the size is " + std::to_string(out.width) + "x" +
                          std::to_string(out.height) + ", but " + std::to_string(scale) +
                          " times the picture sent is " +
                          std::to_string(int64_t(in.width) * scale) + "x" +
                          std::to_string(int64_t(in.height) * scale) + ".");
    if (!same_layout(in.layout, out.layout))
        refuse(which, "the layout is not that of the picture sent; copy it from there.");
    if (!same_colour(in, out))
        refuse(
            which,
            "matrix, transfer, range and chroma location are not those of the picture sent; copy "
            "them from there.");
}

bool same_kind(const mdrn_image &a, const mdrn_image &b) {
    return a.width == b.width && a.height == b.height && same_layout(a.layout, b.layout) &&
           same_colour(a, b);
}

}  // namespace mdrn
