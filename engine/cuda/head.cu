// SPDX-License-Identifier: BSD-2-Clause
// Eq. 8. The mean is off already, and the bias is the weight of rgb's channel of 1.
#include "cuda/stages.h"

namespace mdrn::cuda {

void CudaStages::head() {
    convolve(convolutions_->fea_conv, "convolution fea_conv", 4, channels_.c, 3, places_->rgb,
             weights_.fea_conv, map(Map::f0));
}

}  // namespace mdrn::cuda
