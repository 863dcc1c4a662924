// SPDX-License-Identifier: BSD-2-Clause
// Eq. 10. The tail adds c1's bias.
#include "cuda/stages.h"

namespace mdrn::cuda {

void CudaStages::gather(int block) {
    convolve(block == 0 ? convolutions_->pointwise : convolutions_->gather, "convolution c1",
             channels_.c, channels_.c, 1, map(Map::x), weights_.blocks[block].c1, places_->sum);
}

}  // namespace mdrn::cuda
