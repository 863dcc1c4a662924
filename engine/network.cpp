// SPDX-License-Identifier: BSD-2-Clause
#include "network.h"

#include <algorithm>

#include "model.h"

namespace mdrn {

Size computed_size(Size frame) {
    return {std::max(frame.width, kSmallest), std::max(frame.height, kSmallest)};
}

void run_network(Stages &stages, const mdrn_image &in, const mdrn_image &out) {
    stages.unpack(in);
    run_planes(stages);
    stages.pack(out);
}

void run_planes(Stages &stages) {
    if (!stages.begin()) return;
    stages.head();
    for (int block = 0; block < kBlocks; ++block) stages.block(block);
    stages.tail();
    stages.end();
}

}  // namespace mdrn
