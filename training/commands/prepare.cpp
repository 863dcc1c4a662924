// SPDX-License-Identifier: BSD-2-Clause
#include "commands.h"

namespace mdrn::training {

void add_prepare(CLI::App &) {}

}  // namespace mdrn::training
