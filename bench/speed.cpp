// SPDX-License-Identifier: BSD-2-Clause
// mdrn-bench: seconds that libmdrn takes for a picture of planar 32-bit RGB.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <random>
#include <string>
#include <vector>

#include "mdrn.h"

namespace {

struct Arguments {
    mdrn_settings settings;
    int width = 320, height = 180;
    int frames = 5;
};

[[noreturn]] void usage()
{
    std::fputs("mdrn-bench [--model NAME|FILE] [--scale N] [--size WxH] [--threads N] [--frames N]\n"
               "           [--precision fp32|bf16] [--device cpu|cuda|reference] [--memory MIB]\n",
               stderr);
    std::exit(2);
}

[[noreturn]] void fail()
{
    std::fprintf(stderr, "mdrn-bench: %s\n", mdrn_last_error());
    std::exit(1);
}

int number(const char *text)
{
    char *end = nullptr;
    const long value = std::strtol(text, &end, 10);
    if (*end || end == text || value < 0 || value > 1 << 20)
        usage();
    return static_cast<int>(value);
}

int choice(const std::string &text, std::initializer_list<std::pair<const char *, int>> choices)
{
    for (const auto &[name, value] : choices)
        if (text == name)
            return value;
    usage();
}

Arguments parse(int argc, char **argv)
{
    Arguments arguments;
    mdrn_settings &settings = arguments.settings;
    mdrn_settings_default(&settings, sizeof settings);
    settings.device = MDRN_DEVICE_CPU;
    for (int i = 1; i < argc; i += 2) {
        const std::string name = argv[i];
        if (i + 1 == argc)
            usage();
        const char *value = argv[i + 1];
        if (name == "--model")
            settings.model = value;
        else if (name == "--scale")
            settings.scale = number(value);
        else if (name == "--threads")
            settings.threads = number(value);
        else if (name == "--frames")
            arguments.frames = std::max(number(value), 1);
        else if (name == "--memory")
            settings.memory = uint64_t(number(value)) << 20;
        else if (name == "--precision")
            settings.precision = static_cast<mdrn_precision>(
                choice(value, {{"fp32", MDRN_PRECISION_FP32}, {"bf16", MDRN_PRECISION_BF16}}));
        else if (name == "--device")
            settings.device = static_cast<mdrn_device>(
                choice(value, {{"cpu", MDRN_DEVICE_CPU},
                               {"cuda", MDRN_DEVICE_CUDA},
                               {"reference", MDRN_DEVICE_REFERENCE}}));
        else if (name != "--size" ||
                 std::sscanf(value, "%dx%d", &arguments.width, &arguments.height) != 2)
            usage();
    }
    if (arguments.width < 1 || arguments.height < 1)
        usage();
    return arguments;
}

mdrn_image planar_rgb(std::vector<float> &samples, int width, int height)
{
    samples.resize(size_t{3} * width * height);
    mdrn_image image = {};
    image.size = sizeof image;
    image.width = width;
    image.height = height;
    image.layout.model = MDRN_COLOR_RGB;
    image.layout.components = 3;
    image.layout.is_float = 1;
    image.matrix = 2;
    for (uint8_t i = 0; i < 3; i++) {
        image.layout.component[i] = {.plane = i, .step = 4, .offset = 0, .shift = 0, .depth = 32};
        image.data[i] = samples.data() + size_t{i} * width * height;
        image.stride[i] = ptrdiff_t{4} * width;
    }
    return image;
}

} // namespace

int main(int argc, char **argv)
{
    const Arguments arguments = parse(argc, argv);
    mdrn_context *context = nullptr;
    if (mdrn_open(&context, &arguments.settings) < 0)
        fail();

    const int scale = mdrn_scale(context);
    std::vector<float> small, large;
    const mdrn_image in = planar_rgb(small, arguments.width, arguments.height);
    const mdrn_image out = planar_rgb(large, arguments.width * scale, arguments.height * scale);
    std::minstd_rand random(1);
    for (float &sample : small)
        sample = std::uniform_real_distribution<float>(0, 1)(random);

    std::vector<double> seconds;
    for (int i = 0; i <= arguments.frames; i++) {
        const auto start = std::chrono::steady_clock::now();
        if (mdrn_send(context, &in, &out, nullptr) < 0 || mdrn_receive(context, nullptr) < 0)
            fail();
        const std::chrono::duration<double> time = std::chrono::steady_clock::now() - start;
        if (i > 0) // the first one allocates
            seconds.push_back(time.count());
    }
    mdrn_close(&context);

    std::sort(seconds.begin(), seconds.end());
    std::printf("best %.4f s  median %.4f s\n", seconds.front(), seconds[seconds.size() / 2]);
    return 0;
}
