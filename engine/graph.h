// SPDX-License-Identifier: BSD-2-Clause
// zimg's resampling of planar float pictures that are read and written line by line.
#pragma once

#include <zimg.h>

#include <functional>
#include <memory>

#include "stages.h"

namespace mdrn {

struct PlanarFormat {
    int planes = 1;  // or 3: Y, Cb, Cr
    Size size;       // a multiple of the subsampling
    int log2_chroma_w = 0;
    int log2_chroma_h = 0;
    int chroma_location = ZIMG_CHROMA_LEFT;
    bool operator==(const PlanarFormat &) const = default;
};

// Fills or takes columns left to right - 1 of line y of a plane, all counted in that plane's own
// samples; line is where the plane's column 0 lies. Must not throw.
using Line = std::function<void(int plane, int y, int left, int right, float *line)>;

// A conversion between formats with as many planes, kept for pictures of the same kind. The filter
// is Catmull-Rom, stretched where it makes smaller; beyond its edges a plane is mirrored.
class Graph {
public:
    Graph(const PlanarFormat &from, const PlanarFormat &to);
    ~Graph();

    bool converts(const PlanarFormat &from, const PlanarFormat &to) const;
    // A part of a line may be asked for more than once.
    void run(const Line &read, const Line &write);

private:
    struct Side;
    std::unique_ptr<Side> from_, to_;
    zimg_filter_graph *graph_ = nullptr;
    std::unique_ptr<float[], void (*)(void *)> scratch_;
};

// The graph that is kept, made anew if it converts something else.
Graph &graph_for(std::unique_ptr<Graph> &kept, const PlanarFormat &from, const PlanarFormat &to);

}  // namespace mdrn
