// SPDX-License-Identifier: BSD-2-Clause
#include <filesystem>
#include <iostream>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "commands.h"
#include "weights/onnx.h"
#include "weights/pth.h"
#include "weights/recognise.h"

namespace mdrn::training {
namespace {

namespace fs = std::filesystem;

struct Options {
    fs::path in, out;
    std::string key, architecture;
    std::vector<std::string> metadata;  // "key=value"
};

enum class Format { safetensors, pth, onnx };

Format format_of(const fs::path &path) {
    const std::string extension = path.extension();
    if (extension == ".safetensors") return Format::safetensors;
    if (extension == ".pth" || extension == ".pt") return Format::pth;
    if (extension == ".onnx") return Format::onnx;
    throw std::runtime_error(path.string() + ": expected a name that ends in .safetensors, .pth, " +
                             ".pt or .onnx");
}

Checkpoint read(const Options &options) {
    switch (format_of(options.in)) {
        case Format::pth:
            return read_pth(options.in, options.key);
        case Format::safetensors:
            return {read_safetensors(options.in), ""};
        default:
            throw std::runtime_error(options.in.string() +
                                     ": ONNX is only written: expected .safetensors or .pth");
    }
}

void write(const Options &options, const Weights &weights, const Architecture &network) {
    switch (format_of(options.out)) {
        case Format::safetensors:
            return write_safetensors(options.out, weights);
        case Format::pth:
            return write_pth(options.out, weights, options.key.empty() ? "params" : options.key);
        case Format::onnx:
            return write_onnx(options.out, weights, network);
    }
}

void add_metadata(Weights &weights, const std::vector<std::string> &entries) {
    for (const std::string &entry : entries) {
        const size_t sign = entry.find('=');
        if (sign == 0 || sign == std::string::npos)
            throw std::runtime_error("--metadata: expected KEY=VALUE, found " + entry);
        weights.metadata[entry.substr(0, sign)] = entry.substr(sign + 1);
    }
}

// The network; the metadata say it from now on.
Architecture describe(Weights &weights, const Options &options) {
    if (!options.architecture.empty()) weights.metadata["architecture"] = options.architecture;
    const Architecture network = recognise(weights, options.in);
    if (!options.architecture.empty() && network.name != options.architecture)
        throw std::runtime_error(options.in.string() + ": expected the tensors of " +
                                 options.architecture + ", found those of " + network.name);
    weights.metadata["architecture"] = network.name;
    weights.metadata["scale"] = std::to_string(network.scale);
    return network;
}

void convert(const Options &options) {
    format_of(options.out);
    auto [weights, key] = read(options);
    add_metadata(weights, options.metadata);
    const Architecture network = describe(weights, options);
    std::cout << options.in.string() << (key.empty() ? "" : ", " + key) << ": " << network.name
              << " x" << network.scale << " of " << network.features << " features, "
              << weights.tensors.size() << " tensors, " << parameters(network) << " parameters\n";
    write(options, weights, network);
    std::cout << options.out.string() << ": " << fs::file_size(options.out) << " bytes written\n";
    for (const auto &[name, value] : weights.metadata)
        std::cout << "    " << name << ": " << value << '\n';
    if (network.name != "mdrn" && network.name != "mdrn-s")
        std::cout << "An ablation, which libmdrn does not run.\n";
}

}  // namespace

void add_convert(CLI::App &program) {
    CLI::App *command = program.add_subcommand(
        "convert", "Converts weights: .pth and .safetensors into each other and into .onnx");
    const auto options = std::make_shared<Options>();
    command->add_option("in", options->in, "a .safetensors, .pth or .pt file")->required();
    command->add_option("out", options->out, "a .safetensors, .pth, .pt or .onnx file")->required();
    command->add_option("--params-key", options->key,
                        "the entry of a .pth with the tensors (read: the first that there is of "
                        "params_ema, params and state_dict; written: params)");
    command->add_option("--architecture", options->architecture,
                        "the network's name, where several have the same tensors");
    command
        ->add_option("--metadata", options->metadata,
                     "KEY=VALUE to write, as license=...; others are kept")
        ->allow_extra_args(false);
    command->callback([options] { convert(*options); });
}

}  // namespace mdrn::training
