// SPDX-License-Identifier: BSD-2-Clause
#include "fit/start.h"

#include <cstdlib>
#include <stdexcept>
#include <thread>

#include "fit/patches.h"
#include "network/initialise.h"

namespace mdrn::training {
namespace {

std::vector<std::filesystem::path> paths(const std::vector<std::string> &names) {
    return {names.begin(), names.end()};
}

std::map<int, std::vector<std::filesystem::path>> low(const std::vector<std::string> &names,
                                                      const Recipe &recipe) {
    if (names.empty()) return {};
    return {{recipe.scales[0], paths(names)}};
}

constexpr int64_t kInterpolatorBatches = 4;  // of each scale

std::map<int, Crops> crops_for_interpolator(const Recipe &recipe, Loader &loader) {
    std::map<int, Crops> crops;
    int64_t scales = int64_t(recipe.scales.size());
    for (int64_t i = 0; i < kInterpolatorBatches * scales; i++) {
        Batch batch = loader.take(i);
        int64_t lq_size = batch.lq_size, gt_size = batch.scale * lq_size;
        Crops part{to_tensor(batch.lq, batch.count, lq_size, lq_size, torch::kCPU),
                   to_tensor(batch.gt, batch.count, gt_size, gt_size, torch::kCPU)};
        Crops &all = crops[batch.scale];
        all.lq = all.lq.defined() ? torch::cat({all.lq, part.lq}) : part.lq;
        all.gt = all.gt.defined() ? torch::cat({all.gt, part.gt}) : part.gt;
    }
    return crops;
}

bool of_the_network(const std::string &key) {
    return key == "network_g.type" || key == "scale" || key == "scales";
}

std::string value_of(const std::map<std::string, std::string> &recipe, const std::string &key) {
    auto found = recipe.find(key);
    return found == recipe.end() ? "its default" : found->second;
}

void compare(const std::map<std::string, std::string> &before,
             const std::map<std::string, std::string> &now, const Say &say) {
    std::map<std::string, std::string> all = before;
    all.insert(now.begin(), now.end());
    for (auto &[key, value] : all) {
        if (key == "out" || key == "path.resume_state") continue;
        std::string from = value_of(before, key), to = value_of(now, key);
        if (from == to) continue;
        std::string change = key + " was " + from + " and is " + to;
        if (of_the_network(key))
            throw std::runtime_error("the checkpoint is of another network: " + change +
                                     "; say another out=FOLDER, or path.pretrain_network_g=FILE to "
                                     "start from weights");
        say("changed since the checkpoint: " + change);
    }
}

}  // namespace

torch::Device choose_device(const Recipe &recipe) {
    if (recipe.threads > 0)
        at::set_num_threads(recipe.threads);
    else if (!std::getenv("OMP_NUM_THREADS"))
        at::set_num_threads(int(std::thread::hardware_concurrency()));
    at::globalContext().setDeterministicCuDNN(true);
    at::globalContext().setBenchmarkCuDNN(false);
    bool there = torch::cuda::is_available();
    if (recipe.device == "cuda" && !there)
        throw std::runtime_error("device is cuda, but this LibTorch finds no CUDA device");
    if (recipe.device == "cpu" || !there) return torch::kCPU;
    return torch::Device(torch::kCUDA, c10::DeviceIndex(local_rank()));
}

DataOptions data_options(const Recipe &recipe, const Group &group, const Say &warn) {
    DataOptions options;
    options.dataroot_gt = paths(recipe.dataroot_gt);
    options.dataroot_lq = low(recipe.dataroot_lq, recipe);
    options.scales = recipe.scales;
    options.lq_size = recipe.gt_size / recipe.scales[0];
    options.count = recipe.batch_size_per_gpu;
    options.use_hflip = recipe.use_hflip;
    options.use_rot = recipe.use_rot;
    options.by_energy = recipe.gradient_crops;
    options.strict = recipe.strict;
    options.seed = recipe.seed;
    options.rank = group.rank();
    options.world = group.size();
    options.threads = recipe.num_worker_per_gpu;
    options.warn = warn;
    return options;
}

Listing validation_pictures(const Recipe &recipe, const Say &say) {
    if (recipe.val_dataroot_gt.empty()) return {};
    Listing listing =
        list_pictures(paths(recipe.val_dataroot_gt), low(recipe.val_dataroot_lq, recipe));
    for (auto &problem : listing.problems) say(problem);
    return listing;
}

void first_weights(Network &network, const Recipe &recipe, Loader &loader) {
    if (recipe.init == "interpolator")
        initialise(network, Init::interpolator, recipe.seed,
                   crops_for_interpolator(recipe, loader));
    else
        initialise(network, Init::pytorch, recipe.seed);
    for (auto &file : recipe.pretrain_network) network.load(read_safetensors(file));
}

std::optional<Checkpoint> checkpoint_to_resume(const Recipe &recipe, const Checkpoints &checkpoints,
                                               const Say &say) {
    std::optional<Checkpoint> found = checkpoints.last(say);
    if (!found && !recipe.resume_state.empty()) found = read_checkpoint(recipe.resume_state);
    if (!found) return {};
    compare(found->recipe, recipe.values, say);
    auto val = [](const std::map<std::string, std::string> &values) {
        return value_of(values, "datasets.val.dataroot_gt") + "\n" +
               value_of(values, "datasets.val.dataroot_lq");
    };
    if (val(found->recipe) != val(recipe.values)) found->best_psnr = -1;
    return found;
}

}  // namespace mdrn::training
