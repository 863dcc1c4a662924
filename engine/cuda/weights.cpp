// SPDX-License-Identifier: BSD-2-Clause
#include "cuda/weights.h"

#include <cuda_fp16.h>

#include <cstring>
#include <vector>

#include "frame.h"

namespace mdrn::cuda {

namespace {

using Values = std::vector<float>;

void append(Values &to, const Values &values) {
    to.insert(to.end(), values.begin(), values.end());
}

// (outputs, inputs) with rows and columns of zeros added.
Values padded(const Values &weight, int outputs, int inputs, int rows, int columns) {
    Values all(static_cast<size_t>(rows) * columns);
    for (int o = 0; o < outputs; ++o)
        for (int i = 0; i < inputs; ++i) all[o * columns + i] = weight[o * inputs + i];
    return all;
}

// Some columns of (rows, ...).
Values columns(const Values &weight, int rows, int first, int count) {
    Values all;
    for (int r = 0; r < rows; ++r) {
        const auto row = weight.begin() + r * static_cast<ptrdiff_t>(weight.size() / rows) + first;
        all.insert(all.end(), row, row + count);
    }
    return all;
}

// (rows, columns) -> (columns, rows)
Values transposed(const Values &weight, int rows, int columns) {
    Values all(weight.size());
    for (int r = 0; r < rows; ++r)
        for (int c = 0; c < columns; ++c) all[c * rows + r] = weight[r * columns + c];
    return all;
}

// (outputs, inputs, 3, 3) -> (rows, 3, 3, columns), the rest zeros
Values channels_last(const Values &weight, int outputs, int inputs, int rows, int columns) {
    Values all(static_cast<size_t>(rows) * 9 * columns);
    for (int o = 0; o < outputs; ++o)
        for (int i = 0; i < inputs; ++i)
            for (int k = 0; k < 9; ++k)
                all[(o * 9 + k) * columns + i] = weight[(o * inputs + i) * 9 + k];
    return all;
}

// The channel that fragments.h has at this column of this tile, of channels in all.
int channel_at(int channels, int tile, int column) {
    if (tile < channels / 16 * 2) return tile / 2 * 16 + column / 2 * 4 + tile % 2 * 2 + column % 2;
    return tile * 8 + column;
}

// weight (rows, columns) times vector, plus start where there is one
Values product(const Values &weight, const Values &vector, const Values &start) {
    Values all;
    for (size_t row = 0; row < weight.size() / vector.size(); ++row) {
        double sum = start.empty() ? 0 : start[row];
        for (size_t i = 0; i < vector.size(); ++i)
            sum += double{weight[row * vector.size() + i]} * vector[i];
        all.push_back(static_cast<float>(sum));
    }
    return all;
}

}  // namespace

// Lays tensors out one after another, for addresses from base on.
class Weights::Packer {
public:
    Packer(bool fp16, const void *base)
        : half_(fp16), carver_(const_cast<void *>(base)), base_(base) {}

    const float *floats(const Values &values) {
        auto *at = carver_.floats(values.size());
        copy(at, values.data(), values.size() * sizeof(float));
        return at;
    }
    const void *convolution(const Values &weight) {
        if (!half_) return floats(weight);
        std::vector<__half> halves;
        for (float value : weight) halves.push_back(__float2half_rn(value));
        return words(halves);
    }
    // (outputs, inputs), by PTX's table of B: register r of lane l has rows 2 (l % 4) + 8 r and the
    // next of column l / 4.
    Fragments fragments(const Values &weight, int outputs, int inputs) {
        std::vector<__half> halves;
        for (int step = 0; step < round_up(inputs, 16) / 16; ++step)
            for (int tile = 0; tile < round_up(outputs, 8) / 8; ++tile)
                for (int i = 0; i < 32 * 4; ++i) {
                    const int lane = i / 4, in_tile = 2 * step + i / 2 % 2;
                    const int output = channel_at(outputs, tile, lane / 4);
                    const int input = channel_at(inputs, in_tile, lane % 4 * 2 + i % 2);
                    const bool there = output < outputs && input < inputs;
                    halves.push_back(__float2half_rn(there ? weight[output * inputs + input] : 0));
                }
        return {words(halves)};
    }
    // (channels, 1, 3, 3) -> (9, channels)
    Depthwise depthwise(const Conv &conv) {
        return {floats(transposed(conv.weight, static_cast<int>(conv.bias.size()), 9)),
                floats(conv.bias)};
    }
    const std::vector<char> &bytes() const { return bytes_; }

private:
    const void *words(const std::vector<__half> &halves) {
        void *at = carver_.bytes(halves.size() * sizeof(__half));
        copy(at, halves.data(), halves.size() * sizeof(__half));
        return at;
    }
    void copy(const void *at, const void *from, size_t count) {
        bytes_.resize(carver_.used());
        std::memcpy(&bytes_[static_cast<const char *>(at) - static_cast<const char *>(base_)], from,
                    count);
    }

    bool half_;
    Carver carver_;
    const void *base_;
    std::vector<char> bytes_;
};

Weights::Weights(const Model &model, bool fp16, bool fused, cudaStream_t stream) : fused_(fused) {
    Packer count(fp16, nullptr);
    pack(model, count);
    memory_ = DeviceMemory(count.bytes().size());
    Packer packer(fp16, memory_.data());
    pack(model, packer);
    const char *doing = "uploading the weights";
    check(cudaMemcpyAsync(memory_.data(), packer.bytes().data(), packer.bytes().size(),
                          cudaMemcpyHostToDevice, stream),
          doing);
    check(cudaStreamSynchronize(stream), doing);
}

void Weights::pack(const Model &model, Packer &packer) {
    const Channels channels(model);
    const int c = channels.c;
    Values head = channels_last(model.fea_conv.weight, c, 3, c, 4);
    for (int o = 0; o < c; ++o) head[(o * 9 + 4) * 4 + 3] = model.fea_conv.bias[o];
    fea_conv = packer.convolution(head);
    for (int block = 0; block < kBlocks; ++block) pack_block(model, block, packer);
    c1_bias = packer.floats(model.c1.bias);
    c2_pw = packer.convolution(model.c2.pw.weight);
    c2_dw = packer.depthwise(model.c2.dw);
    const int s = model.scale;
    upsampler = packer.convolution(
        channels_last(model.upsampler.weight, 3 * s * s, c, channels.subpixels, c));
    Values bias = model.upsampler.bias;
    for (int i = 0; i < 3 * s * s; ++i) bias[i] += kMean[i / (s * s)];
    upsampler_bias = packer.floats(bias);
}

void Weights::pack_block(const Model &model, int index, Packer &packer) {
    const Channels channels(model);
    const int c = channels.c, d = channels.d;
    const Eadb &eadb = model.blocks[index];
    EadbWeights &block = blocks[index];
    const BSConv *c_r[3] = {&eadb.c1_r, &eadb.c2_r, &eadb.c3_r};
    const Conv *c_d[3] = {&eadb.c1_d, &eadb.c2_d, &eadb.c3_d};
    for (int k = 0; k < 3; ++k) {
        Values rows = c_r[k]->pw.weight;
        append(rows, c_d[k]->weight);
        rows.resize(static_cast<size_t>(channels.stacked) * c);
        block.refine[k] = {packer.convolution(rows), packer.depthwise(c_r[k]->dw),
                           packer.floats(c_d[k]->bias)};
    }
    block.c4_pw = packer.convolution(eadb.c4.pw.weight);
    block.c4_dw = packer.depthwise(eadb.c4.dw);
    Values c5 = padded(eadb.c5.weight, c, 4 * d, c, channels.distilled);
    for (int o = 0; o < c; ++o) c5[o * channels.distilled + 4 * d] = eadb.c5.bias[o];
    block.c5 = packer.convolution(c5);

    pack_mdsa(eadb.esa, channels, packer, block);

    const Ecca &ecca = eadb.cca;
    block.body_0 = packer.convolution(ecca.body_0.weight);
    block.body_0_bias = packer.floats(ecca.body_0.bias);
    block.conv_du_0 = packer.floats(ecca.conv_du_0.weight);
    block.conv_du_0_bias = packer.floats(ecca.conv_du_0.bias);
    block.conv_du_2 = packer.floats(ecca.conv_du_2.weight);
    block.conv_du_2_bias = packer.floats(ecca.conv_du_2.bias);
    block.body_3 = packer.depthwise(ecca.body_3);

    const Values c1 = columns(model.c1.weight, c, index * c, c);
    block.c1 = packer.convolution(c1);
    if (!fused_) return;
    const int f = channels.f, mixed = channels.mixed;
    FusedDistill distill;
    for (int k = 0; k < 3; ++k) {
        distill.c_r[k] = packer.fragments(c_r[k]->pw.weight, c, c);
        distill.c_d[k] = packer.fragments(c_d[k]->weight, d, c);
    }
    distill.c4 = packer.fragments(eadb.c4.pw.weight, d, c);
    for (int k = 0; k < 4; ++k)
        distill.c5[k] = packer.fragments(columns(eadb.c5.weight, c, k * d, d), c, d);
    distill.c5_bias = packer.floats(eadb.c5.bias);
    distill.conv1 = packer.fragments(padded(eadb.esa.conv1.weight, f, c, channels.dispersed, c),
                                     channels.dispersed, c);
    block.fused = {
        distill, packer.fragments(padded(eadb.esa.conv_f.weight, f, f, mixed, mixed), mixed, mixed),
        packer.fragments(padded(eadb.esa.conv4.weight, c, f, c, mixed), c, mixed),
        packer.fragments(ecca.body_0.weight, c, c), packer.fragments(c1, c, c)};
}

void Weights::pack_mdsa(const Mdsa &mdsa, const Channels &channels, Packer &packer,
                        EadbWeights &block) {
    const int c = channels.c, f = channels.f, inputs = channels.dispersed;
    block.conv1 = packer.convolution(padded(mdsa.conv1.weight, f, c, inputs, c));

    Conv stacked;  // of the four conv2: pw
    Conv dw;
    for (const BSConv &conv2 : mdsa.conv2) {
        append(stacked.weight, conv2.pw.weight);
        append(dw.weight, conv2.dw.weight);
        append(dw.bias, conv2.dw.bias);
    }
    Values start = product(stacked.weight, mdsa.conv1.bias, {});
    start.resize(channels.strided);
    dw.weight.resize(static_cast<size_t>(channels.strided) * 9);
    dw.bias.resize(channels.strided);
    Values groups(static_cast<size_t>(channels.strided) * inputs);
    for (int o = 0; o < 4 * f; ++o)
        for (int i = 0; i < f; ++i)
            groups[(o / kGroup * inputs + i) * kGroup + o % kGroup] = stacked.weight[o * f + i];
    block.conv2_pw = packer.floats(groups);
    block.conv2_start = packer.floats(start);
    block.conv2 = packer.depthwise(dw);

    for (int i = 0; i < 3; ++i)
        block.mix[i] = {packer.floats(transposed(mdsa.conv_max[i].pw.weight, f, f)),
                        packer.floats(transposed(mdsa.conv3[i].pw.weight, f, f)),
                        packer.depthwise(mdsa.conv_max[i].dw), packer.depthwise(mdsa.conv3[i].dw)};

    block.conv_f = packer.floats(padded(mdsa.conv_f.weight, f, f, f, channels.mixed));
    Values conv_f_bias = product(mdsa.conv_f.weight, mdsa.conv1.bias, mdsa.conv_f.bias);
    conv_f_bias.resize(channels.mixed);
    block.conv_f_bias = packer.floats(conv_f_bias);
    block.conv4 =
        packer.floats(padded(transposed(mdsa.conv4.weight, c, f), f, c, channels.mixed, c));
    block.conv4_bias = packer.floats(mdsa.conv4.bias);
}

}  // namespace mdrn::cuda
