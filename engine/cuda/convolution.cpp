// SPDX-License-Identifier: BSD-2-Clause
#include "cuda/convolution.h"

#include <algorithm>

#include "cuda/cudnn.h"

namespace mdrn::cuda {
namespace {

constexpr int kAlignedRows = 8;  // begin at 16 bytes, whatever the width and channels

int rows_of_band(const ConvolutionShape &shape, size_t most) {
    const size_t row = size_t(shape.width) * std::max(shape.inputs, shape.outputs);
    const size_t rows = std::max<size_t>(most / row / kAlignedRows, 1) * kAlignedRows;
    return shape.kernel == 1 ? int(std::min(rows, size_t(shape.height))) : shape.height;
}

size_t bytes_of_rows(const ConvolutionShape &shape, int channels) {
    return size_t(shape.height) * shape.width * channels * (shape.half ? 2 : 4);
}

}  // namespace

Convolution::Convolution(Cudnn *cudnn, const ConvolutionShape &shape, size_t most) {
    ConvolutionShape band = shape;
    for (int left = shape.height; left > 0; left -= band.height) {
        band.height = std::min(left, rows_of_band(shape, most));
        bands_.push_back({band, cudnn ? cudnn->plan(band) : nullptr});
    }
}

size_t Convolution::workspace() const {
    size_t most = 0;
    for (const Band &band : bands_)
        if (band.plan) most = std::max(most, band.plan->workspace);
    return most;
}

bool Convolution::planned() const {
    return std::ranges::all_of(bands_, [](const Band &band) { return band.plan != nullptr; });
}

void Convolution::run(const void *x, const void *weight, void *y, void *workspace,
                      cudaStream_t stream) const {
    const auto *in = static_cast<const char *>(x);
    auto *out = static_cast<char *>(y);
    for (const auto &[shape, plan] : bands_) {
        if (plan) {
            plan->run(in, weight, out, workspace, stream);
        } else {
            plain_convolution(shape, in, weight, out, stream);
        }
        in += bytes_of_rows(shape, shape.inputs);
        out += bytes_of_rows(shape, shape.outputs);
    }
}

}  // namespace mdrn::cuda
