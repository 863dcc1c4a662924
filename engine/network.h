// SPDX-License-Identifier: BSD-2-Clause
#pragma once

#include "stages.h"

namespace mdrn {

// The size that is computed for a frame of this size.
Size computed_size(Size frame);

// The forward pass, from image to image; the stages are prepared for computed_size(in).
// Where the backend is asynchronous, it is only enqueued when this returns; see Stages::finish().
void run_network(Stages &stages, const mdrn_image &in, const mdrn_image &out);

// The same picture once more, to another image.
void repeat_picture(Stages &stages, const mdrn_image &out);

// What lies between unpack and pack: from RGB planes to RGB planes.
void run_planes(Stages &stages);

}  // namespace mdrn
