// SPDX-License-Identifier: BSD-2-Clause
// The network as an .onnx file, for other runtimes.
#pragma once

#include <filesystem>

#include "model/architecture.h"
#include "weights/safetensors.h"

namespace mdrn::training {

// Opset 17, float32: "input" (batch, 3, height, width), RGB in [0, 1], at least
// smallest_side() high and wide -> "output" (batch, 3, scale x height, scale x width), not
// clipped. batch, height and width are the caller's at run time. The metadata become the file's.
//
// Only of MDRN itself, of any features and scale; its ablations are for measuring. Throws
// std::runtime_error for them, and where mdrn-train was built without libonnx.
void write_onnx(const std::filesystem::path &path, const Weights &weights,
                const Architecture &architecture);

}  // namespace mdrn::training
