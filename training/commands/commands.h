// SPDX-License-Identifier: BSD-2-Clause
// mdrn-train's commands: each adds itself, its options and what it does to the program.
#pragma once

#include <CLI/CLI.hpp>

namespace mdrn::training {

void add_fit(CLI::App &program);
void add_eval(CLI::App &program);
void add_convert(CLI::App &program);
void add_summary(CLI::App &program);
void add_prepare(CLI::App &program);

}  // namespace mdrn::training
