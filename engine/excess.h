// SPDX-License-Identifier: BSD-2-Clause
// What of a picture lies outside 0 to 1: below black, above white, beyond the gamut. Networks are
// trained inside, and some make noise of anything else; so it passes beside them.
#pragma once

#include <memory>
#include <vector>

#include "frame.h"
#include "graph.h"

namespace mdrn {

// Not thread safe.
class Excess {
public:
    // Clips rgb and keeps what it takes off.
    void take(const Planes &rgb);

    // Adds that to hr, enlarged by Catmull-Rom.
    void give_back(const Planes &hr);

private:
    std::vector<float> taken_;  // (3, H, W)
    Size size_;
    bool any_ = false;
    std::unique_ptr<Graph> graph_;
};

}  // namespace mdrn
