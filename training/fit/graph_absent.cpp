// SPDX-License-Identifier: BSD-2-Clause
#include "fit/graph.h"

namespace mdrn::training {

struct Repeated::Graph {};

Repeated::Repeated(std::function<void()> work) : work_(std::move(work)) {}
Repeated::~Repeated() = default;

void Repeated::run(const torch::Device &) {
    work_();
}

}  // namespace mdrn::training
