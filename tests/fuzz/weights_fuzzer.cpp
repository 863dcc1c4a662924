// SPDX-License-Identifier: BSD-2-Clause
// Any bytes are a model or an Error that is no defect of ours; nothing else may leave parse_model.
#include <cstdint>
#include <cstdlib>

#include "error.h"
#include "model.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    try {
        mdrn::parse_model(std::as_bytes(std::span(data, size)), "fuzz");
    } catch (const mdrn::Error &error) {
        if (error.code != MDRN_ERROR_MODEL) std::abort();
    }
    return 0;
}
