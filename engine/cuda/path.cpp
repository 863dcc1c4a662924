// SPDX-License-Identifier: BSD-2-Clause
#include "cuda/path.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <map>
#include <mutex>
#include <utility>
#include <vector>

#include "error.h"

namespace mdrn::cuda {
namespace {

using Values = std::vector<float>;

// Several tiles in each direction, none of them whole at the right and lower edge.
constexpr Size kSize{43, 37};

// A gradient and noise, planar RGB.
Values picture() {
    Values values;
    unsigned noise = 1;
    for (int c = 0; c < 3; ++c)
        for (int y = 0; y < kSize.height; ++y)
            for (int x = 0; x < kSize.width; ++x) {
                noise = noise * 1664525 + 1013904223;  // Numerical Recipes' generator
                const float slope = static_cast<float>(x + 2 * y + 30 * c) / 180;
                values.push_back(0.7F * slope + 0.3F * static_cast<float>(noise >> 8) / (1 << 24));
            }
    return values;
}

mdrn_image image_of(float *planes) {
    mdrn_image image = {};
    image.size = sizeof image;
    image.memory = MDRN_MEMORY_CUDA;
    image.width = kSize.width;
    image.height = kSize.height;
    image.layout.model = MDRN_COLOR_RGB;
    image.layout.components = 3;
    image.layout.is_float = 1;
    for (uint8_t c = 0; c < 3; ++c) {
        image.layout.component[c] = {c, sizeof(float), 0, 0, 32};
        image.data[c] = planes + c * kSize.width * kSize.height;
        image.stride[c] = kSize.width * sizeof(float);
    }
    return image;
}

// x and sum after two blocks, the fewest that have every kernel.
Values two_blocks(CudaStages &stages, Path path, const mdrn_image &image, int channels) {
    const size_t map = size_t(channels) * kSize.width * kSize.height;
    Values values(2 * map);
    stages.take(path);
    stages.prepare(kSize, Plan::fast);
    stages.unpack(image);
    stages.head();
    stages.block(0);
    stages.block(1);
    stages.read(Map::x, values.data());
    stages.read(stages.places().sum, values.data() + map);
    return values;
}

// Each path rounds to half about 40 times on the way, each time by at most 2^-11 of a value; errors
// are independent, so their squares add up.
constexpr float kMostDifference = 0.0044F;  // sqrt(80) 2^-11

// Root of the mean square, of the difference in proportion to the values; infinite where one of the
// values is not finite.
float difference(const Values &ours, const Values &expected) {
    double squares = 0, power = 0;
    for (size_t i = 0; i < expected.size(); ++i) {
        squares += std::pow(double{ours[i]} - expected[i], 2);
        power += std::pow(double{expected[i]}, 2);
    }
    const double proportion = std::sqrt(squares / power);
    return std::isfinite(proportion) ? static_cast<float>(proportion) : INFINITY;
}

float compare_paths(const Model &model, Cudnn *cudnn, cudaStream_t stream) {
    const Values planes = picture();
    const size_t bytes = planes.size() * sizeof(float);
    const DeviceMemory memory(bytes);
    const char *doing = "uploading the self-test's picture";
    check(cudaMemcpyAsync(memory.data(), planes.data(), bytes, cudaMemcpyHostToDevice, stream),
          doing);
    check(cudaStreamSynchronize(stream), doing);
    CudaStages stages(model, cudnn, true, stream, nullptr);
    const mdrn_image image = image_of(static_cast<float *>(memory.data()));
    const Values expected = two_blocks(stages, Path::cudnn, image, model.features);
    return difference(two_blocks(stages, Path::fused, image, model.features), expected);
}

}  // namespace

Path choose_path(const Context &context, const Model &model, const CudaOptions &options,
                 Cudnn *cudnn, cudaStream_t stream, const WarnOnce &warn) {
    const bool fused = can_fuse(model, options.half);
    if (options.path == MDRN_CUDA_PATH_FUSED && !fused)
        throw Error(MDRN_ERROR_UNSUPPORTED,
                    options.half
                        ? "the fused path is for models of 56 or 28 features, this one "
                          "has " +
                              std::to_string(model.features) + ": use cuda_path auto or cudnn"
                        : "the fused path computes in fp16: use precision auto or fp16, "
                          "or cuda_path auto or cudnn");
    if (options.path == MDRN_CUDA_PATH_CUDNN || !fused) return Path::cudnn;
    if (options.path == MDRN_CUDA_PATH_FUSED) return Path::fused;

    static std::mutex mutex;
    static std::map<std::pair<int, int>, float> known;  // by device and features
    const std::lock_guard lock(mutex);
    const std::pair kind(context.device(), model.features);
    auto found = known.find(kind);
    if (found == known.end())
        found = known.emplace(kind, compare_paths(model, cudnn, stream)).first;
    if (found->second <= kMostDifference) return Path::fused;
    char text[600];
    std::snprintf(
        text, sizeof text,
        "on %s the fused path differs from cuDNN's by %.3g of the values, more "
        "than the %.3g that rounding explains: cuDNN's computes, which is slower; please "
        "report this with all that stands here",
        context.description().c_str(), double{found->second}, double{kMostDifference});
    if (warn) warn(text);
    return Path::cudnn;
}

}  // namespace mdrn::cuda
