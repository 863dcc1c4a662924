// SPDX-License-Identifier: BSD-2-Clause
#pragma once

namespace mdrn::cpu {

// Whether this processor has these instructions and the system lets this process use them.
bool has_avx512_bf16();
bool has_amx_bf16();

}  // namespace mdrn::cpu
