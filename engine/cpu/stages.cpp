// SPDX-License-Identifier: BSD-2-Clause
#include "backends.h"
namespace mdrn {
std::vector<std::string> cpu_targets() { return {}; }
std::unique_ptr<HostStages> make_cpu_stages(const Model &, const CpuOptions &, WarnOnce) { return nullptr; }
}
