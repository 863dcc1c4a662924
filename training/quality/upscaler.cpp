// SPDX-License-Identifier: BSD-2-Clause
#include "quality/upscaler.h"

#include <cstddef>
#include <iostream>
#include <stdexcept>

namespace mdrn::training {
namespace {

void check(int result) {
    if (result < 0) throw std::runtime_error(mdrn_last_error());
}

void warn(void *, mdrn_log_level level, const char *message) {
    if (level <= MDRN_LOG_WARNING) std::cerr << message << '\n';
}

mdrn_image image_of(const Picture &picture, void *rgb) {
    mdrn_image image = {};
    image.size = sizeof image;
    image.width = picture.width;
    image.height = picture.height;
    image.layout.model = MDRN_COLOR_RGB;
    image.layout.components = 3;
    for (uint8_t c = 0; c < 3; ++c) image.layout.component[c] = {0, 3, c, 0, 8};
    image.matrix = image.transfer = 2;  // unspecified
    image.data[0] = rgb;
    image.stride[0] = static_cast<ptrdiff_t>(3) * picture.width;
    return image;
}

}  // namespace

Upscaler::Upscaler(const std::string &model, int scale, mdrn_device device,
                   mdrn_precision precision, int threads) {
    mdrn_settings settings;
    mdrn_settings_default(&settings, sizeof settings);
    settings.model = model.c_str();
    settings.scale = scale;
    settings.device = device;
    settings.precision = precision;
    settings.threads = threads;
    settings.log = warn;
    settings.reuse = 0;  // a picture is sent twice to be timed
    mdrn_context *context = nullptr;
    check(mdrn_open(&context, &settings));
    context_.reset(context);
}

uint64_t Upscaler::memory_needed(int width, int height) const {
    uint64_t bytes = 0;
    check(mdrn_memory_needed(context_.get(), width, height, &bytes));
    return bytes;
}

Picture Upscaler::enlarge(const Picture &small) {
    Picture large = blank(scale() * small.width, scale() * small.height);
    // libmdrn only reads the picture sent.
    const mdrn_image in = image_of(small, const_cast<uint8_t *>(small.rgb.data()));
    const mdrn_image out = image_of(large, large.rgb.data());
    check(mdrn_send(context_.get(), &in, &out, nullptr));
    check(mdrn_receive(context_.get(), nullptr));
    return large;
}

}  // namespace mdrn::training
