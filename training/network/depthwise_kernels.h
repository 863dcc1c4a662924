// SPDX-License-Identifier: BSD-2-Clause
// CUDA's part of depthwise.h.
#pragma once

#include "cuda/launch.h"
#include "network/depthwise.h"

namespace mdrn::training {

// On the stream that each call asks for.
class DepthwiseKernels : public Depthwise {
public:
    explicit DepthwiseKernels(cudaStream_t (*stream)()) : stream_(stream) {}

    void forward(const DepthwiseShape &shape, const float *u, const float *taps, const float *bias,
                 const float *residual, bool gelu, float *out, float *slope) const override;
    void backward_input(const DepthwiseShape &shape, const float *v, const float *taps,
                        float *u_gradient) const override;
    void backward_taps(const DepthwiseShape &shape, const float *v, const float *u,
                       float *sums) const override;

private:
    cuda::Queue queue() const { return {stream_(), {}}; }

    cudaStream_t (*stream_)();
};

}  // namespace mdrn::training
