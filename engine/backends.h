// SPDX-License-Identifier: BSD-2-Clause
// The factories of the backends: each returns stages for a model, which must outlive them.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "host.h"
#include "model.h"

namespace mdrn {

std::unique_ptr<HostStages> make_reference_stages(const Model &model, WarnOnce warn);

// Highway's targets that this machine runs, best first, by Highway's names ("AVX3", "AVX2", ...).
std::vector<std::string> cpu_targets();

struct CpuOptions {
    int threads = 0;     // 0 = as many as the process may use
    int strip = 0;       // columns of a strip; 0 = by the cache
    std::string target;  // one of cpu_targets(); "" = the best
};
std::unique_ptr<HostStages> make_cpu_stages(const Model &model, const CpuOptions &options,
                                            WarnOnce warn);

}  // namespace mdrn
