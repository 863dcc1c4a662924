// SPDX-License-Identifier: BSD-2-Clause
// mdrn-bench: seconds that libmdrn takes for a picture of planar 32-bit RGB.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <optional>
#include <random>
#include <stdexcept>
#include <string>
#include <vector>

#include "float_image.h"
#include "gpu.h"
#include "mdrn.h"

namespace {

struct Arguments {
    mdrn_settings settings;
    int width = 320, height = 180;
    int frames = 5;
    mdrn_memory images = MDRN_MEMORY_HOST;
};

[[noreturn]] void usage() {
    std::fputs(
        "mdrn-bench [--model NAME|FILE] [--scale N] [--size WxH] [--threads N] [--frames N]\n"
        "           [--precision fp32|fp16|bf16] [--device cpu|cuda|reference] [--memory MIB]\n"
        "           [--images host|cuda]\n"
        "\n"
        "  --images cuda  pictures in CUDA memory: eight are enqueued at a time\n",
        stderr);
    std::exit(2);
}

void check(int result) {
    if (result < 0) throw std::runtime_error(mdrn_last_error());
}

int number(const char *text) {
    char *end = nullptr;
    const long value = std::strtol(text, &end, 10);
    if (*end || end == text || value < 0 || value > 1 << 20) usage();
    return static_cast<int>(value);
}

template <typename Choice>
Choice choice(const std::string &text,
              std::initializer_list<std::pair<const char *, Choice>> choices) {
    for (const auto &[name, value] : choices)
        if (text == name) return value;
    usage();
}

Arguments parse(int argc, char **argv) {
    Arguments arguments;
    mdrn_settings &settings = arguments.settings;
    mdrn_settings_default(&settings, sizeof settings);
    settings.device = MDRN_DEVICE_CPU;
    for (int i = 1; i < argc; i += 2) {
        const std::string name = argv[i];
        if (i + 1 == argc) usage();
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
            settings.precision = choice<mdrn_precision>(value, {{"fp32", MDRN_PRECISION_FP32},
                                                                {"fp16", MDRN_PRECISION_FP16},
                                                                {"bf16", MDRN_PRECISION_BF16}});
        else if (name == "--device")
            settings.device = choice<mdrn_device>(value, {{"cpu", MDRN_DEVICE_CPU},
                                                          {"cuda", MDRN_DEVICE_CUDA},
                                                          {"reference", MDRN_DEVICE_REFERENCE}});
        else if (name == "--images")
            arguments.images = choice<mdrn_memory>(
                value, {{"host", MDRN_MEMORY_HOST}, {"cuda", MDRN_MEMORY_CUDA}});
        else if (name != "--size" ||
                 std::sscanf(value, "%dx%d", &arguments.width, &arguments.height) != 2)
            usage();
    }
    if (arguments.width < 1 || arguments.height < 1) usage();
    return arguments;
}

// A picture in either memory, its samples random.
class Samples {
public:
    Samples(const Gpu *gpu, int width, int height) : host_(size_t{3} * width * height) {
        std::minstd_rand random(1);
        for (float &sample : host_) sample = std::uniform_real_distribution<float>(0, 1)(random);
        image = mdrn::test::float_image(host_.data(), width, height);
        if (!gpu) return;
        void *device = gpu->allocate(host_.size() * sizeof(float));
        gpu->upload(device, host_);
        image = mdrn::test::float_image(device, width, height);
        image.memory = MDRN_MEMORY_CUDA;
    }
    mdrn_image image;

private:
    std::vector<float> host_;
};

double seconds_of(const std::function<void()> &work) {
    const auto start = std::chrono::steady_clock::now();
    work();
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

// Seconds of each picture, or of those of a batch in the mean, in order.
std::vector<double> measure(Arguments arguments) {
    std::optional<Gpu> gpu;
    if (arguments.images == MDRN_MEMORY_CUDA) {
        gpu.emplace();
        arguments.settings.cuda_context = gpu->context();
        arguments.settings.cuda_stream = gpu->stream();
    }
    const Gpu *memory = gpu ? &*gpu : nullptr;
    mdrn_context *context = nullptr;
    check(mdrn_open(&context, &arguments.settings));
    const int scale = mdrn_scale(context);
    const Samples in(memory, arguments.width, arguments.height);
    const Samples out(memory, arguments.width * scale, arguments.height * scale);

    const int batch = gpu ? 8 : 1;
    std::vector<double> seconds;
    for (int i = 0; i <= arguments.frames; ++i) {
        const double time = seconds_of([&] {
            for (int k = 0; k < batch; ++k) {
                check(mdrn_send(context, &in.image, &out.image, nullptr));
                check(mdrn_receive(context, nullptr));
            }
            if (gpu) gpu->wait();
        });
        if (i > 0) seconds.push_back(time / batch);  // the first ones allocate
    }
    mdrn_close(&context);
    std::sort(seconds.begin(), seconds.end());
    return seconds;
}

}  // namespace

int main(int argc, char **argv) {
    const Arguments arguments = parse(argc, argv);
    try {
        const std::vector<double> seconds = measure(arguments);
        std::printf("best %.4f s  median %.4f s\n", seconds.front(), seconds[seconds.size() / 2]);
    } catch (const std::exception &error) {
        std::fprintf(stderr, "mdrn-bench: %s\n", error.what());
        return 1;
    }
}
