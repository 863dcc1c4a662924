// SPDX-License-Identifier: BSD-2-Clause
// Pictures for tests: any layout, in memory with guard bytes, at odd addresses, upside down.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <vector>

#include "frame.h"

namespace mdrn::test {

inline mdrn_layout planar(mdrn_color_model model, int components, int depth, int w = 0, int h = 0,
                          bool is_float = false, bool big_endian = false) {
    mdrn_layout layout = {};
    layout.model = model;
    layout.components = uint8_t(components);
    layout.log2_chroma_w = uint8_t(w);
    layout.log2_chroma_h = uint8_t(h);
    layout.is_float = is_float;
    layout.big_endian = big_endian;
    const auto step = uint8_t(depth <= 8 ? 1 : depth <= 16 ? 2 : 4);
    for (int i = 0; i < components; ++i)
        layout.component[i] = {uint8_t(i), step, 0, 0, uint8_t(depth)};
    return layout;
}

inline mdrn_layout packed(mdrn_color_model model, std::vector<mdrn_component> components,
                          bool big_endian = false) {
    mdrn_layout layout = {};
    layout.model = model;
    layout.components = uint8_t(components.size());
    layout.big_endian = big_endian;
    for (size_t i = 0; i < components.size(); ++i) layout.component[i] = components[i];
    return layout;
}

struct Picture {
    static constexpr uint8_t kGuard = 0xA5;
    static constexpr int kGap = 37;  // odd: rows lie at any address

    Picture(int width, int height, const mdrn_layout &layout, bool upside_down = false) {
        image.size = sizeof image;
        image.width = width;
        image.height = height;
        image.layout = layout;
        image.matrix = 2;
        image.transfer = 2;
        for (int p = 0; p < 4; ++p) {
            row[p] = 0;
            for (int i = 0; i < layout.components; ++i) {
                const mdrn_component &c = layout.component[i];
                if (c.plane != p) continue;
                row[p] = std::max(row[p], columns(i) * c.step);
                rows[p] = lines(i);
            }
            if (!row[p]) continue;
            const int stride = row[p] + kGap;
            memory[p].assign(size_t(stride * (rows[p] + 1) + 1), kGuard);
            uint8_t *first = memory[p].data() + kGap + 1;
            image.data[p] = upside_down ? first + stride * (rows[p] - 1) : first;
            image.stride[p] = upside_down ? -stride : stride;
        }
    }

    int word(int i) const {
        const int bits = image.layout.component[i].shift + image.layout.component[i].depth;
        return bits <= 8 ? 1 : bits <= 16 ? 2 : 4;
    }
    bool chroma(int i) const { return image.layout.model == MDRN_COLOR_YUV && (i == 1 || i == 2); }
    int columns(int i) const {
        return chroma(i) ? (image.width + (1 << image.layout.log2_chroma_w) - 1) >>
                               image.layout.log2_chroma_w
                         : image.width;
    }
    int lines(int i) const {
        return chroma(i) ? (image.height + (1 << image.layout.log2_chroma_h) - 1) >>
                               image.layout.log2_chroma_h
                         : image.height;
    }

    uint8_t *at(int i, int y, int x) const {
        const mdrn_component &c = image.layout.component[i];
        return static_cast<uint8_t *>(image.data[c.plane]) + y * image.stride[c.plane] +
               x * c.step + c.offset;
    }
    uint32_t read(int i, int y, int x) const {
        uint32_t value = 0;
        for (int b = 0; b < word(i); ++b)
            value |= uint32_t(at(i, y, x)[b])
                     << 8 * (image.layout.big_endian ? word(i) - 1 - b : b);
        return value;
    }
    uint32_t mask(int i) const {
        return uint32_t((uint64_t(1) << image.layout.component[i].depth) - 1);
    }
    uint32_t get(int i, int y, int x) const {
        return read(i, y, x) >> image.layout.component[i].shift & mask(i);
    }
    void set(int i, int y, int x, uint32_t code) {
        const int shift = image.layout.component[i].shift;
        const uint32_t value = (read(i, y, x) & ~(mask(i) << shift)) | code << shift;
        for (int b = 0; b < word(i); ++b)
            at(i, y, x)[b] = uint8_t(value >> 8 * (image.layout.big_endian ? word(i) - 1 - b : b));
    }
    float get_float(int i, int y, int x) const {
        const uint32_t bits = get(i, y, x);
        float value;
        std::memcpy(&value, &bits, sizeof value);
        return value;
    }
    void set_float(int i, int y, int x, float value) {
        uint32_t bits;
        std::memcpy(&bits, &value, sizeof bits);
        set(i, y, x, bits);
    }
    bool guards_intact() const {
        for (int p = 0; p < 4; ++p)
            for (size_t k = 0; k < memory[p].size(); ++k) {
                const int stride = row[p] + kGap;
                const bool inside = int(k) > kGap && (int(k) - kGap - 1) % stride < row[p] &&
                                    (int(k) - kGap - 1) / stride < rows[p];
                if (!inside && memory[p][k] != kGuard) return false;
            }
        return true;
    }

    mdrn_image image = {};
    int row[4] = {}, rows[4] = {};
    std::vector<uint8_t> memory[4];
};

struct Rgb {
    Rgb(int width, int height) : memory(size_t(3 * height * (width + 3)), -99.F) {
        planes = {memory.data(), {width, height}, width + 3, ptrdiff_t(height) * (width + 3)};
    }
    float &at(int c, int y, int x) { return planes.data[c * planes.plane + y * planes.row + x]; }
    std::vector<float> memory;
    Planes planes;
};

}  // namespace mdrn::test
