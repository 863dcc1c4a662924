// SPDX-License-Identifier: BSD-2-Clause
#pragma once

#include <string>

#include "model/architecture.h"
#include "weights/safetensors.h"

namespace mdrn::training {

// The network whose tensors these are. Of several with the same tensors it is the one that the
// metadata's "architecture" names, else the first declared; an MDRN of other widths is "mdrn" with
// its features. Throws mdrn::Error that says what differs from MDRN; origin: a name for messages.
Architecture recognise(const Weights &weights, const std::string &origin);

}  // namespace mdrn::training
