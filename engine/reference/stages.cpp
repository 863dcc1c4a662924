// SPDX-License-Identifier: BSD-2-Clause
#include "reference/stages.h"

#include <algorithm>
#include <cmath>

namespace mdrn::reference {

ReferenceStages::ReferenceStages(const Model &model, WarnOnce warn)
    : HostStages(std::move(warn)), model_(model) {}

uint64_t ReferenceStages::memory_needed(Size size, Plan) const {
    // The kept maps, and at most twelve of C channels while a stage runs.
    const uint64_t pixels = uint64_t{sizeof(float)} * size.width * size.height;
    return pixels * (16 * model_.features + 3 + 6 * model_.scale * model_.scale);
}

void ReferenceStages::prepare(Size size, Plan) {
    const int c = model_.features;
    const int s = model_.scale;
    rgb_ = Tensor(3, size.height, size.width);
    hr_ = Tensor(3, s * size.height, s * size.width);
    for (Tensor &map : maps_) map = Tensor(c, size.height, size.width);
    sum_ = Tensor(c, size.height, size.width);
}

void ReferenceStages::head() {
    Tensor shifted = rgb_;
    for (size_t i = 0; i < shifted.values.size(); ++i)
        shifted.values[i] -= kMean[i / (static_cast<size_t>(shifted.h) * shifted.w)];
    f0_ = convolve(model_.fea_conv, shifted, 3);
    tell("fea_conv", f0_);
    map(Map::x) = f0_;
}

void ReferenceStages::distill(int block) {
    const Eadb &weights = model_.blocks[block];
    const Conv *c_d[3] = {&weights.c1_d, &weights.c2_d, &weights.c3_d};
    const BSConv *c_r[3] = {&weights.c1_r, &weights.c2_r, &weights.c3_r};
    std::vector<Tensor> distilled;
    Tensor r = map(Map::x);
    for (int k = 0; k < 3; ++k) {
        const std::string name = "c" + std::to_string(k + 1);
        const Tensor d = convolve(*c_d[k], r);
        const Tensor refined = bsconv(*c_r[k], r);
        tell(block, name + "_d", d);
        tell(block, name + "_r", refined);
        distilled.push_back(gelu(d));
        r = gelu(add(refined, r));
    }
    const Tensor last = bsconv(weights.c4, r);
    tell(block, "c4", last);
    distilled.push_back(gelu(last));
    map(Map::fused) = convolve(weights.c5, concatenate(distilled));
    tell(block, "c5", map(Map::fused));
}

void ReferenceStages::mdsa(int block) {
    const Mdsa &weights = model_.blocks[block].esa;
    Tensor &fused = map(Map::fused);
    const std::string module = "esa.body.0.";
    const Tensor c = convolve(weights.conv1, fused);
    tell(block, module + "conv1", c);

    Tensor pooled[3];
    for (int i = 0; i < 3; ++i)
        pooled[i] = max_pool(bsconv(weights.conv2[i], c, 2), 3 + 2 * i, 3, i == 1 ? 0 : 1);
    pooled[2] = add(pooled[2], local_variance(bsconv(weights.conv2[3], c, 2)));

    Tensor sum = convolve(weights.conv_f, c);
    for (int i = 0; i < 3; ++i) {
        const Tensor mixed = bsconv(weights.conv_max[i], pooled[i]);
        const Tensor v = bsconv(weights.conv3[i], gelu(mixed));
        tell(block, module + "conv_max_" + std::to_string(i), mixed);
        tell(block, module + "conv3_" + std::to_string(i), v);
        sum = add(sum, upsample(v, fused.h, fused.w));
    }
    const Tensor gate = convolve(weights.conv4, sum);
    for (size_t i = 0; i < fused.values.size(); ++i)
        fused.values[i] += fused.values[i] * sigmoid(gate.values[i]);
    tell(block, "esa", fused);
}

void ReferenceStages::ecca(int block) {
    const Ecca &weights = model_.blocks[block].cca;
    const Tensor &fused = map(Map::fused);
    const Tensor body_0 = convolve(weights.body_0, fused);
    tell(block, "cca.body.0", body_0);
    Tensor y = gelu(body_0);

    Tensor contrast(y.c, 1, 1);
    const size_t pixels = static_cast<size_t>(y.h) * y.w;
    for (int c = 0; c < y.c; ++c) {
        const float *values = &y.values[y.index(c, 0, 0)];
        double sum = 0;
        for (size_t i = 0; i < pixels; ++i) sum += values[i];
        const double mean = sum / static_cast<double>(pixels);
        double squares = 0;
        for (size_t i = 0; i < pixels; ++i) squares += (values[i] - mean) * (values[i] - mean);
        contrast.at(c, 0, 0) =
            static_cast<float>(mean + std::sqrt(squares / static_cast<double>(pixels)));
    }
    Tensor hidden = convolve(weights.conv_du_0, contrast);
    for (float &value : hidden.values) value = std::max(0.0F, value);
    const Tensor a = convolve(weights.conv_du_2, hidden);
    for (size_t i = 0; i < y.values.size(); ++i) y.values[i] *= sigmoid(a.values[i / pixels]);
    tell(block, "cca.body.2", y);

    const Tensor out = add(depthwise(weights.body_3, y, Padding::zero), fused);
    tell(block, "cca", out);
    map(Map::x) = add(out, map(Map::x));
    tell(block, "", map(Map::x));
}

void ReferenceStages::gather(int block) {
    const int c = model_.features;
    Conv columns;
    if (block == 0) columns.bias = model_.c1.bias;
    for (int o = 0; o < c; ++o) {
        const auto row = model_.c1.weight.begin() + (o * kBlocks + block) * c;
        columns.weight.insert(columns.weight.end(), row, row + c);
    }
    const Tensor part = convolve(columns, map(Map::x));
    sum_ = block == 0 ? part : add(sum_, part);
}

void ReferenceStages::tail() {
    tell("c1", sum_);
    const Tensor c2 = bsconv(model_.c2, gelu(sum_));
    tell("c2", c2);
    const Tensor subpixels = convolve(model_.upsampler, add(c2, f0_), 3);
    tell("upsampler.upsampleOneStep.0", subpixels);
    const int s = model_.scale;
    for (int c = 0; c < 3; ++c)
        for (int y = 0; y < hr_.h; ++y)
            for (int x = 0; x < hr_.w; ++x)
                hr_.at(c, y, x) =
                    subpixels.at((c * s + y % s) * s + x % s, y / s, x / s) + kMean[c];
}

void ReferenceStages::read(Map which, float *chw) {
    std::copy(map(which).values.begin(), map(which).values.end(), chw);
}

void ReferenceStages::write(Map which, const float *chw) {
    std::copy_n(chw, map(which).values.size(), map(which).values.begin());
}

Planes ReferenceStages::planes(Tensor &tensor) {
    return {tensor.values.data(),
            {tensor.w, tensor.h},
            tensor.w,
            static_cast<ptrdiff_t>(tensor.w) * tensor.h};
}

void ReferenceStages::tell(const std::string &module, const Tensor &output) const {
    if (tap) tap(module, output);
}

void ReferenceStages::tell(int block, const std::string &module, const Tensor &output) const {
    tell("B" + std::to_string(block + 1) + (module.empty() ? "" : "." + module), output);
}

}  // namespace mdrn::reference

namespace mdrn {

std::unique_ptr<HostStages> make_reference_stages(const Model &model, WarnOnce warn) {
    return std::make_unique<reference::ReferenceStages>(model, std::move(warn));
}

}  // namespace mdrn
