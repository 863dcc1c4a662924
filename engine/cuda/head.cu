// SPDX-License-Identifier: BSD-2-Clause
// Eq. 8. rgb is less the mean already; the bias is the weight of its channel of 1.
#include "cuda/stages.h"

namespace mdrn::cuda {

void CudaStages::head() {
    convolve(convolutions_->fea_conv, "convolution fea_conv", 4, channels_.c, 3, places_->rgb,
             weights_.fea_conv, map(Map::x));
}

}  // namespace mdrn::cuda
