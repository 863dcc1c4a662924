// SPDX-License-Identifier: BSD-2-Clause
// All that a run needs to go on as if it had never stopped. Draws are functions of the seed and the
// iteration, and the learning rate one of the iteration, so there is no state of either.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <string>

#include "weights/safetensors.h"

namespace mdrn::training {

struct Checkpoint {
    int64_t iteration = 0;  // steps done, those skipped among them
    int64_t updates = 0;    // steps that changed the parameters
    int64_t lr_pixels = 0;  // seen
    double best_psnr = -1;  // of all validations, dB; -1: there was none
    int64_t best_iteration = 0;
    std::map<std::string, std::string> recipe;  // Recipe::values
    std::map<std::string, Tensor> tensors;      // State::save()
};

// Throws std::runtime_error or mdrn::Error that names the file.
Checkpoint read_checkpoint(const std::filesystem::path &file);

// The folder of a run's checkpoints, "<iteration>.state" each.
class Checkpoints {
public:
    // keep: how many of the last ones stay; the best one does too.
    Checkpoints(const std::filesystem::path &folder, int keep);

    // Written whole or not at all; then older ones are removed.
    void write(const Checkpoint &checkpoint);

    // The last one that can be read. Throws std::runtime_error where there are some and none can;
    // one that cannot be is told to `warn`.
    std::optional<Checkpoint> last(const std::function<void(const std::string &)> &warn) const;

private:
    std::map<int64_t, std::filesystem::path> files() const;  // by iteration

    std::filesystem::path folder_;
    int keep_;
};

}  // namespace mdrn::training
