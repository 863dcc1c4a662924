// SPDX-License-Identifier: BSD-2-Clause
// Random weights and maps for every stage, and what a backend makes of them.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <functional>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "host.h"
#include "model.h"
#include "planes.h"

namespace mdrn::test {

inline uint64_t seed_of_run() {
    static const uint64_t seed = [] {
        const char *given = std::getenv("MDRN_SEED");
        return given ? std::strtoull(given, nullptr, 10) : std::random_device{}();
    }();
    return seed;
}

// Of the CPU's targets, by name; the others round a product before it is added.
inline bool fuses_multiply_add(const std::string &target) {
    return target.starts_with("AVX") || target.starts_with("NEON");
}

using Random = std::mt19937_64;

// Weights of about the size that keeps a map's magnitude from layer to layer.
inline Model random_model(int features, int scale, Random &random) {
    Model model;
    model.features = features;
    model.scale = scale;
    model.visit([&](const std::string &, const std::vector<int64_t> &shape, Values &values) {
        size_t size = 1;
        for (int64_t n : shape) size *= static_cast<size_t>(n);
        const float fan_in = shape.size() == 1 ? 100.0F : static_cast<float>(size) / shape[0];
        std::normal_distribution<float> normal(0, 1 / std::sqrt(fan_in));
        values.resize(size);
        for (float &value : values) value = normal(random);
    });
    return model;
}

enum class Content { random, impulses, extremes, constant };

inline Values make(Content content, int channels, Size size, Random &random) {
    Values values(static_cast<size_t>(channels) * size.width * size.height);
    const size_t plane = static_cast<size_t>(size.width) * size.height;
    std::normal_distribution<float> normal;
    switch (content) {
        case Content::random:
            for (float &value : values) value = normal(random);
            break;
        case Content::impulses:
            for (int c = 0; c < channels; ++c)
                for (size_t corner :
                     {size_t{0}, size_t(size.width - 1), plane - size.width, plane - 1})
                    values[c * plane + corner] = 1;
            break;
        case Content::extremes:
            for (float &value : values) value = random() % 2 ? 30.0F : -30.0F;
            break;
        case Content::constant:
            for (float &value : values) value = 0.25F;
            break;
    }
    return values;
}

struct Stage {
    const char *name;
    std::function<void(HostStages &)> run;
    std::vector<Map> in;
    Map out;
};

inline const std::vector<Stage> kStages{
    {"head", [](HostStages &stages) { stages.head(); }, {}, Map::x},
    {"distill", [](HostStages &stages) { stages.distill(2); }, {Map::x}, Map::fused},
    {"mdsa", [](HostStages &stages) { stages.mdsa(5); }, {Map::fused}, Map::fused},
    {"ecca", [](HostStages &stages) { stages.ecca(3); }, {Map::x, Map::fused}, Map::x},
};

struct Result {
    std::string stage;
    Size size;
    Values values;  // (C, H, W)
};

// Runs every stage on its own on the same maps, with all that it should not read poisoned before.
inline std::vector<Result> run_stages(HostStages &stages, const Model &model, Size size, Plan plan,
                                      Content content, Random random) {
    Values rgb = make(content, 3, size, random);
    // As unpack leaves it.
    for (float &value : rgb) value = std::clamp(value, 0.0F, 1.0F);
    const Values x = make(content, model.features, size, random);
    const Values fused = make(content, model.features, size, random);
    const Values poison(x.size(), std::numeric_limits<float>::quiet_NaN());
    stages.prepare(size, plan);
    set_rgb(stages, rgb.data());
    std::vector<Result> results;
    Values out(x.size());
    for (const Stage &stage : kStages) {
        for (Map map : {Map::x, Map::fused}) stages.write(map, poison.data());
        for (Map map : stage.in) stages.write(map, (map == Map::fused ? fused : x).data());
        stage.run(stages);
        stages.read(stage.out, out.data());
        results.push_back({stage.name, size, out});
    }
    stages.head();  // f0, for the tail
    for (int block = 0; block < kBlocks; ++block) {
        stages.write(Map::x, (block % 2 ? x : fused).data());
        stages.gather(block);
    }
    stages.tail();
    const Size large{size.width * model.scale, size.height * model.scale};
    results.push_back({"gather and tail", large, get_hr(stages)});
    return results;
}

}  // namespace mdrn::test
