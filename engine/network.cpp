// SPDX-License-Identifier: BSD-2-Clause
#include "network.h"

#include <algorithm>

#include "model.h"

namespace mdrn {

Size computed_size(Size frame) {
    return {std::max(frame.width, kSmallest), std::max(frame.height, kSmallest)};
}

void run_network(Stages &stages, const mdrn_image &in, const mdrn_image &out) {
    stages.watch.start();
    stages.unpack(in);
    stages.watch.lap(MDRN_STAGE_UNPACK);
    run_planes(stages);
    stages.pack(out);
    stages.watch.lap(MDRN_STAGE_PACK);
}

void repeat_picture(Stages &stages, const mdrn_image &out) {
    stages.watch.start();
    stages.pack(out);
    stages.watch.lap(MDRN_STAGE_PACK);
}

void run_planes(Stages &stages) {
    if (!stages.begin()) return;
    stages.head();
    stages.watch.lap(MDRN_STAGE_HEAD);
    for (int block = 0; block < kBlocks; ++block) stages.block(block);
    stages.tail();
    stages.watch.lap(MDRN_STAGE_TAIL);
    stages.end();
}

}  // namespace mdrn
