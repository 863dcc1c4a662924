// SPDX-License-Identifier: BSD-2-Clause
// Pictures enlarged by libmdrn, as its users get them.
#pragma once

#include <memory>
#include <string>

#include "data/picture.h"
#include "mdrn.h"

namespace mdrn::training {

// For one thread at a time. All of it throws std::runtime_error with libmdrn's words.
class Upscaler {
public:
    // model: as mdrn_settings has it. Warnings go to standard error.
    Upscaler(const std::string &model, int scale, mdrn_device device, mdrn_precision precision,
             int threads);

    int scale() const { return mdrn_scale(context_.get()); }
    uint64_t memory_needed(int width, int height) const;  // mdrn_memory_needed()'s bytes
    Picture enlarge(const Picture &small);

private:
    struct Close {
        void operator()(mdrn_context *context) const { mdrn_close(&context); }
    };
    std::unique_ptr<mdrn_context, Close> context_;
};

}  // namespace mdrn::training
