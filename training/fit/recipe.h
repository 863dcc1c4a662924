// SPDX-License-Identifier: BSD-2-Clause
// What a run does: a YAML file with BasicSR's names and nesting, and `key=value` beside it. Every
// key there is stands in recipe_keys.cpp.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "fit/schedule.h"

namespace mdrn::training {

struct Loss {
    enum class Type { l1, mse, charbonnier };
    Type type = Type::l1;
    double weight = 1;
    double eps = 1e-12;  // Charbonnier: sqrt(difference^2 + eps)
};

// A stretch of the run with a loss and a schedule of its own. The schedule counts from its start.
struct Phase {
    Loss loss;
    Schedule schedule;
};

struct Recipe {
    // Data
    std::vector<std::string> dataroot_gt, dataroot_lq;  // folders, LMDBs or videos
    int gt_size = 256;  // side of an HR crop at the first scale, pixels; LR crops are of one size
    int batch_size_per_gpu = 64;
    int num_worker_per_gpu = 0;  // loader threads; 0: as many as cores allow
    bool use_hflip = true, use_rot = true;
    bool gradient_crops = false;  // crops drawn by gradient energy
    bool strict = false;          // an unusable picture fails the run
    std::vector<std::string> val_dataroot_gt, val_dataroot_lq;

    // Network
    std::string network = "mdrn";  // a name that architecture() knows
    std::vector<int> scales;       // one body, an upsampler each
    // Weights to start from: one model, or one of each scale; the last one's body. Empty: none.
    std::vector<std::string> pretrain_network;
    std::string init = "pytorch";  // or interpolator
    uint64_t seed = 0;

    // Steps
    std::vector<Phase> phases;  // at least one
    double beta1 = 0.9, beta2 = 0.99, weight_decay = 0;
    double grad_clip = 0;  // largest norm of the gradient; 0: any
    double ema_decay = 0.999;
    std::string precision = "fp32";  // or bf16, for LibTorch's own layers: most of them on CUDA
    std::string device = "auto";     // cpu, cuda; auto: cuda where there is one
    int threads = 0;                 // 0: OMP_NUM_THREADS, else one a core

    // What a run leaves
    std::string out;  // folder
    int64_t val_freq = 5000, print_freq = 100, save_checkpoint_freq = 5000;
    int keep_checkpoints = 3;
    std::string resume_state;  // a checkpoint to start from in a new folder; empty: none

    // Every key given, by its full name, and its value as it was written.
    std::map<std::string, std::string> values;
    // Keys of BasicSR that have no meaning here.
    std::vector<std::string> ignored;

    int64_t total_iter() const;
    // The phase of step `done` and the number of steps done in it.
    std::pair<const Phase *, int64_t> phase(int64_t done) const;
};

// Reads `file` and then `overrides`, each "key=value" with a full name ("train.total_iter") or,
// where only its end is given ("total_iter"), the first such key of recipe_keys.cpp; the same holds
// in the file. A null value is as good as none. Throws std::runtime_error that names file and line
// for what is no YAML, for unknown keys (with the nearest one there is), for wrong types and
// ranges.
Recipe read_recipe(const std::filesystem::path &file, const std::vector<std::string> &overrides);

// The recipe as YAML that read_recipe reads.
std::string to_yaml(const std::map<std::string, std::string> &values);

}  // namespace mdrn::training
