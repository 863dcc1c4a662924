// SPDX-License-Identifier: BSD-2-Clause
// What the stand-in's heuristics propose. A test has its say by the environment, read when it
// matters:
//
//   MDRN_EMULATED_CUDNN_A="1 47"            engines of mode A, best first (47 34 28)
//   MDRN_EMULATED_CUDNN_FALLBACK=""         those of mode FALLBACK (28)
//   MDRN_EMULATED_CUDNN_UNRANKED="28"       engines that there are besides (28 34 47)
//   MDRN_EMULATED_CUDNN_REFUSE="4x56x3"     inputs x outputs x kernel that no engine supports; or
//   all MDRN_EMULATED_CUDNN_CUDA=12000          the CUDA it was built with, so the cuBLAS it needs:
//   13000
//                                           for the empty libcublasLt.so.13 beside this library
//
//   engine  notes, as cuDNN 9 gives them
//       1   more workspace than anybody has
//       5   tensor cores; nondeterministic
//       7   tensor cores; compiled at run time
//       9   tensor cores; Winograd
//      13   tensor cores; its plans cannot be finalized
//      28   none
//      34   six bytes of workspace a pixel
//      47   tensor cores: fp32 becomes TF32
#pragma once

#include <cudnn.h>

#include <cstdint>
#include <vector>

namespace emulated::cudnn {

struct Convolution {
    int64_t height = 0, width = 0, inputs = 0, outputs = 0, kernel = 0;
    bool half = false;
    float beta = 0;
    int64_t x = 0, weight = 0, y = 0;  // unique ids
    int64_t alignment = 0;             // bytes, of all three
};

struct Engine {
    int64_t index = -1;
    std::vector<cudnnBackendNumericalNote_t> numerical;
    std::vector<cudnnBackendBehaviorNote_t> behavior;
    int64_t workspace = 0;  // bytes
    bool refuses = false;
};

inline constexpr int64_t kEngines = 48;  // their numbers are below

// Throw Refusal where the convolution is to be refused, or there is no such engine.
Engine unranked(const Convolution &convolution, int64_t index);
std::vector<Engine> rank(const Convolution &convolution, cudnnBackendHeurMode_t mode);

}  // namespace emulated::cudnn
