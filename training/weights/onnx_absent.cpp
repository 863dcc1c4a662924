// SPDX-License-Identifier: BSD-2-Clause
#include <stdexcept>

#include "weights/onnx.h"

namespace mdrn::training {

void write_onnx(const std::filesystem::path &path, const Weights &, const Architecture &) {
    throw std::runtime_error(path.string() +
                             ": mdrn-train was built without libonnx (Debian: libonnx-dev)");
}

}  // namespace mdrn::training
