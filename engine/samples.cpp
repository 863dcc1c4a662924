// SPDX-License-Identifier: BSD-2-Clause
#include "samples.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdlib>
#include <cstring>

#include "matrix.h"

namespace mdrn {
namespace {

template <typename Word, bool swap>
Word load(const uint8_t *at) {
    Word word;
    std::memcpy(&word, at, sizeof word);
    if constexpr (swap && sizeof word == 2) word = __builtin_bswap16(word);
    if constexpr (swap && sizeof word == 4) word = __builtin_bswap32(word);
    return word;
}

template <typename Word, bool swap>
void store(uint8_t *at, Word word) {
    if constexpr (swap && sizeof word == 2) word = __builtin_bswap16(word);
    if constexpr (swap && sizeof word == 4) word = __builtin_bswap32(word);
    std::memcpy(at, &word, sizeof word);
}

float from_half(uint32_t half) {
    const uint32_t sign = (half & 0x8000U) << 16;
    const uint32_t rest = half & 0x7fffU;
    if (rest >= 0x7c00U) return std::bit_cast<float>(sign | 0x7f800000U | (rest & 0x3ffU) << 13);
    if (rest < 0x400U) return std::copysign(std::ldexp(float(rest), -24), sign ? -1.F : 1.F);
    return std::bit_cast<float>(sign | ((rest << 13) + (112U << 23)));
}

// To nearest, ties to even.
uint16_t to_half(float value) {
    const auto bits = std::bit_cast<uint32_t>(value);
    const uint32_t sign = bits >> 16 & 0x8000U;
    const uint32_t rest = bits & 0x7fffffffU;
    if (rest > 0x7f800000U) return uint16_t(sign | 0x7e00U);
    if (rest >= 0x477ff000U) return uint16_t(sign | 0x7c00U);
    if (rest < 0x38800000U)  // adding 0.5 leaves the multiples of 2^-24 in the last bits
        return uint16_t(sign | (std::bit_cast<uint32_t>(std::bit_cast<float>(rest) + 0.5F) -
                                std::bit_cast<uint32_t>(0.5F)));
    return uint16_t(sign | (rest - (112U << 23) + 0xfffU + (rest >> 13 & 1U)) >> 13);
}

struct Row {
    uint8_t *at;
    ptrdiff_t step;
    int count;
    int shift;
    uint32_t mask;
    uint32_t others;  // bits of the word that hold earlier components
};

// Calls op with a step that the compiler knows where samples lie side by side.
template <typename Word, typename Op>
void each_step(const Row &row, Op op) {
    if (row.step == ptrdiff_t(sizeof(Word)))
        op(std::integral_constant<ptrdiff_t, sizeof(Word)>());
    else
        op(row.step);
}

template <typename Word, bool swap>
void gather_codes(const Row &row, const Codes &codes, float *out) {
    each_step<Word>(row, [&](auto step) {
        for (int x = 0; x < row.count; ++x) {
            const uint32_t word = load<Word, swap>(row.at + x * step);
            out[x] = (float(int(word >> row.shift & row.mask)) - codes.zero) / codes.one;
        }
    });
}

template <typename Word, bool swap>
bool gather_floats(const Row &row, float *out) {
    unsigned odd = 0;
    each_step<Word>(row, [&](auto step) {
        for (int x = 0; x < row.count; ++x) {
            const Word word = load<Word, swap>(row.at + x * step);
            const float value =
                sizeof word == 2 ? from_half(word) : std::bit_cast<float>(uint32_t(word));
            const bool finite = (std::bit_cast<uint32_t>(value) & 0x7f800000U) != 0x7f800000U;
            out[x] = finite ? value : 0.F;
            odd |= unsigned(!finite);
        }
    });
    return odd == 0;
}

template <typename Word, bool swap>
void scatter_codes(const Row &row, const Codes &codes, const float *in) {
    const Word others = Word(row.others);
    each_step<Word>(row, [&](auto step) {
        for (int x = 0; x < row.count; ++x) {
            const float scaled = in[x] * codes.one + codes.zero;
            const float above = scaled > 0.F ? scaled : 0.F;  // NaN too
            const float inside = above < codes.top ? above : codes.top;
            const auto code = uint32_t(int(inside + 0.5F));
            uint8_t *at = row.at + x * step;
            Word word = Word(code << row.shift);
            if (others) word |= Word(load<Word, swap>(at) & others);
            store<Word, swap>(at, word);
        }
    });
}

template <typename Word, bool swap>
void scatter_floats(const Row &row, const float *in) {
    each_step<Word>(row, [&](auto step) {
        for (int x = 0; x < row.count; ++x)
            store<Word, swap>(row.at + x * step, sizeof(Word) == 2
                                                     ? Word(to_half(in[x]))
                                                     : Word(std::bit_cast<uint32_t>(in[x])));
    });
}

template <typename Op>
auto with_word(const mdrn_layout &layout, const mdrn_component &component, Op op) {
    constexpr bool little = std::endian::native == std::endian::little;
    const bool swap = bool(layout.big_endian) == little;
    switch (word_size(component)) {
        case 1:
            return op.template operator()<uint8_t, false>();
        case 2:
            return swap ? op.template operator()<uint16_t, true>()
                        : op.template operator()<uint16_t, false>();
        default:
            return swap ? op.template operator()<uint32_t, true>()
                        : op.template operator()<uint32_t, false>();
    }
}

uint32_t mask_of(const mdrn_component &component) {
    return uint32_t((uint64_t(1) << component.depth) - 1U);
}

// Where a component's word overlaps another component: that one's bits, as bits of the word.
uint32_t shared_bits(const mdrn_component &c, const mdrn_component &other, bool big_endian) {
    const int bytes = big_endian ? c.offset + word_size(c) - other.offset - word_size(other)
                                 : other.offset - c.offset;
    if (c.plane != other.plane || std::abs(bytes) > 3) return 0;
    const uint64_t bits = uint64_t(mask_of(other)) << other.shift;
    return uint32_t(bytes < 0 ? bits >> -8 * bytes : bits << 8 * bytes);
}

Row row_of(const mdrn_layout &layout, int index, const void *start, int first, int count) {
    const mdrn_component &c = layout.component[index];
    auto *bytes = static_cast<uint8_t *>(const_cast<void *>(start));
    return {bytes + ptrdiff_t(first) * c.step + c.offset, c.step, count, c.shift, mask_of(c), 0};
}

}  // namespace

Codes codes_of(int depth, bool chroma, bool limited) {
    const auto top = float((1 << depth % 32) - 1);
    const float unit = std::ldexp(1.F, depth - 8);
    const float centre = std::ldexp(1.F, depth - 1);
    if (limited) return chroma ? Codes{centre, 224 * unit, top} : Codes{16 * unit, 219 * unit, top};
    return {chroma ? centre : 0.F, top, top};
}

// H.273 has B and R, with that matrix in G's company, and YCgCo's chroma quantised as luma is.
Codes component_codes(const mdrn_image &image, int component) {
    const mdrn_layout &layout = image.layout;
    if (layout.is_float) return {};
    const int depth = layout.component[component].depth;
    if (layout.model != MDRN_COLOR_YUV || component == 3) return codes_of(depth, false, false);
    const bool gbr = image.matrix == kMatrixGbr;
    const bool limited =
        image.range == MDRN_RANGE_LIMITED || (image.range == MDRN_RANGE_UNSPECIFIED && !gbr);
    Codes codes = codes_of(depth, component > 0 && !gbr, limited);
    if (image.matrix == kMatrixYcgco) codes.one = codes_of(depth, false, limited).one;
    return codes;
}

int word_size(const mdrn_component &component) {
    const int bits = component.shift + component.depth;
    return bits <= 8 ? 1 : bits <= 16 ? 2 : 4;
}

Size component_size(const mdrn_image &image, int component) {
    const mdrn_layout &layout = image.layout;
    const bool chroma = layout.model == MDRN_COLOR_YUV && (component == 1 || component == 2);
    if (!chroma) return {image.width, image.height};
    return {((image.width - 1) >> layout.log2_chroma_w) + 1,
            ((image.height - 1) >> layout.log2_chroma_h) + 1};
}

uint32_t earlier_bits(const mdrn_layout &layout, int component) {
    uint32_t bits = 0;
    for (int i = 0; i < component; ++i)
        bits |= shared_bits(layout.component[component], layout.component[i], layout.big_endian);
    return bits;
}

bool gather(const mdrn_layout &layout, int component, const Codes &codes, const void *row,
            int first, int count, float *out) {
    const Row r = row_of(layout, component, row, first, count);
    return with_word(layout, layout.component[component], [&]<typename Word, bool swap>() {
        if constexpr (sizeof(Word) > 1)
            if (layout.is_float) return gather_floats<Word, swap>(r, out);
        gather_codes<Word, swap>(r, codes, out);
        return true;
    });
}

void scatter(const mdrn_layout &layout, int component, const Codes &codes, const float *in,
             void *row, int first, int count) {
    const mdrn_component &c = layout.component[component];
    Row r = row_of(layout, component, row, first, count);
    r.others = earlier_bits(layout, component);
    with_word(layout, c, [&]<typename Word, bool swap>() {
        if constexpr (sizeof(Word) > 1)
            if (layout.is_float) return scatter_floats<Word, swap>(r, in);
        scatter_codes<Word, swap>(r, codes, in);
    });
}

void fill_gaps(const mdrn_image &image) {
    const mdrn_layout &layout = image.layout;
    size_t bytes[4] = {};
    int rows[4] = {};
    for (int i = 0; i < layout.components; ++i) {
        const mdrn_component &c = layout.component[i];
        if (c.step == word_size(c)) continue;
        const Size size = component_size(image, i);
        bytes[c.plane] = std::max(bytes[c.plane], size_t(size.width) * c.step);
        rows[c.plane] = size.height;
    }
    for (int p = 0; p < 4; ++p)
        for (int y = 0; y < rows[p]; ++y)
            std::memset(static_cast<char *>(image.data[p]) + y * image.stride[p], 0xff, bytes[p]);
}

}  // namespace mdrn
