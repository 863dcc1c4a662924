// SPDX-License-Identifier: BSD-2-Clause
#include <c10/cuda/CUDAStream.h>

#include "network/depthwise_kernels.h"

namespace mdrn::training {

const Depthwise *cuda_depthwise() {
    static const DepthwiseKernels kernels(
        [] { return c10::cuda::getCurrentCUDAStream().stream(); });
    return &kernels;
}

}  // namespace mdrn::training
