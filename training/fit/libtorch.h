// SPDX-License-Identifier: BSD-2-Clause
// LibTorch, and all that differs between Debian's 1.13 and the ones inside PyTorch's wheels.
#pragma once

#include <torch/torch.h>
#include <torch/version.h>
