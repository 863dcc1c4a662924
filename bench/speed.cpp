// SPDX-License-Identifier: BSD-2-Clause
// mdrn-bench: seconds that libmdrn takes for a picture of planar 32-bit RGB.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <iostream>
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
    bool least_memory = false;
    bool serve = false;
};

[[noreturn]] void usage() {
    std::fputs(
        "mdrn-bench [--model NAME|FILE] [--scale N] [--size WxH] [--threads N] [--frames N]\n"
        "           [--precision fp32|fp16|bf16] [--device cpu|cuda|reference] [--memory MIB]\n"
        "           [--images host|cuda] [--serve]\n"
        "\n"
        "  --memory least  what pictures of --size need at least: the slower plan\n"
        "  --images cuda   pictures in CUDA memory: eight are enqueued at a time\n"
        "  --serve         pictures that stdin names, as bench/peers/serve.py says\n",
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
        if (name == "--serve") {
            arguments.serve = true;
            --i;
            continue;
        }
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
        else if (name == "--memory" && std::string(value) == "least")
            arguments.least_memory = true;
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

void print_warning(void *, mdrn_log_level level, const char *message) {
    if (level <= MDRN_LOG_WARNING) std::fprintf(stderr, "mdrn-bench: %s\n", message);
}

mdrn_context *open(const Arguments &arguments) {
    mdrn_settings settings = arguments.settings;
    settings.log = print_warning;
    settings.reuse = 0;
    mdrn_context *context = nullptr;
    check(mdrn_open(&context, &settings));
    if (arguments.least_memory) {
        check(mdrn_memory_needed(context, arguments.width, arguments.height, &settings.memory));
        mdrn_close(&context);
        check(mdrn_open(&context, &settings));
    }
    return context;
}

void enlarge(mdrn_context *context, const mdrn_image &in, const mdrn_image &out) {
    check(mdrn_send(context, &in, &out, nullptr));
    check(mdrn_receive(context, nullptr));
}

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
    mdrn_context *context = open(arguments);
    const int scale = mdrn_scale(context);
    const Samples in(memory, arguments.width, arguments.height);
    const Samples out(memory, arguments.width * scale, arguments.height * scale);

    const int batch = gpu ? 8 : 1;
    std::vector<double> seconds;
    for (int i = 0; i <= arguments.frames; ++i) {
        const double time = seconds_of([&] {
            for (int k = 0; k < batch; ++k) enlarge(context, in.image, out.image);
            if (gpu) gpu->wait();
        });
        if (i > 0) seconds.push_back(time / batch);  // the first ones allocate
    }
    mdrn_close(&context);
    std::sort(seconds.begin(), seconds.end());
    return seconds;
}

std::streamsize bytes_of(const std::vector<float> &samples) {
    return static_cast<std::streamsize>(samples.size() * sizeof(float));
}

// The protocol of bench/peers/serve.py.
void serve(const Arguments &arguments) {
    mdrn_context *context = open(arguments);
    const int scale = mdrn_scale(context);
    int width, height;
    std::string source, target;
    while (std::cin >> width >> height >> source >> target) {
        std::vector<float> small(size_t{3} * width * height);
        std::vector<float> large(small.size() * scale * scale);
        std::ifstream file(source, std::ios::binary);
        if (!file.read(reinterpret_cast<char *>(small.data()), bytes_of(small)))
            throw std::runtime_error(source + ": not a picture of " + std::to_string(width) + "x" +
                                     std::to_string(height));
        const mdrn_image in = mdrn::test::float_image(small.data(), width, height);
        const mdrn_image out = mdrn::test::float_image(large.data(), width * scale, height * scale);
        const double seconds = seconds_of([&] { enlarge(context, in, out); });
        if (target != "-" &&
            !std::ofstream(target, std::ios::binary)
                 .write(reinterpret_cast<const char *>(large.data()), bytes_of(large)))
            throw std::runtime_error(target + ": could not be written");
        std::cout << seconds << std::endl;
    }
    mdrn_close(&context);
}

}  // namespace

int main(int argc, char **argv) {
    const Arguments arguments = parse(argc, argv);
    try {
        if (arguments.serve) {
            serve(arguments);
            return 0;
        }
        const std::vector<double> seconds = measure(arguments);
        std::printf("best %.4f s  median %.4f s\n", seconds.front(), seconds[seconds.size() / 2]);
    } catch (const std::exception &error) {
        std::fprintf(stderr, "mdrn-bench: %s\n", error.what());
        return 1;
    }
}
