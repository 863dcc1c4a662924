// SPDX-License-Identifier: BSD-2-Clause
#include <algorithm>
#include <filesystem>
#include <iomanip>
#include <iostream>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

#include "commands.h"
#include "data/layouts.h"
#include "quality/quality.h"
#include "quality/upscaler.h"
#include "weights/atomic.h"

namespace mdrn::training {
namespace {

namespace fs = std::filesystem;

struct Options {
    std::string model;
    fs::path hr, lr, save, json;
    int scale = 0, threads = 0;
    std::string device = "auto", precision = "auto";
};

const std::map<std::string, mdrn_device> kDevices = {
    {"auto", MDRN_DEVICE_AUTO}, {"cpu", MDRN_DEVICE_CPU}, {"cuda", MDRN_DEVICE_CUDA}};
const std::map<std::string, mdrn_precision> kPrecisions = {{"auto", MDRN_PRECISION_AUTO},
                                                           {"fp32", MDRN_PRECISION_FP32},
                                                           {"fp16", MDRN_PRECISION_FP16},
                                                           {"bf16", MDRN_PRECISION_BF16}};

template <typename Value>
std::vector<std::string> names_of(const std::map<std::string, Value> &values) {
    std::vector<std::string> names;
    for (const auto &[name, value] : values) names.push_back(name);
    return names;
}

struct Measured {
    std::string name;
    Quality quality;
};

// All of them: a mean over some of a set's pictures compares with no other.
std::vector<Item> list(const Options &options, int scale) {
    std::map<int, std::vector<fs::path>> lr;
    if (!options.lr.empty()) lr[scale] = {options.lr};
    Listing listing = list_pictures({options.hr}, lr);
    if (listing.problems.empty()) return listing.items;
    std::string problems = "not every picture can be measured:";
    for (const std::string &problem : listing.problems) problems += "\n  " + problem;
    throw std::runtime_error(problems);
}

// Nothing of a video's frame that is like the one before.
std::optional<Measured> measure(const Item &item, Upscaler &upscaler, const Options &options) {
    const std::optional<Pair> pair = read_pair(item, upscaler.scale());
    if (!pair) return std::nullopt;
    const Picture result = upscaler.enlarge(pair->lq);
    if (!options.save.empty()) {
        const fs::path path = options.save / (item.name + ".png");
        fs::create_directories(path.parent_path());
        write_png(path, result);
    }
    try {
        return Measured{item.name, measure(result, pair->gt, upscaler.scale())};
    } catch (const std::runtime_error &error) {
        throw std::runtime_error(item.name + ": " + error.what());
    }
}

Quality mean_of(const std::vector<Measured> &pictures) {
    Quality sum{};
    for (const Measured &picture : pictures) {
        sum.psnr += picture.quality.psnr;
        sum.ssim += picture.quality.ssim;
    }
    const auto count = static_cast<double>(pictures.size());
    return {sum.psnr / count, sum.ssim / count};
}

void print(const std::string &name, const std::string &psnr, const std::string &ssim, int width) {
    std::cout << std::left << std::setw(width) << name << std::right << std::setw(10) << psnr
              << std::setw(10) << ssim << std::endl;
}

void print(const std::string &name, const Quality &quality, int width) {
    const auto text = [](double value) {
        std::ostringstream stream;
        stream << std::fixed << std::setprecision(4) << value;
        return stream.str();
    };
    print(name, text(quality.psnr), text(quality.ssim), width);
}

void write_json(const Options &options, int scale, const std::vector<Measured> &pictures) {
    const auto object = [](const Quality &quality) {
        return nlohmann::ordered_json{{"psnr", quality.psnr}, {"ssim", quality.ssim}};
    };
    nlohmann::ordered_json all = {{"model", options.model},
                                  {"scale", scale},
                                  {"mean", object(mean_of(pictures))},
                                  {"pictures", nlohmann::ordered_json::array()}};
    for (const Measured &picture : pictures) {
        nlohmann::ordered_json entry = {{"name", picture.name}};
        entry.update(object(picture.quality));
        all["pictures"].push_back(entry);
    }
    write_atomically(options.json, [&](std::ostream &stream) { stream << all.dump(2) << '\n'; });
}

void eval(const Options &options) {
    Upscaler upscaler(options.model, options.scale, kDevices.at(options.device),
                      kPrecisions.at(options.precision), options.threads);
    const std::vector<Item> items = list(options, upscaler.scale());
    size_t width = sizeof "mean of 1000";
    for (const Item &item : items) width = std::max(width, item.name.size() + 1);

    const int column = static_cast<int>(width);
    print("x" + std::to_string(upscaler.scale()), "PSNR, dB", "SSIM", column);
    std::vector<Measured> pictures;
    for (const Item &item : items) {
        const std::optional<Measured> measured = measure(item, upscaler, options);
        if (!measured) continue;
        pictures.push_back(*measured);
        print(item.name, measured->quality, column);
    }
    print("mean of " + std::to_string(pictures.size()), mean_of(pictures), column);
    if (!options.json.empty()) write_json(options, upscaler.scale(), pictures);
}

}  // namespace

void add_eval(CLI::App &program) {
    CLI::App *command = program.add_subcommand(
        "eval", "PSNR and SSIM of enlarged pictures: luma, 8 bits, a border of `scale` cropped");
    const auto options = std::make_shared<Options>();
    command->add_option("--model", options->model, "mdrn, mdrn-s or a .safetensors file")
        ->required();
    command->add_option("--hr", options->hr, "the originals: a folder")->required();
    command->add_option("--lr", options->lr,
                        "the same made smaller (default: by MATLAB's bicubic)");
    command->add_option("--scale", options->scale, "2, 3 or 4 (default: the model's)");
    command->add_option("--save", options->save, "a folder for the enlarged pictures");
    command->add_option("--json", options->json, "a file for the results");
    command->add_option("--device", options->device, "the default: auto")
        ->check(CLI::IsMember(names_of(kDevices)));
    command->add_option("--precision", options->precision, "the default: auto")
        ->check(CLI::IsMember(names_of(kPrecisions)));
    command->add_option("--threads", options->threads, "of the CPU (default: all)");
    command->callback([options] { eval(*options); });
}

}  // namespace mdrn::training
