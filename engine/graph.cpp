// SPDX-License-Identifier: BSD-2-Clause
#include "graph.h"

#include <algorithm>
#include <new>
#include <string>

#include "error.h"
#include "os.h"

namespace mdrn {
namespace {

constexpr size_t kAlignment = 64;

size_t aligned(size_t bytes) {
    return (bytes + kAlignment - 1) / kAlignment * kAlignment;
}

using Buffer = std::unique_ptr<float[], void (*)(void *)>;

Buffer allocate(size_t bytes) {
    bytes = std::max(aligned(bytes), kAlignment);
    auto *memory = static_cast<float *>(allocate_aligned(kAlignment, bytes));
    if (!memory)
        throw Error(MDRN_ERROR_OUT_OF_MEMORY,
                    "Resampling a picture needs " + std::to_string(bytes) +
                        " bytes more than there are; use smaller pictures.");
    return {memory, free_aligned};
}

void check(zimg_error_code_e code) {
    if (code == ZIMG_ERROR_SUCCESS) return;
    // zimg 3.0.4 has no name for some of the allocations that fail in it.
    if (code == ZIMG_ERROR_OUT_OF_MEMORY || code == ZIMG_ERROR_UNKNOWN) throw std::bad_alloc();
    char why[256] = "";
    zimg_get_last_error(why, sizeof why);
    throw Error(MDRN_ERROR_UNSUPPORTED,
                std::string("zimg cannot resample the picture: ") + why + ".");
}

zimg_image_format zimg_format(const PlanarFormat &format) {
    zimg_image_format result;
    zimg_image_format_default(&result, ZIMG_API_VERSION);
    result.width = unsigned(format.size.width);
    result.height = unsigned(format.size.height);
    result.pixel_type = ZIMG_PIXEL_FLOAT;
    result.pixel_range = ZIMG_RANGE_FULL;
    result.color_family = format.planes == 1 ? ZIMG_COLOR_GREY : ZIMG_COLOR_YUV;
    result.subsample_w = unsigned(format.log2_chroma_w);
    result.subsample_h = unsigned(format.log2_chroma_h);
    result.chroma_location = zimg_chroma_location_e(format.chroma_location);
    return result;
}

}  // namespace

// One end of the graph: the picture's kind and the ring of lines that zimg sees of it.
struct Graph::Side {
    explicit Side(const PlanarFormat &f) : format(f) {}

    void allocate_lines(unsigned count) {
        count = std::min(count, unsigned(format.size.height));
        const unsigned mask = zimg_select_buffer_mask(count);
        stride = aligned(size_t(format.size.width) * sizeof(float));
        // A ring's length is a power of two; the same for chroma is more than enough.
        lines = mask == ZIMG_BUFFER_MAX ? unsigned(format.size.height) : mask + 1;
        ring_mask = mask;
        const size_t plane = stride * lines;
        buffer = allocate(plane * planes());
        std::fill_n(buffer.get(), plane * planes() / sizeof(float), 0.F);
    }

    unsigned planes() const { return unsigned(format.planes); }

    char *plane(unsigned p) const {
        return reinterpret_cast<char *>(buffer.get()) + p * stride * lines;
    }

    template <typename Image>
    Image image() const {
        Image result = {};
        result.version = ZIMG_API_VERSION;
        for (unsigned p = 0; p < planes(); ++p) {
            result.plane[p].data = plane(p);
            result.plane[p].stride = ptrdiff_t(stride);
            result.plane[p].mask = ring_mask;
        }
        return result;
    }

    // zimg's callback: as many lines as one of chroma covers, from line i.
    static int visit(void *user, unsigned i, unsigned left, unsigned right) {
        auto *side = static_cast<Side *>(user);
        for (unsigned p = 0; p < side->planes(); ++p) {
            const int w = p ? side->format.log2_chroma_w : 0;
            const int h = p ? side->format.log2_chroma_h : 0;
            const int count = 1 << (side->format.log2_chroma_h - h);
            const int last = std::min(int(i >> h) + count, side->format.size.height >> h);
            for (int y = int(i >> h); y < last; ++y) {
                char *line = side->plane(p) + (unsigned(y) & side->ring_mask) * side->stride;
                (*side->use)(int(p), y, int(left) >> w, (int(right) + (1 << w) - 1) >> w,
                             reinterpret_cast<float *>(line));
            }
        }
        return 0;
    }

    PlanarFormat format;
    Buffer buffer{nullptr, free_aligned};
    size_t stride = 0;
    unsigned lines = 0;
    unsigned ring_mask = 0;
    const Line *use = nullptr;
};

Graph::Graph(const PlanarFormat &from, const PlanarFormat &to)
    : from_(std::make_unique<Side>(from)),
      to_(std::make_unique<Side>(to)),
      scratch_(nullptr, free_aligned) {
    zimg_graph_builder_params params;
    zimg_graph_builder_params_default(&params, ZIMG_API_VERSION);
    params.resample_filter = params.resample_filter_uv = ZIMG_RESIZE_BICUBIC;
    params.filter_param_a = params.filter_param_a_uv = 0;
    params.filter_param_b = params.filter_param_b_uv = 0.5;
    params.dither_type = ZIMG_DITHER_NONE;
    params.cpu_type = ZIMG_CPU_AUTO;
    const zimg_image_format source = zimg_format(from);
    const zimg_image_format target = zimg_format(to);
    std::unique_ptr<zimg_filter_graph, void (*)(zimg_filter_graph *)> graph(
        zimg_filter_graph_build(&source, &target, &params), zimg_filter_graph_free);
    if (!graph) check(zimg_get_last_error(nullptr, 0));
    unsigned count = 0;
    check(zimg_filter_graph_get_input_buffering(graph.get(), &count));
    from_->allocate_lines(count);
    check(zimg_filter_graph_get_output_buffering(graph.get(), &count));
    to_->allocate_lines(count);
    size_t bytes = 0;
    check(zimg_filter_graph_get_tmp_size(graph.get(), &bytes));
    scratch_ = allocate(bytes);
    graph_ = graph.release();
}

Graph::~Graph() {
    zimg_filter_graph_free(graph_);
}

bool Graph::converts(const PlanarFormat &from, const PlanarFormat &to) const {
    return from_->format == from && to_->format == to;
}

void Graph::run(const Line &read, const Line &write) {
    from_->use = &read;
    to_->use = &write;
    const auto source = from_->image<zimg_image_buffer_const>();
    const auto target = to_->image<zimg_image_buffer>();
    check(zimg_filter_graph_process(graph_, &source, &target, scratch_.get(), Side::visit,
                                    from_.get(), Side::visit, to_.get()));
}

Graph &graph_for(std::unique_ptr<Graph> &kept, const PlanarFormat &from, const PlanarFormat &to) {
    if (!kept || !kept->converts(from, to)) {
        kept.reset();
        kept = std::make_unique<Graph>(from, to);
    }
    return *kept;
}

}  // namespace mdrn
