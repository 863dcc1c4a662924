// SPDX-License-Identifier: BSD-2-Clause
#include "cuda/convolution.h"

#include <utility>

#include "cuda/cudnn.h"

namespace mdrn::cuda {

Convolution::Convolution(Cudnn *cudnn, const ConvolutionShape &shape) : shape_(shape) {
    if (cudnn) plan_ = cudnn->plan(shape);
}

Convolution::~Convolution() = default;
Convolution::Convolution(Convolution &&) noexcept = default;
Convolution &Convolution::operator=(Convolution &&) noexcept = default;

size_t Convolution::workspace() const {
    return plan_ ? plan_->workspace : 0;
}

void Convolution::run(const void *x, const void *weight, void *y, void *workspace,
                      cudaStream_t stream) const {
    if (plan_) {
        plan_->run(x, weight, y, workspace, stream);
    } else {
        plain_convolution(shape_, x, weight, y, stream);
    }
}

}  // namespace mdrn::cuda
