// SPDX-License-Identifier: BSD-2-Clause
// Batches of patches for training, made ahead by threads. What a batch holds is a function of the
// options, the pictures and the iteration, whatever the number of threads and of processes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace mdrn::training {

struct DataOptions {
    // Folders, searched recursively for pictures and videos; videos; LMDBs; lists (layouts.h).
    std::vector<std::filesystem::path> dataroot_gt;
    // Low-resolution pictures by scale. Without, those that dataroot_gt holds, else MATLAB's
    // bicubic.
    std::map<int, std::vector<std::filesystem::path>> dataroot_lq;
    std::vector<int> scales = {4};  // iteration i is of scales[i % size]
    int lq_size = 64;               // width and height of a low-resolution patch, pixels
    int count = 64;                 // patches in this process's batch
    bool use_hflip = true;          // half of the patches mirrored left to right
    bool use_rot = true;            // half upside down, and half of all transposed
    bool by_energy = false;  // of 8 places, one with a likelihood proportional to its gradients
    bool strict = false;     // a picture that cannot be used is an error
    uint64_t seed = 0;
    int rank = 0, world = 1;               // this process among all that train together
    int threads = 0;                       // 0: one a core
    int ahead = 4;                         // batches made before they are asked for
    size_t cache_bytes = size_t(1) << 30;  // of decoded pictures kept in memory
    // Called, from any thread but one at a time, with what is wrong with a picture that is skipped.
    std::function<void(const std::string &)> warn;
};

struct Batch {
    int64_t iteration = 0;
    int scale = 0, count = 0, lq_size = 0;
    std::vector<uint8_t> lq;  // (count, lq_size, lq_size, 3)
    std::vector<uint8_t> gt;  // (count, scale x lq_size, scale x lq_size, 3)
};

struct Stats {
    int64_t patches = 0;        // taken since the loader began
    double seconds = 0;         // since then
    double seconds_waited = 0;  // of them in take()
    int64_t skipped = 0;        // pictures found so far that cannot be used, at a scale
    int64_t duplicates = 0;     // of videos' frames, those like the one before
    size_t cached_bytes = 0;
    double patches_per_second() const { return seconds > 0 ? double(patches) / seconds : 0; }
};

// take() and stats() are for one thread.
class Loader {
public:
    // Throws std::runtime_error where there is no picture, or options contradict each other; with
    // strict, also for what is wrong with the pictures' names.
    explicit Loader(const DataOptions &options);
    ~Loader();
    Loader(const Loader &) = delete;

    // The batch of an iteration; those that follow are made meanwhile, so iterations are best asked
    // for in order. All processes together go through every picture once before any comes again.
    // A picture that cannot be used gives way to the next in the order of names. Throws
    // std::runtime_error where none can be used, or, with strict, at the first that cannot.
    Batch take(int64_t iteration);

    Stats stats() const;
    size_t size() const;  // pictures

private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace mdrn::training
