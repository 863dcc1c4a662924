// SPDX-License-Identifier: BSD-2-Clause
#include "frame.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "error.h"
#include "graph.h"
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

int untagged_matrix(Size size) {
    return size.width > 1279 || size.height > 576 ? ZIMG_MATRIX_BT709 : ZIMG_MATRIX_ST170_M;
}

int round_up(int value, int log2) {
    return ((value - 1) >> log2 << log2) + (1 << log2);
}

PlanarFormat rgb_format(const mdrn_image &image) {
    const mdrn_layout &l = image.layout;
    PlanarFormat format;
    format.family = ZIMG_COLOR_RGB;
    format.size = {round_up(image.width, l.log2_chroma_w), round_up(image.height, l.log2_chroma_h)};
    format.matrix = ZIMG_MATRIX_RGB;
    return format;
}

PlanarFormat yuv_format(const mdrn_image &image, int matrix) {
    PlanarFormat format = rgb_format(image);
    format.family = ZIMG_COLOR_YUV;
    format.log2_chroma_w = image.layout.log2_chroma_w;
    format.log2_chroma_h = image.layout.log2_chroma_h;
    format.matrix = matrix;
    format.chroma_location =
        std::max(int(image.chroma_location), int(MDRN_CHROMA_LEFT)) - int(MDRN_CHROMA_LEFT);
    return format;
}

// The lines of one component of an image.
struct Component {
    Component(const mdrn_image &i, int c) : image(i), index(c) {
        const bool chroma = is_yuv(i) && (c == 1 || c == 2);
        const bool limited = is_yuv(i) && c < 3 && i.range != MDRN_RANGE_FULL;
        size = component_size(i, c);
        if (!i.layout.is_float) codes = codes_of(i.layout.component[c].depth, chroma, limited);
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

float *line_of(const Planes &planes, int c, int y) {
    return planes.data + c * planes.plane + y * planes.row;
}

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

Graph &graph_for(std::unique_ptr<Graph> &kept, const PlanarFormat &from, const PlanarFormat &to) {
    if (!kept || !kept->converts(from, to)) {
        kept.reset();
        kept = std::make_unique<Graph>(from, to);
    }
    return *kept;
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

    int matrix(const mdrn_image &image) const {
        const int tag = is_yuv(image) ? image.matrix : int(ZIMG_MATRIX_UNSPECIFIED);
        if (tag != ZIMG_MATRIX_UNSPECIFIED) return tag;
        return assumed ? assumed : untagged_matrix(size_of(image));
    }

    void unpack_yuv(const mdrn_image &image, const Planes &rgb);
    void unpack_direct(const mdrn_image &image, const Planes &rgb);
    void unpack_alpha(const mdrn_image &image);
    void pack_yuv(const Planes &hr, const mdrn_image &image);
    void pack_rgb(const Planes &hr, const mdrn_image &image);
    void pack_gray(const Planes &hr, const mdrn_image &image);
    void pack_alpha(const mdrn_image &image);

    WarnOnce warn;
    bool warned = false;
    bool finite = true;
    int assumed = 0;  // the matrix of untagged pictures, from the size of the last one unpacked
    std::unique_ptr<Graph> to_rgb, from_rgb, resample;
    std::vector<float> alpha;
    Size alpha_size;
};

void FrameConverter::Impl::unpack_yuv(const mdrn_image &image, const Planes &rgb) {
    Graph &graph = graph_for(to_rgb, yuv_format(image, matrix(image)), rgb_format(image));
    const Component parts[3] = {{image, 0}, {image, 1}, {image, 2}};
    graph.run([&](int c, int y, int left, int right,
                  float *line) { finite &= parts[c].read(y, left, right, line + left); },
              [&](int c, int y, int left, int right, const float *line) {
                  right = std::min(right, image.width);
                  if (y < image.height && left < right)
                      std::copy(line + left, line + right, line_of(rgb, c, y) + left);
              });
}

void FrameConverter::Impl::unpack_direct(const mdrn_image &image, const Planes &rgb) {
    for (int c = 0; c < 3; ++c) {
        const Component part(image, own_components(image) == 1 ? 0 : c);
        for (int y = 0; y < image.height; ++y)
            finite &= part.read(y, 0, image.width, line_of(rgb, c, y));
    }
}

void FrameConverter::Impl::unpack_alpha(const mdrn_image &image) {
    const Component part(image, own_components(image));
    alpha_size = size_of(image);
    alpha.resize(size_t(image.width) * size_t(image.height));
    for (int y = 0; y < image.height; ++y)
        finite &= part.read(y, 0, image.width, alpha.data() + ptrdiff_t(y) * image.width);
}

void FrameConverter::Impl::pack_yuv(const Planes &hr, const mdrn_image &image) {
    Graph &graph = graph_for(from_rgb, rgb_format(image), yuv_format(image, matrix(image)));
    const Component parts[3] = {{image, 0}, {image, 1}, {image, 2}};
    graph.run(
        [&](int c, int y, int left, int right, float *line) {
            const float *from = line_of(hr, c, std::min(y, image.height - 1));
            const int end = std::min(right, image.width);
            if (left < end) std::copy(from + left, from + end, line + left);
            std::fill(line + std::max(left, end), line + right, from[image.width - 1]);
        },
        [&](int c, int y, int left, int right, const float *line) {
            parts[c].write(y, left, right, line + left);
        });
}

void FrameConverter::Impl::pack_rgb(const Planes &hr, const mdrn_image &image) {
    for (int c = 0; c < 3; ++c)
        for (int y = 0; y < image.height; ++y)
            Component(image, c).write(y, 0, image.width, line_of(hr, c, y));
}

void FrameConverter::Impl::pack_gray(const Planes &hr, const mdrn_image &image) {
    const bool bt709 = matrix(image) == ZIMG_MATRIX_BT709;
    const float kr = bt709 ? 0.2126F : 0.299F;
    const float kb = bt709 ? 0.0722F : 0.114F;
    const Component part(image, 0);
    std::vector<float> luma(size_t(image.width));
    for (int y = 0; y < image.height; ++y) {
        const float *r = line_of(hr, 0, y);
        const float *g = line_of(hr, 1, y);
        const float *b = line_of(hr, 2, y);
        // In this form equal components keep their value exactly.
        for (int x = 0; x < image.width; ++x)
            luma[size_t(x)] = g[x] + kr * (r[x] - g[x]) + kb * (b[x] - g[x]);
        part.write(y, 0, image.width, luma.data());
    }
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
    if (is_yuv(image))
        impl_->unpack_yuv(image, rgb);
    else
        impl_->unpack_direct(image, rgb);
    extend(rgb, size_of(image));
    impl_->alpha_size = {};
    if (has_alpha(image)) impl_->unpack_alpha(image);
    if (!impl_->finite && !std::exchange(impl_->warned, true) && impl_->warn)
        impl_->warn(
            "The picture has samples that are not finite (NaN or infinity); they count as 0.");
}

void FrameConverter::pack(const Planes &hr, const mdrn_image &image) {
    check_image(image, "the image to pack");
    check_fits(hr, image, "pack");
    fill_gaps(image);
    if (is_yuv(image))
        impl_->pack_yuv(hr, image);
    else if (own_components(image) == 1)
        impl_->pack_gray(hr, image);
    else
        impl_->pack_rgb(hr, image);
    if (has_alpha(image)) impl_->pack_alpha(image);
}

}  // namespace mdrn
