// SPDX-License-Identifier: BSD-2-Clause
// A model's weights on the device, laid out as the kernels and convolutions read them.
#pragma once

#include <cstddef>

#include "cuda/arena.h"
#include "cuda/channels.h"
#include "model.h"

namespace mdrn::cuda {

// A 1x1 convolution's weights as fragments.h multiplies them: for each step of 16 or 8 inputs, each
// tile of 8 outputs and each lane the four or two that its registers of B hold, with zeros beyond.
struct Fragments {
    const void *data;  // (steps, tiles, 32) uint2
};

// Weights of convolutions ("void") are (outputs, k, k, inputs) in the maps' type, without bias;
// all others are float.
struct Depthwise {
    const float *taps;  // (9, channels)
    const float *bias;  // (channels)
};

struct MixWeights {
    const float *conv_max_pw, *conv3_pw;  // (f, f), transposed: inputs first
    Depthwise conv_max, conv3;
};

// The fused distillation's: c{k}_r.pw, c{k}_d, c4.pw; c5's columns of each d_k; MDSA's conv1.
struct FusedDistill {
    Fragments c_r[3], c_d[3], c4, c5[4], conv1;
    const float *c5_bias;
};

struct EadbWeights {
    struct {
        const void *stacked;  // [c{k}_r.pw ; c{k}_d]
        Depthwise dw;         // c{k}_r.dw
        const float *d_bias;  // c{k}_d.bias
    } refine[3];
    const void *c4_pw;
    Depthwise c4_dw;
    const void *c5;  // with its bias, for the channel of 1

    const void *conv1;
    const float *conv2_pw;     // (strided / kGroup, dispersed, kGroup)
    const float *conv2_start;  // (strided): conv2's pw of conv1's bias
    Depthwise conv2;           // strided channels
    MixWeights mix[3];
    const float *conv_f;       // (f, mixed)
    const float *conv_f_bias;  // (mixed): with conv_f of conv1's bias
    const float *conv4;        // (mixed, C), transposed
    const float *conv4_bias;   // (C)

    const void *body_0;
    const float *body_0_bias;
    const float *conv_du_0, *conv_du_0_bias;  // (squeezed, C)
    const float *conv_du_2, *conv_du_2_bias;  // (C, squeezed)
    Depthwise body_3;

    const void *c1;  // this block's columns

    // The same for the fused path, where there is one.
    struct {
        FusedDistill distill;
        Fragments conv_f, conv4, body_0, c1;
    } fused;
};

// Uploaded when made. Belongs to the context that is current then.
class Weights {
public:
    // fused: with those of the fused path.
    Weights(const Model &model, bool fp16, bool fused, cudaStream_t stream);

    const void *fea_conv;  // (C, 3, 3, 4), with its bias, for the channel of 1
    EadbWeights blocks[kBlocks];
    const float *c1_bias;
    const void *c2_pw;
    Depthwise c2_dw;
    const void *upsampler;
    const float *upsampler_bias;  // (3s²), with the mean in it

private:
    class Packer;
    void pack(const Model &model, Packer &packer);
    void pack_block(const Model &model, int index, Packer &packer);
    void pack_mdsa(const Mdsa &mdsa, const Channels &channels, Packer &packer, EadbWeights &block);

    const bool fused_;

    DeviceMemory memory_;
};

}  // namespace mdrn::cuda
