// SPDX-License-Identifier: BSD-2-Clause
// The seam between the network and what computes it. A backend is these stages plus its memory.
//
// Notation: C features, D = C/2, f = C/4, s = scale, H x W the size that is computed.
// BSConv = 1x1, then 3x3 depthwise with bias and *reflect* padding. GELU is the exact one (erf).
// Formula numbers are the paper's (see model.h).
#pragma once

#include <cstdint>
#include <string>

#include "mdrn.h"
#include "stopwatch.h"

namespace mdrn {

struct Size {
    int width = 0;
    int height = 0;
    bool operator==(const Size &) const = default;
};

// The maps of C channels that the network passes between stages. Layout and type are the backend's.
enum class Map {
    x,      // head's output f0, then that of the last block
    fused,  // inside a block: distillation's output, then MDSA's
};
inline constexpr int kMaps = 2;

// What a backend trades against time; the bits are the same.
enum class Plan {
    fast,
    small,  // less memory: some of what the fast plan keeps is computed twice
};

// Not thread safe. Stages throw Error. Where the backend is asynchronous, all that is called for a
// picture may return before it is done; finish() waits.
class Stages {
public:
    virtual ~Stages() = default;  // waits for what is under way

    // What computes, for the user to read: "CPU (AVX2), fp32, 2 threads".
    virtual std::string description() const = 0;

    // Whether a stage is done when its function returns, so that it can be timed.
    virtual bool waits() const { return false; }

    // Times the stages of run_network().
    Stopwatch watch;

    // Whether images may lie in this memory.
    virtual bool reaches(mdrn_memory memory) const = 0;

    // Bytes that are free where the maps lie; 0 where that is not known.
    virtual uint64_t free_memory() const = 0;

    // Bytes that frames of this size need.
    virtual uint64_t memory_needed(Size size, Plan plan) const = 0;

    // Frees what it had, then allocates and touches all memory for frames of this size (each side
    // at least kSmallest).
    virtual void prepare(Size size, Plan plan) = 0;

    // Planes of the image -> RGB in [0, 1] (3, H, W), according to its matrix, range and siting.
    // An image smaller than the prepared size is extended by its last column and row.
    virtual void unpack(const mdrn_image &image) = 0;

    // Around head ... tail. false: a backend that keeps a record of them has repeated it, and they
    // are left out.
    virtual bool begin() { return true; }
    virtual void end() {}

    // Eq. 8: x = f0 = conv3x3(rgb - mean), zero padding. The shifted mean is the data set's.
    virtual void head() = 0;

    // Eq. 5-6, with r0 = x:
    //   d_k = GELU(c{k}_d r_{k-1}),  r_k = GELU(BSConv c{k}_r r_{k-1} + r_{k-1}),   k = 1, 2, 3
    //   d_4 = GELU(BSConv c4 r_3),   fused = c5 [d_1 d_2 d_3 d_4]
    virtual void distill(int block) = 0;

    // Eq. 1-3, on fused in place: c = conv1 fused; for i = 0, 1, 2:
    //   t_i = BSConv conv2_i c, stride 2;  p_i = max-pool of t_i, stride 3: 3x3 pad 1, 5x5 pad 0,
    //   7x7 pad 1; to p_2 the unbiased local variance (7x7, stride 3, reflect-padded by 1) of
    //   BSConv conv2_3 c is added;  v_i = BSConv conv3_i GELU(BSConv conv_max_i p_i)
    //   fused *= 1 + sigmoid(conv4(up(v_0) + up(v_1) + up(v_2) + conv_f c))
    // up: bilinear to H x W, half-pixel centres.
    virtual void mdsa(int block) = 0;

    // Eq. 4 and 7: y = GELU(body.0 fused); a = sigmoid(conv_du.2 ReLU(conv_du.0 (mean(y) +
    // std(y)))), per channel over the whole frame, std biased; x += dw3x3(a y) + fused, where the
    // depthwise pads with zeros.
    virtual void ecca(int block) = 0;

    // Eq. 10, as a running sum: sum (+)= c1's columns of this block times x; c1's bias first.
    virtual void gather(int block) = 0;

    // distill, mdsa, ecca and gather, in one where that saves passes over the maps; each is a lap.
    virtual void block(int block) {
        distill(block);
        watch.lap(MDRN_STAGE_DISTILL);
        mdsa(block);
        watch.lap(MDRN_STAGE_MDSA);
        ecca(block);
        watch.lap(MDRN_STAGE_ECCA);
        gather(block);
        watch.lap(MDRN_STAGE_GATHER);
    }

    // Eq. 11: hr = shuffle(conv3x3(BSConv c2 GELU(sum) + f0)) + mean, zero padding: (3, sH, sW).
    virtual void tail() = 0;

    // hr -> planes of the image, cropped to its size; integers rounded and clipped, float as it is.
    // Of one picture any number of times.
    virtual void pack(const mdrn_image &image) = 0;

    // Waits until the oldest picture that was packed and not waited for is whole. One in CUDA
    // memory is whole when what has been enqueued by then is.
    virtual void finish() {}
};

// Reflect padding in MDSA's smallest maps needs frames of at least 15 x 15 pixels.
inline constexpr int kSmallest = 15;

inline constexpr float kMean[3] = {0.4488F, 0.4371F, 0.4040F};

}  // namespace mdrn
