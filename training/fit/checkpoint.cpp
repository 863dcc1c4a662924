// SPDX-License-Identifier: BSD-2-Clause
#include "fit/checkpoint.h"

#include <charconv>
#include <nlohmann/json.hpp>
#include <stdexcept>

namespace mdrn::training {
namespace {

constexpr const char *kFormat = "mdrn-train state 1";

std::string exact(double number) {
    char text[32];
    return {text, std::to_chars(text, text + sizeof(text), number).ptr};
}

template <typename T>
T number(const Weights &file, const std::string &name) {
    auto found = file.metadata.find(name);
    T result{};
    if (found == file.metadata.end()) throw std::runtime_error("it has no " + name);
    const std::string &text = found->second;
    auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), result);
    if (error != std::errc() || end != text.data() + text.size())
        throw std::runtime_error("its " + name + " is " + text + ", which is no number");
    return result;
}

Checkpoint from_file(const Weights &file) {
    auto format = file.metadata.find("format");
    if (format == file.metadata.end() || format->second != kFormat)
        throw std::runtime_error("it is no checkpoint of this version of mdrn-train");
    Checkpoint checkpoint;
    checkpoint.iteration = number<int64_t>(file, "iteration");
    checkpoint.updates = number<int64_t>(file, "updates");
    checkpoint.lr_pixels = number<int64_t>(file, "lr_pixels");
    checkpoint.best_psnr = number<double>(file, "best_psnr");
    checkpoint.best_iteration = number<int64_t>(file, "best_iteration");
    checkpoint.recipe = nlohmann::json::parse(file.metadata.at("recipe"));
    checkpoint.tensors = file.tensors;
    return checkpoint;
}

}  // namespace

Checkpoint read_checkpoint(const std::filesystem::path &file) {
    Weights weights = read_safetensors(file);
    try {
        return from_file(weights);
    } catch (const std::exception &error) {
        throw std::runtime_error(file.string() + ": " + error.what());
    }
}

Checkpoints::Checkpoints(const std::filesystem::path &folder, int keep)
    : folder_(folder), keep_(keep) {
    std::filesystem::create_directories(folder);
}

std::map<int64_t, std::filesystem::path> Checkpoints::files() const {
    std::map<int64_t, std::filesystem::path> found;
    for (auto &entry : std::filesystem::directory_iterator(folder_)) {
        if (entry.path().extension() != ".state") continue;
        std::string stem = entry.path().stem().string();
        int64_t iteration = 0;
        auto [end, error] = std::from_chars(stem.data(), stem.data() + stem.size(), iteration);
        if (error == std::errc() && end == stem.data() + stem.size())
            found[iteration] = entry.path();
    }
    return found;
}

void Checkpoints::write(const Checkpoint &checkpoint) {
    Weights file{checkpoint.tensors,
                 {{"format", kFormat},
                  {"iteration", std::to_string(checkpoint.iteration)},
                  {"updates", std::to_string(checkpoint.updates)},
                  {"lr_pixels", std::to_string(checkpoint.lr_pixels)},
                  {"best_psnr", exact(checkpoint.best_psnr)},
                  {"best_iteration", std::to_string(checkpoint.best_iteration)},
                  {"recipe", nlohmann::json(checkpoint.recipe).dump()}}};
    write_safetensors(folder_ / (std::to_string(checkpoint.iteration) + ".state"), file);

    auto old = files();
    int newer = 0;
    for (auto each = old.rbegin(); each != old.rend(); ++each)
        if (newer++ >= keep_ && each->first != checkpoint.best_iteration)
            std::filesystem::remove(each->second);
}

std::optional<Checkpoint> Checkpoints::last(
    const std::function<void(const std::string &)> &warn) const {
    auto found = files();
    for (auto each = found.rbegin(); each != found.rend(); ++each) {
        try {
            return read_checkpoint(each->second);
        } catch (const std::exception &error) {
            warn(std::string(error.what()) + "; the checkpoint before it is taken");
        }
    }
    if (!found.empty())
        throw std::runtime_error(folder_.string() +
                                 ": none of the checkpoints can be read; move them away to start "
                                 "anew");
    return {};
}

}  // namespace mdrn::training
