// SPDX-License-Identifier: BSD-2-Clause
#include "cuda/picture.h"

#include <cmath>
#include <string>

#include "error.h"
#include "samples.h"

namespace mdrn::cuda {
namespace {

constexpr int kGbr = 0, kUnspecified = 2, kYcgco = 8;

// H.273, table 4.
Matrix matrix_of(int tag) {
    if (tag == kYcgco)
        return {{{-1, 1}, {1, 0}, {-1, -1}}, {{0.25F, 0.25F}, {-0.25F, -0.25F}, {0.5F, -0.5F}}};
    double kr, kb;
    switch (tag) {
        case 1:
            kr = 0.2126, kb = 0.0722;
            break;
        case 4:
            kr = 0.30, kb = 0.11;
            break;
        case 5:
        case 6:
            kr = 0.299, kb = 0.114;
            break;
        case 7:
            kr = 0.212, kb = 0.087;
            break;
        case 9:
            kr = 0.2627, kb = 0.0593;
            break;
        default: {
            const std::string name = tag == 10   ? " (BT.2020 constant luminance)"
                                     : tag == 14 ? " (ICtCp)"
                                                 : "";
            throw Error(MDRN_ERROR_UNSUPPORTED,
                        "CUDA cannot convert pictures of matrix " + std::to_string(tag) + name +
                            "; use device cpu, or convert to BT.2020 non-constant luminance first");
        }
    }
    const double kg = 1 - kr - kb, b = 2 * (1 - kb), r = 2 * (1 - kr);
    const auto f = [](double value) { return static_cast<float>(value); };
    return {{{0, f(r)}, {f(-kb * b / kg), f(-kr * r / kg)}, {f(b), 0}},
            {{f(kr), f(kb)}, {f(-kr / b), f((1 - kb) / b)}, {f((1 - kr) / r), f(-kb / r)}}};
}

bool is_chroma(const mdrn_image &image, int index) {
    return image.layout.model == MDRN_COLOR_YUV && (index == 1 || index == 2);
}

int own_components(const mdrn_image &image) {
    return image.layout.model == MDRN_COLOR_GRAY ? 1 : 3;
}

Codes codes(const mdrn_image &image, int index, int matrix) {
    if (image.layout.is_float) return {};
    const int depth = image.layout.component[index].depth;
    if (image.layout.model != MDRN_COLOR_YUV || index == 3) return codes_of(depth, false, false);
    const bool limited = image.range == MDRN_RANGE_LIMITED ||
                         (image.range == MDRN_RANGE_UNSPECIFIED && matrix != kGbr);
    Codes result = codes_of(depth, index > 0 && matrix != kGbr, limited);
    // H.273 quantises YCgCo's chroma as luma.
    if (matrix == kYcgco) result.one = codes_of(depth, false, limited).one;
    return result;
}

// Bytes of a step that no component has, told of the plane's first component only.
unsigned gaps_of(const mdrn_layout &layout, int index) {
    const mdrn_component &own = layout.component[index];
    unsigned taken = 0;
    for (int i = 0; i < layout.components; ++i) {
        const mdrn_component &other = layout.component[i];
        if (other.plane != own.plane) continue;
        if (i < index) return 0;
        for (int b = 0; b < word_size(other); ++b)
            taken |= 1U << (other.offset + b) % own.step % 32;
    }
    return own.step < 32 ? ~taken & ((1U << own.step) - 1U) : 0;
}

Samples samples_of(const mdrn_image &image, int index, int matrix) {
    const mdrn_layout &layout = image.layout;
    const mdrn_component &c = layout.component[index];
    const bool chroma = is_chroma(image, index);
    Samples samples = {};
    samples.data = static_cast<unsigned char *>(image.data[c.plane]) + c.offset;
    samples.stride = image.stride[c.plane];
    samples.step = c.step;
    samples.offset = c.offset;
    samples.width = ((image.width - 1) >> (chroma ? layout.log2_chroma_w : 0)) + 1;
    samples.height = ((image.height - 1) >> (chroma ? layout.log2_chroma_h : 0)) + 1;
    samples.bytes = word_size(c);
    samples.shift = c.shift;
    samples.mask = layout.is_float ? ~0U : (1U << c.depth) - 1U;
    samples.big_endian = layout.big_endian;
    samples.is_float = layout.is_float;
    for (int i = 0; i < index; ++i) {
        const mdrn_component &earlier = layout.component[i];
        samples.keep |= earlier.plane == c.plane && earlier.offset < c.offset + word_size(c) &&
                        c.offset < earlier.offset + word_size(earlier);
    }
    samples.gaps = gaps_of(layout, index);
    const Codes code = codes(image, index, matrix);
    samples.zero = code.zero;
    samples.one = code.one;
    samples.top = code.top;
    return samples;
}

double catmull_rom(double x) {
    x = std::abs(x);
    if (x < 1) return (1.5 * x - 2.5) * x * x + 1;
    return x < 2 ? ((-0.5 * x + 2.5) * x - 4) * x + 2 : 0;
}

// Where the chroma sample of ratio luma samples lies, from their middle: in luma samples.
double siting(int ratio, bool first, bool last) {
    return (first ? 1 - ratio : last ? ratio - 1 : 0) / 2.0;
}

}  // namespace

Resampling resampling(int up, int down, double shift) {
    const double ratio = double(down) / up, step = 1 / std::max(ratio, 1.0);
    Resampling result = {up, down, 4 * down, {}, {}};
    if (up == down) return {1, 1, 1, {0}, {1}};
    for (int phase = 0; phase < up; ++phase) {
        const double position = (phase + 0.5) * ratio + shift;
        const double begin = std::floor(position - result.taps / 2.0 + 0.5) + 0.5;
        double total = 0;
        for (int k = 0; k < result.taps; ++k) total += catmull_rom((begin + k - position) * step);
        result.first[phase] = static_cast<int>(begin - 0.5);
        for (int k = 0; k < result.taps; ++k)
            result.weight[phase * result.taps + k] =
                static_cast<float>(catmull_rom((begin + k - position) * step) / total);
    }
    return result;
}

Picture picture_of(const mdrn_image &image, Direction direction, int untagged, int scale) {
    const mdrn_layout &layout = image.layout;
    const bool yuv = layout.model == MDRN_COLOR_YUV;
    const int matrix = yuv && image.matrix != kUnspecified ? image.matrix : untagged;
    const bool gbr = yuv && matrix == kGbr;
    Picture picture = {};
    picture.width = image.width;
    picture.height = image.height;
    picture.model = gbr ? MDRN_COLOR_RGB : layout.model;
    if (picture.model != MDRN_COLOR_RGB) picture.matrix = matrix_of(matrix);
    const int own = own_components(image);
    for (int i = 0; i < own; ++i)
        picture.part[i] = samples_of(image, gbr ? (i + 2) % 3 : i, matrix);
    picture.has_alpha = layout.components > own;
    if (picture.has_alpha) picture.alpha = samples_of(image, own, matrix);
    picture.log2_w = layout.log2_chroma_w;
    picture.log2_h = layout.log2_chroma_h;

    const int at = image.chroma_location;
    const bool left = at == MDRN_CHROMA_UNSPECIFIED || at == MDRN_CHROMA_LEFT ||
                      at == MDRN_CHROMA_TOP_LEFT || at == MDRN_CHROMA_BOTTOM_LEFT;
    const bool top = at == MDRN_CHROMA_TOP_LEFT || at == MDRN_CHROMA_TOP;
    const bool bottom = at == MDRN_CHROMA_BOTTOM_LEFT || at == MDRN_CHROMA_BOTTOM;
    const auto axis = [&](int ratio, bool first, bool last) {
        const double shift = siting(ratio, first, last);
        return direction == Direction::unpack ? resampling(ratio, 1, -shift / ratio)
                                              : resampling(1, ratio, shift);
    };
    picture.across = axis(1 << picture.log2_w, left, false);
    picture.down = axis(1 << picture.log2_h, top, bottom);
    picture.alpha_resampling = resampling(scale, 1, 0);
    return picture;
}

}  // namespace mdrn::cuda
