// SPDX-License-Identifier: BSD-2-Clause
// What cuDNN's headers include, inside a block of C.
#pragma once

#ifdef __cplusplus
extern "C++" {
#endif
#include "cuda_runtime.h"
#ifdef __cplusplus
}
#endif
