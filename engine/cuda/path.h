// SPDX-License-Identifier: BSD-2-Clause
// Which path computes: the fused one where it may, and where it has shown on this device that it
// computes what cuDNN's does.
#pragma once

#include "cuda/context.h"
#include "cuda/stages.h"

namespace mdrn::cuda {

// The path that options.path asks for. With "auto" both paths compute a small picture first, once
// in a process for each device and number of features; where they differ by more than roundings
// explain, it is cuDNN's, and that is warned of. The context is current; work is enqueued on the
// stream and waited for. Throws Error(MDRN_ERROR_UNSUPPORTED) where the fused path is asked for,
// but there is none.
Path choose_path(const Context &context, const Model &model, const CudaOptions &options,
                 Cudnn *cudnn, cudaStream_t stream, const WarnOnce &warn);

}  // namespace mdrn::cuda
