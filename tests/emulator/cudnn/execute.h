// SPDX-License-Identifier: BSD-2-Clause
#pragma once

#include <cudnn.h>

namespace emulated::cudnn {

// Throws Refusal unless it is a handle, and of the current context.
void require_handle(cudnnHandle_t handle);

}  // namespace emulated::cudnn
