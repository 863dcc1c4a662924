// SPDX-License-Identifier: BSD-2-Clause
// How many patches a second the trainer's loader makes, first as pictures are decoded, then of
// decoded ones.
//
// mdrn-bench-loader [--lr FOLDER] [--scale N] [--patch LR_PIXELS] [--batch N] [--threads N]
//                   [--seconds N] [--cache MIB] [--energy] FOLDER…
#include "data/loader.h"

#include <CLI/CLI.hpp>
#include <chrono>
#include <cstdio>
#include <exception>

namespace {

using namespace mdrn::training;
using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) {
    return std::chrono::duration<double>(Clock::now() - start).count();
}

void measure(Loader &loader, int64_t &iteration, double seconds, const char *what) {
    const Clock::time_point start = Clock::now();
    int64_t patches = 0;
    while (seconds_since(start) < seconds) patches += loader.take(iteration++).count;
    std::printf("%s: %.0f patches/s, %.0f MiB of pictures in memory\n", what,
                double(patches) / seconds_since(start),
                double(loader.stats().cached_bytes) / (1 << 20));
}

}  // namespace

int main(int argc, char **argv) {
    CLI::App program("Measures mdrn-train's loader.");
    DataOptions options;
    std::string lr;
    int scale = 4;
    size_t cache = 4096;
    double seconds = 5;
    program.add_option("hr", options.dataroot_gt)->required();
    program.add_option("--lr", lr);
    program.add_option("--scale", scale);
    program.add_option("--patch", options.lq_size);
    program.add_option("--batch", options.count);
    program.add_option("--threads", options.threads);
    program.add_option("--seconds", seconds);
    program.add_option("--cache", cache);
    program.add_flag("--energy", options.by_energy);
    CLI11_PARSE(program, argc, argv);
    try {
        options.scales = {scale};
        if (!lr.empty()) options.dataroot_lq[scale] = {lr};
        options.cache_bytes = 0;
        int64_t iteration = 0;
        {
            Loader loader(options);
            std::printf("%zu pictures\n", loader.size());
            measure(loader, iteration, seconds, "decoding each");
        }
        options.cache_bytes = cache << 20;
        Loader loader(options);
        // Once through all of them, so that what fits is in memory.
        const int64_t epoch = int64_t(loader.size()) / options.count + 1;
        for (int64_t i = 0; i < epoch; ++i) loader.take(iteration++);
        measure(loader, iteration, seconds, "decoded once");
    } catch (const std::exception &error) {
        std::fprintf(stderr, "%s\n", error.what());
        return 1;
    }
}
