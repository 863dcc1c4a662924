// SPDX-License-Identifier: BSD-2-Clause
// What programs do with mdrn.h: contexts, and pictures of planar float RGB.
#pragma once

#include <gtest/gtest.h>

#include <cmath>
#include <memory>
#include <vector>

#include "float_image.h"
#include "mdrn.h"

namespace mdrn::test {

struct Close {
    void operator()(mdrn_context *context) const { mdrn_close(&context); }
};
using Context = std::unique_ptr<mdrn_context, Close>;

inline mdrn_settings small_settings() {
    mdrn_settings settings;
    mdrn_settings_default(&settings, sizeof settings);
    settings.model = "mdrn-s";
    settings.device = MDRN_DEVICE_CPU;
    return settings;
}

inline Context open(const mdrn_settings &settings) {
    mdrn_context *context = nullptr;
    EXPECT_EQ(mdrn_open(&context, &settings), 0) << mdrn_last_error();
    return Context(context);
}

// A picture that owns its planes.
struct FloatPicture {
    FloatPicture(int width, int height)
        : values(size_t{3} * width * height), image(float_image(values.data(), width, height)) {
        for (size_t i = 0; i < values.size(); ++i)
            values[i] = 0.5F + 0.5F * std::sin(0.37F * static_cast<float>(i));
    }
    FloatPicture(FloatPicture &&) = default;

    float &at(int c, int y, int x) {
        return values[(static_cast<size_t>(c) * image.height + y) * image.width + x];
    }
    float at(int c, int y, int x) const { return const_cast<FloatPicture *>(this)->at(c, y, x); }

    std::vector<float> values;
    mdrn_image image;
};

inline int enlarge(mdrn_context *context, const mdrn_image &in, const mdrn_image &out) {
    const int result = mdrn_send(context, &in, &out, nullptr);
    return result ? result : mdrn_receive(context, nullptr);
}

}  // namespace mdrn::test
