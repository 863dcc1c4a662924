// SPDX-License-Identifier: BSD-2-Clause
#include "cuda/channels.h"

#include <algorithm>

namespace mdrn::cuda {

Channels::Channels(const Model &model)
    : c(model.features),
      d(model.distilled()),
      f(model.dispersion()),
      squeezed(model.squeezed()),
      scale(model.scale),
      stacked(round_up(c + d, 4)),
      distilled(4 * d + 8),
      dispersed(round_up(f, 8)),
      mixed(round_up(f, 4)),
      strided(round_up(4 * f, kGroup)),
      subpixels(round_up(3 * scale * scale, 8)) {}

Convolutions::Convolutions(const Channels &n, Size size, bool fp16, Cudnn *cudnn, bool fused)
    : fea_conv(cudnn, {size.height, size.width, 4, n.c, 3, fp16}),
      pointwise(cudnn, {size.height, size.width, n.c, n.c, 1, fp16}),
      upsampler(cudnn, {size.height, size.width, n.c, n.subpixels, 3, fp16}) {
    if (fused) return;
    stacked = {cudnn, {size.height, size.width, n.c, n.stacked, 1, fp16}};
    c4 = {cudnn, {size.height, size.width, n.c, n.d, 1, fp16}};
    c5 = {cudnn, {size.height, size.width, n.distilled, n.c, 1, fp16}};
    conv1 = {cudnn, {size.height, size.width, n.c, n.dispersed, 1, fp16}};
    gather = {cudnn, {size.height, size.width, n.c, n.c, 1, fp16, true}};
}

size_t Convolutions::workspace() const {
    return std::max({fea_conv.workspace(), stacked.workspace(), c4.workspace(), c5.workspace(),
                     conv1.workspace(), pointwise.workspace(), gather.workspace(),
                     upsampler.workspace()});
}

bool Convolutions::planned() const {
    return fea_conv.planned() && stacked.planned() && c4.planned() && c5.planned() &&
           conv1.planned() && pointwise.planned() && gather.planned() && upsampler.planned();
}

}  // namespace mdrn::cuda
