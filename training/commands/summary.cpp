// SPDX-License-Identifier: BSD-2-Clause
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <iomanip>
#include <iostream>
#include <memory>
#include <random>
#include <sstream>
#include <stdexcept>
#include <string>

#include "commands.h"
#include "model/architecture.h"
#include "quality/upscaler.h"
#include "weights/recognise.h"

namespace mdrn::training {
namespace {

struct Options {
    std::string model, size;
    int scale = 0, threads = 0, frames = 3;
};

struct Frame {
    int width, height;
};

Frame parse_size(const std::string &text) {
    Frame frame{};
    char rest = 0;
    const int found = std::sscanf(text.c_str(), "%dx%d%c", &frame.width, &frame.height, &rest);
    constexpr int kMost = 1 << 16;
    if (found != 2 || frame.width < 1 || frame.height < 1 || frame.width > kMost ||
        frame.height > kMost)
        throw std::runtime_error(
            "--size: expected WIDTHxHEIGHT of the small picture, as 256x256, found " + text);
    return frame;
}

bool is_file(const std::string &model) {
    return model.ends_with(".safetensors");
}

Architecture find(const Options &options) {
    if (!is_file(options.model))
        return architecture(options.model, options.scale ? options.scale : 4);
    Architecture found = recognise(read_safetensors(options.model), options.model);
    if (options.scale && options.scale != found.scale)
        throw std::runtime_error(options.model + ": expected a model for scale " +
                                 std::to_string(options.scale) + ", found one for scale " +
                                 std::to_string(found.scale));
    return found;
}

void line(const std::string &name, const std::string &value, const std::string &note = "") {
    std::cout << std::left << std::setw(15) << name << std::right << std::setw(10) << value
              << (note.empty() ? "" : "  " + note) << std::endl;
}

std::string fixed(double value, int digits, const std::string &unit) {
    std::ostringstream text;
    text << std::fixed << std::setprecision(digits) << value << unit;
    return text.str();
}

void print_counts(const Architecture &network, Frame frame) {
    int64_t multiply_adds = 0, activations = 0;
    const std::vector<ConvLayer> layers = convolutions(network);
    for (const ConvLayer &layer : layers) {
        multiply_adds += layer.multiply_adds(frame.height, frame.width);
        activations += layer.activations(frame.height, frame.width);
    }
    line("parameters", std::to_string(parameters(network)));
    line("multiply-adds", fixed(static_cast<double>(multiply_adds) / 1e9, 3, " G"),
         "of the convolutions");
    line("activations", fixed(static_cast<double>(activations) / 1e6, 2, " M"),
         "elements that convolutions put out");
    line("convolutions", std::to_string(layers.size()));
}

Picture noise(Frame frame) {
    Picture picture = blank(frame.width, frame.height);
    std::minstd_rand random(1);
    for (uint8_t &sample : picture.rgb) sample = static_cast<uint8_t>(random() >> 8);
    return picture;
}

// Seconds of the best of some frames, after one that allocates.
double measure_seconds(Upscaler &upscaler, Frame frame, int frames) {
    const Picture picture = noise(frame);
    double best = 0;
    for (int i = 0; i <= frames; i++) {
        const auto start = std::chrono::steady_clock::now();
        upscaler.enlarge(picture);
        const std::chrono::duration<double> time = std::chrono::steady_clock::now() - start;
        if (i > 0) best = i > 1 ? std::min(best, time.count()) : time.count();
    }
    return best;
}

void print_run(const Options &options, const Architecture &network, Frame frame) {
    if (!network.is_whole()) {
        const std::string note = "(libmdrn, which would be measured, runs no " + network.name + ")";
        line("peak memory", "-", note);
        line("runtime", "-", note);
        return;
    }
    Upscaler upscaler(options.model, network.scale, MDRN_DEVICE_CPU, MDRN_PRECISION_FP32,
                      options.threads);
    const auto bytes = static_cast<double>(upscaler.memory_needed(frame.width, frame.height));
    line("peak memory", fixed(bytes / (1 << 20), 1, " MiB"), "at least, of libmdrn's maps");
    if (options.frames < 1) return;
    line("runtime", fixed(measure_seconds(upscaler, frame, options.frames), 4, " s"),
         "a picture, libmdrn on the CPU in fp32, the best of " + std::to_string(options.frames));
}

void summary(const Options &options) {
    const Frame frame = parse_size(options.size);
    const Architecture network = find(options);
    std::cout << network.name << " x" << network.scale << ", " << frame.width << 'x' << frame.height
              << " -> " << network.scale * frame.width << 'x' << network.scale * frame.height
              << '\n';
    print_counts(network, frame);
    print_run(options, network, frame);
}

std::string known_names() {
    std::string all;
    for (const std::string &name : architecture_names()) all += (all.empty() ? "" : ", ") + name;
    return all;
}

}  // namespace

void add_summary(CLI::App &program) {
    CLI::App *command = program.add_subcommand(
        "summary", "What a network costs: parameters, multiply-adds, activations, memory, time");
    const auto options = std::make_shared<Options>();
    command
        ->add_option("--model", options->model, "a .safetensors file, or one of " + known_names())
        ->required();
    command->add_option("--size", options->size, "WIDTHxHEIGHT of the small picture")->required();
    command->add_option("--scale", options->scale, "2, 3 or 4 (default: the file's, else 4)");
    command->add_option("--threads", options->threads, "of the CPU (default: all)");
    command->add_option("--frames", options->frames, "to measure (default: 3; 0 = none)")
        ->check(CLI::NonNegativeNumber);
    command->callback([options] { summary(*options); });
}

}  // namespace mdrn::training
