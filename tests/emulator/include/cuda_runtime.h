// SPDX-License-Identifier: BSD-2-Clause
// CUDA C++ on an emulated device: with this folder before the toolkit's on the include path, a
// plain C++20 compiler builds the .cu files, and their kernels run on the host. It holds what
// mdrn's kernels and their callers use, under the toolkit's names and with its meaning.
//
// A block's threads are fibers of one OS thread and blocks run one after the other (device/), so
// builtin variables are plain globals. Shared memory is the dynamic one, called mdrn_shared.
#pragma once

#include <math.h>

#include "cuda.h"
#include "emulator/language.h"
#include "emulator/runtime.h"
#include "emulator/vectors.h"
#include "emulator/warp.h"
