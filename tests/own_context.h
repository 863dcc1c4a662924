// SPDX-License-Identifier: BSD-2-Clause
// A CUDA context that is not the device's primary one. The driver's call for it has one parameter
// more in CUDA 13 than before.
#pragma once

#include <cuda.h>

namespace mdrn::test {

inline CUresult create_with(CUresult (*create)(CUcontext *, unsigned, CUdevice),
                            CUcontext *context) {
    return create(context, 0, 0);
}
template <typename Parameters>
CUresult create_with(CUresult (*create)(CUcontext *, Parameters *, unsigned, CUdevice),
                     CUcontext *context) {
    return create(context, nullptr, 0, 0);
}

// On the first GPU; the calling thread's current context from then on.
inline CUresult create_context(CUcontext *context) {
    return create_with(&cuCtxCreate, context);
}

}  // namespace mdrn::test
