// SPDX-License-Identifier: BSD-2-Clause
// The stages on the GPU. Maps are (H, W, channels) of half or float; arithmetic is float.
// Convolutions are convolution.h's, all without bias; what lies between them are kernels, one file
// for each stage.
#pragma once

#include <cuda_fp16.h>

#include <memory>

#include "cuda/arena.h"
#include "cuda/channels.h"
#include "cuda/convolution.h"
#include "cuda/launch.h"
#include "cuda/picture.h"
#include "cuda/weights.h"
#include "frame.h"

namespace mdrn::cuda {

struct SmallMap {
    float *data;  // (height, width, f); mixed: (height, width, mixed), the rest 0
    int height, width;
};

// One part of a frame's statistics: of one channel over neighbouring pixels.
struct Moments {
    float mean;
    float m2;  // sum of squared differences from the mean
};
inline constexpr int kMostParts = 512;

// How a frame's statistics are shared out: each part has some of the segments that rows of `width`
// pixels consist of, the last of a row with what is left.
struct Parts {
    size_t segments;
    int width, segment;
    int count;

    int in_row() const { return (width + segment - 1) / segment; }
};

// MDSA's small maps, of stride 6; pooled[3] is the local variance, of pooled[2]'s size.
struct Branches {
    SmallMap pooled[4], mixed[3];

    double mixed_bytes(const Channels &n) const {
        double cells = 0;
        for (const SmallMap &map : mixed) cells += double(map.height) * map.width;
        return cells * n.mixed * sizeof(float);
    }
};

// Where things lie for one size of frame. A map's place is another's where the first is done with.
struct Places {
    // fused: for the fused path.
    Places(Carver &carver, const Channels &channels, Size size, bool fp16, bool fused,
           size_t workspace);

    void *rgb;          // (H, W, 4): R, G, B, clipped, less the mean; 1
    void *maps[kMaps];  // (H, W, C); fused also holds r_1 to r_3, and the tail's maps
    void *sum;          // (H, W, C): gather's, without bias
    void *stacked;    // (H, W, stacked), none of that on the fused path; also body_0's, c2.pw's and
                      // the upsampler's output
    void *distilled;  // (H, W, distilled); null on the fused path
    void *dispersed;  // (H, W, dispersed): conv1's output, without bias
    Branches branches;
    Moments *parts;    // (kMostParts, C)
    float *attention;  // (C)
    void *excess;      // (H, W, 4): of R, G, B what is outside 0 to 1
    float *alpha;      // (H, W)
    int *odd;          // not 0 where a sample was not finite
    void *workspace;
};

// How blocks are computed; what lies around them is the same.
enum class Path {
    cudnn,  // convolutions by cuDNN, kernels between them
    fused,  // few kernels, in which tensor cores multiply what is in registers
};

// Whether there is a fused path for this model: for C = 56 and 28, in fp16.
inline bool can_fuse(const Model &model, bool fp16) {
    return fp16 && (model.features == 56 || model.features == 28);
}

class CudaStages final : public Stages {
public:
    // cudnn must outlive the stages (null: no cuDNN, plain kernels instead). The context that is
    // current now is current in every call, and when they go. The path is cuDNN's.
    CudaStages(const Model &model, Cudnn *cudnn, bool fp16, cudaStream_t stream, WarnOnce warn);
    ~CudaStages() override;

    // fused: only where can_fuse(). Before prepare().
    void take(Path path) { fused_ = path == Path::fused; }
    Path path() const { return fused_ ? Path::fused : Path::cudnn; }

    std::string description() const override { return half_ ? "fp16" : "fp32"; }
    // There is one plan only.
    uint64_t memory_needed(Size size, Plan plan) const override;
    // Warns where cuDNN has no plan for a convolution.
    void prepare(Size size, Plan plan) override;
    // Pictures are in device memory. Throws Error(MDRN_ERROR_UNSUPPORTED) for a matrix that is not
    // linear.
    void unpack(const mdrn_image &image) override;
    void head() override;
    void distill(int block) override;
    void mdsa(int block) override;
    void ecca(int block) override;
    void gather(int block) override;
    void block(int block) override;
    void tail() override;
    void pack(const mdrn_image &image) override;
    void finish() override;
    bool reaches(mdrn_memory memory) const override { return memory == MDRN_MEMORY_CUDA; }
    uint64_t free_memory() const override;

    // Warns of what pictures that are done have shown.
    void warn_of_odd();

    // Where work is enqueued from now on, and who is told of each launch.
    Queue &queue() { return queue_; }

    // A block on the fused path, in three steps.
    void fused_distill(int block);  // x -> fused, dispersed
    void mix_dispersed(int block);  // dispersed -> mixed
    // x, fused, dispersed, mixed -> x: MDSA's gate, ECCA and, for the block before and this one,
    // where this one is odd, gather. x is that of the block before.
    void fused_ecca(int block);

    // For tests and the self-test: where things lie, and a map from and to (C, H, W) without gaps,
    // after all that was enqueued before.
    const Places &places() const { return *places_; }
    void read(Map map, float *chw) { read(this->map(map), chw); }
    void read(const void *map, float *chw);  // of C channels
    void write(Map map, const float *chw);

private:
    // Calls run with half or float as its template argument.
    template <typename Run>
    void with_type(Run run) const;

    void convolve(const Convolution &convolution, const char *name, int inputs, int outputs,
                  int kernel, const void *x, const void *weight, void *y);
    void fill_distilled();                       // the channel of 1
    void attend(int block, const Parts &parts);  // their moments -> attention
    template <int C>
    void fused_ecca_of(int block);

    size_t pixels() const { return size_t(size_.width) * size_t(size_.height); }
    double map_bytes(int channels) const { return double(pixels()) * channels * (half_ ? 2 : 4); }
    void *map(Map which) const { return places_->maps[static_cast<int>(which)]; }

    const Channels channels_;
    Cudnn *const cudnn_;
    const bool half_;
    bool fused_ = false;
    const WarnOnce warn_;
    Queue queue_;
    Weights weights_;

    Size size_;
    DeviceMemory arena_;
    std::unique_ptr<Convolutions> convolutions_;
    std::unique_ptr<Places> places_;

    int untagged_ = 0;    // the matrix of untagged pictures, by the size of the last one unpacked
    Size alpha_size_;     // of the alpha in places_->alpha; 0 = there is none
    int *odd_ = nullptr;  // pinned copy of places_->odd, for the host to look at
};

template <typename Run>
void CudaStages::with_type(Run run) const {
    if (half_)
        run.template operator()<__half>();
    else
        run.template operator()<float>();
}

}  // namespace mdrn::cuda
