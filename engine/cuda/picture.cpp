// SPDX-License-Identifier: BSD-2-Clause
#include "cuda/picture.h"

#include <algorithm>
#include <cmath>
#include <string>

#include "error.h"
#include "matrix.h"
#include "samples.h"

namespace mdrn::cuda {
namespace {

LinearMatrix matrix_of(int tag) {
    if (tag != kMatrixBt2020Cl && tag != kMatrixIctcp) return linear_matrix(tag);
    throw Error(MDRN_ERROR_UNSUPPORTED,
                "CUDA cannot convert pictures of matrix " + std::to_string(tag) +
                    (tag == kMatrixIctcp ? " (ICtCp)" : " (BT.2020 constant luminance)") +
                    "; use device cpu, or convert to BT.2020 non-constant luminance first");
}

int own_components(const mdrn_image &image) {
    return image.layout.model == MDRN_COLOR_GRAY ? 1 : 3;
}

Samples samples_of(const mdrn_image &image, int index) {
    const mdrn_layout &layout = image.layout;
    const mdrn_component &c = layout.component[index];
    Samples samples = {};
    samples.data = static_cast<unsigned char *>(image.data[c.plane]) + c.offset;
    samples.stride = image.stride[c.plane];
    samples.step = c.step;
    const Size size = component_size(image, index);
    samples.width = size.width;
    samples.height = size.height;
    samples.bytes = word_size(c);
    samples.shift = c.shift;
    samples.mask = layout.is_float ? ~0U : (1U << c.depth) - 1U;
    samples.big_endian = layout.big_endian;
    samples.is_float = layout.is_float;
    samples.others = earlier_bits(layout, index);
    const Codes code = component_codes(image, index);
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

std::vector<Gaps> gaps_of(const mdrn_image &image) {
    const mdrn_layout &layout = image.layout;
    std::vector<Gaps> all;
    for (int plane = 0; plane < 4; ++plane) {
        int taken = 0, step = 0;  // bytes of a step, where all components have the same
        bool same = true;
        Gaps gaps = {static_cast<unsigned char *>(image.data[plane]), image.stride[plane], 0, 0};
        for (int i = 0; i < layout.components; ++i) {
            const mdrn_component &c = layout.component[i];
            if (c.plane != plane) continue;
            same &= step == 0 || step == c.step;
            step = c.step;
            if (!earlier_bits(layout, i)) taken += word_size(c);
            const Size size = component_size(image, i);
            gaps.row = std::max(gaps.row, size_t(size.width) * c.step);
            gaps.height = size.height;
        }
        if (step && !(same && taken >= step)) all.push_back(gaps);
    }
    return all;
}

Picture picture_of(const mdrn_image &image, Direction direction, int untagged, int scale) {
    const mdrn_layout &layout = image.layout;
    const bool yuv = layout.model == MDRN_COLOR_YUV;
    const int matrix = yuv && image.matrix != kMatrixUnspecified ? image.matrix : untagged;
    const bool gbr = yuv && matrix == kMatrixGbr;
    Picture picture = {};
    picture.width = image.width;
    picture.height = image.height;
    picture.model = gbr ? MDRN_COLOR_RGB : layout.model;
    if (picture.model != MDRN_COLOR_RGB) picture.matrix = matrix_of(matrix);
    const int own = own_components(image);
    for (int i = 0; i < own; ++i) picture.part[i] = samples_of(image, gbr ? (i + 2) % 3 : i);
    picture.has_alpha = layout.components > own;
    if (picture.has_alpha) picture.alpha = samples_of(image, own);
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
    picture.enlarging = resampling(scale, 1, 0);
    return picture;
}

}  // namespace mdrn::cuda
