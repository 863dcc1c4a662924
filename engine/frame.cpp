// SPDX-License-Identifier: BSD-2-Clause
#include "frame.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "error.h"
#include "graph.h"
#include "matrix.h"
#include "samples.h"

namespace mdrn {
namespace {

int own_components(const mdrn_image &image) {
    return image.layout.model == MDRN_COLOR_GRAY ? 1 : 3;
}
bool has_alpha(const mdrn_image &image) {
    return image.layout.components > own_components(image);
}
bool is_yuv(const mdrn_image &image) {
    return image.layout.model == MDRN_COLOR_YUV;
}
Size size_of(const mdrn_image &image) {
    return {image.width, image.height};
}

bool is_subsampled(const mdrn_image &image) {
    return image.layout.log2_chroma_w || image.layout.log2_chroma_h;
}
bool is_gbr(const mdrn_image &image) {
    return is_yuv(image) && image.matrix == kMatrixGbr;
}

bool is_rgb(const mdrn_image &image) {
    return image.layout.model == MDRN_COLOR_RGB || is_gbr(image);
}

// The component that is plane p of R, G, B, or that Y, Cb, Cr in that order become it.
int component_of_plane(const mdrn_image &image, int p) {
    return own_components(image) == 1 ? 0 : is_gbr(image) ? (p + 2) % 3 : p;
}

int round_up(int value, int log2) {
    return ((value - 1) >> log2 << log2) + (1 << log2);
}

// The image's planes, chroma in full.
PlanarFormat full_format(const mdrn_image &image) {
    const mdrn_layout &l = image.layout;
    PlanarFormat format;
    format.planes = 3;
    format.size = {round_up(image.width, l.log2_chroma_w), round_up(image.height, l.log2_chroma_h)};
    return format;
}

PlanarFormat subsampled_format(const mdrn_image &image) {
    PlanarFormat format = full_format(image);
    format.log2_chroma_w = image.layout.log2_chroma_w;
    format.log2_chroma_h = image.layout.log2_chroma_h;
    format.chroma_location =
        std::max(int(image.chroma_location), int(MDRN_CHROMA_LEFT)) - int(MDRN_CHROMA_LEFT);
    return format;
}

// The lines of one component of an image.
struct Component {
    Component(const mdrn_image &i, int c) : image(i), index(c) {
        size = component_size(i, c);
        codes = component_codes(i, c);
    }

    void *row(int y) const {
        const int plane = image.layout.component[index].plane;
        return static_cast<char *>(image.data[plane]) + y * image.stride[plane];
    }

    // Beyond the edges the last row and column go on.
    bool read(int y, int left, int right, float *out) const {
        const int first = std::min(left, size.width - 1);
        const int end = std::max(first + 1, std::min(right, size.width));
        const bool finite = gather(image.layout, index, codes, row(std::min(y, size.height - 1)),
                                   first, end - first, out);
        std::fill(out + (end - first), out + std::max(right - left, end - first),
                  out[end - first - 1]);
        return finite;
    }

    void write(int y, int left, int right, const float *in) const {
        right = std::min(right, size.width);
        if (y < size.height && left < right)
            scatter(image.layout, index, codes, in, row(y), left, right - left);
    }

    const mdrn_image &image;
    int index;
    Size size;
    Codes codes;
};

// A line of three components, copied from planes that must stay as they are.
struct Lines {
    explicit Lines(int width)
        : memory(3 * size_t(round_up(width, 4))),
          line{memory.data(), memory.data() + memory.size() / 3,
               memory.data() + memory.size() / 3 * 2} {}

    // Columns left to right - 1 of line y; beyond width its last column goes on.
    void fill(const Planes &planes, int y, int width, int left, int right) {
        for (int c = 0; c < 3; ++c) {
            const float *from = line_of(planes, c, y);
            const int end = std::max(left, std::min(right, width));
            std::copy(from + left, from + end, line[c] + left);
            std::fill(line[c] + end, line[c] + right, from[width - 1]);
        }
    }

    std::vector<float> memory;
    float *const line[3];
};

void extend(const Planes &rgb, Size size) {
    for (int c = 0; c < 3; ++c) {
        for (int y = 0; y < size.height; ++y) {
            float *line = line_of(rgb, c, y);
            std::fill(line + size.width, line + rgb.size.width, line[size.width - 1]);
        }
        const float *last = line_of(rgb, c, size.height - 1);
        for (int y = size.height; y < rgb.size.height; ++y)
            std::copy_n(last, rgb.size.width, line_of(rgb, c, y));
    }
}

void check_fits(const Planes &planes, const mdrn_image &image, const char *what) {
    if (planes.size.width < image.width || planes.size.height < image.height)
        throw Error(MDRN_ERROR_INTERNAL,
                    std::string("The planes that ") + what +
                        " works on are smaller than the image; please report it.");
}

}  // namespace

struct FrameConverter::Impl {
    explicit Impl(WarnOnce w) : warn(std::move(w)) {}

    Matrix matrix_of(const mdrn_image &image) const {
        const bool tagged = is_yuv(image) && image.matrix != kMatrixUnspecified;
        return {tagged ? image.matrix : assumed, image.transfer};
    }

    void unpack_direct(const mdrn_image &image, const Planes &rgb);
    void unpack_subsampled(const mdrn_image &image, const Planes &rgb);
    void unpack_alpha(const mdrn_image &image);
    void pack_direct(const Planes &hr, const mdrn_image &image);
    void pack_subsampled(const Planes &hr, const mdrn_image &image);
    void pack_alpha(const mdrn_image &image);
    void warn_of(bool &warned, const char *message) {
        if (!std::exchange(warned, true) && warn) warn(message);
    }

    WarnOnce warn;
    bool warned_not_finite = false;
    bool warned_linear = false;
    bool finite = true;
    int assumed = kMatrixSmpte170m;  // for untagged pictures, from the size of the last unpacked
    std::unique_ptr<Graph> to_full, from_full, resample;
    std::vector<float> alpha;
    Size alpha_size;
};

void FrameConverter::Impl::unpack_direct(const mdrn_image &image, const Planes &rgb) {
    const Matrix matrix = matrix_of(image);
    for (int y = 0; y < image.height; ++y) {
        float *const line[3] = {line_of(rgb, 0, y), line_of(rgb, 1, y), line_of(rgb, 2, y)};
        for (int p = 0; p < 3; ++p)
            finite &=
                Component(image, component_of_plane(image, p)).read(y, 0, image.width, line[p]);
        if (is_yuv(image) && !is_rgb(image)) matrix.to_rgb(line, image.width);
    }
}

void FrameConverter::Impl::unpack_subsampled(const mdrn_image &image, const Planes &rgb) {
    const Matrix matrix = matrix_of(image);
    const Component parts[3] = {{image, 0}, {image, 1}, {image, 2}};
    graph_for(to_full, subsampled_format(image), full_format(image))
        .run([&](int c, int y, int left, int right,
                 float *line) { finite &= parts[c].read(y, left, right, line + left); },
             [&](int c, int y, int left, int right, const float *line) {
                 right = std::min(right, image.width);
                 if (y >= image.height || left >= right) return;
                 std::copy(line + left, line + right, line_of(rgb, c, y) + left);
                 if (c < 2) return;
                 float *const all[3] = {line_of(rgb, 0, y) + left, line_of(rgb, 1, y) + left,
                                        line_of(rgb, 2, y) + left};
                 matrix.to_rgb(all, right - left);
             });
}

void FrameConverter::Impl::unpack_alpha(const mdrn_image &image) {
    const Component part(image, own_components(image));
    alpha_size = size_of(image);
    alpha.resize(size_t(image.width) * size_t(image.height));
    for (int y = 0; y < image.height; ++y)
        finite &= part.read(y, 0, image.width, alpha.data() + ptrdiff_t(y) * image.width);
}

void FrameConverter::Impl::pack_direct(const Planes &hr, const mdrn_image &image) {
    const Matrix matrix = matrix_of(image);
    Lines yuv(image.width);
    for (int y = 0; y < image.height; ++y) {
        const float *line[3] = {line_of(hr, 0, y), line_of(hr, 1, y), line_of(hr, 2, y)};
        if (!is_rgb(image)) {
            yuv.fill(hr, y, image.width, 0, image.width);
            matrix.to_yuv(yuv.line, image.width);
            std::copy_n(yuv.line, 3, line);
        }
        for (int p = 0; p < own_components(image); ++p)
            Component(image, component_of_plane(image, p)).write(y, 0, image.width, line[p]);
    }
}

void FrameConverter::Impl::pack_subsampled(const Planes &hr, const mdrn_image &image) {
    const Matrix matrix = matrix_of(image);
    const Component parts[3] = {{image, 0}, {image, 1}, {image, 2}};
    const PlanarFormat full = full_format(image);
    Lines yuv(full.size.width);
    graph_for(from_full, full, subsampled_format(image))
        .run(
            [&](int c, int y, int left, int right, float *line) {
                if (c == 0) {
                    yuv.fill(hr, std::min(y, image.height - 1), image.width, left, right);
                    float *const part[3] = {yuv.line[0] + left, yuv.line[1] + left,
                                            yuv.line[2] + left};
                    matrix.to_yuv(part, right - left);
                }
                std::copy(yuv.line[c] + left, yuv.line[c] + right, line + left);
            },
            [&](int c, int y, int left, int right, const float *line) {
                parts[c].write(y, left, right, line + left);
            });
}

void FrameConverter::Impl::pack_alpha(const mdrn_image &image) {
    if (alpha_size.width == 0)
        throw Error(MDRN_ERROR_INTERNAL,
                    "There is no alpha to pack: no image with alpha was unpacked before; please "
                    "report it.");
    PlanarFormat from, to;
    from.size = alpha_size;
    to.size = size_of(image);
    const Component part(image, own_components(image));
    graph_for(resample, from, to)
        .run(
            [&](int, int y, int left, int right, float *line) {
                const float *row = alpha.data() + ptrdiff_t(y) * alpha_size.width;
                std::copy(row + left, row + std::min(right, alpha_size.width), line + left);
            },
            [&](int, int y, int left, int right, const float *line) {
                part.write(y, left, right, line + left);
            });
}

FrameConverter::FrameConverter(WarnOnce warn) : impl_(std::make_unique<Impl>(std::move(warn))) {}
FrameConverter::~FrameConverter() = default;
FrameConverter::FrameConverter(FrameConverter &&) noexcept = default;

void FrameConverter::unpack(const mdrn_image &image, const Planes &rgb) {
    check_image(image, "the image to unpack");
    check_fits(rgb, image, "unpack");
    impl_->assumed = untagged_matrix(size_of(image));
    impl_->finite = true;
    if (is_subsampled(image))
        impl_->unpack_subsampled(image, rgb);
    else
        impl_->unpack_direct(image, rgb);
    extend(rgb, size_of(image));
    impl_->alpha_size = {};
    if (has_alpha(image)) impl_->unpack_alpha(image);
    if (!impl_->finite) impl_->warn_of(impl_->warned_not_finite, kNotFinite);
    if (image.transfer == kTransferLinear) impl_->warn_of(impl_->warned_linear, kLinearLight);
}

void FrameConverter::pack(const Planes &hr, const mdrn_image &image) {
    check_image(image, "the image to pack");
    check_fits(hr, image, "pack");
    fill_gaps(image);
    if (is_subsampled(image))
        impl_->pack_subsampled(hr, image);
    else
        impl_->pack_direct(hr, image);
    if (has_alpha(image)) impl_->pack_alpha(image);
}

}  // namespace mdrn
