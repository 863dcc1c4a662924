// SPDX-License-Identifier: BSD-2-Clause
#pragma once

#include <iostream>

#include "fit/recipe.h"

namespace mdrn::training {

// Runs a recipe up to its last step, or to the first SIGINT or SIGTERM, and leaves in recipe.out:
//
//   checkpoints/<steps>.state       everything that going on takes (checkpoint.h)
//   <network>_x<scale>.safetensors  weights as libmdrn reads them: the average,
//   …_raw.safetensors               the parameters themselves,
//   …_best.safetensors              and the average with the highest PSNR of all validations
//   log.jsonl                       a line every print_freq steps and for each validation
//   report.html                     the same to look at
//   recipe.yml                      what was run
//
// Where recipe.out holds a checkpoint, the run goes on from there. Every run with the same recipe,
// number of threads and LibTorch gives the same bits on a CPU, however often it was interrupted; on
// a CUDA device LibTorch's own backwards of pooling and interpolation sum in any order. Throws
// std::runtime_error or mdrn::Error.
void fit(const Recipe &recipe, std::ostream &screen = std::cerr);

}  // namespace mdrn::training
