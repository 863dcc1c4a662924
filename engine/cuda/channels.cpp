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

Convolutions::Convolutions(const Channels &n, Size size, bool half, Cudnn *cudnn)
    : fea_conv(cudnn, {size.height, size.width, 4, n.c, 3, half}),
      stacked(cudnn, {size.height, size.width, n.c, n.stacked, 1, half}),
      c4(cudnn, {size.height, size.width, n.c, n.d, 1, half}),
      c5(cudnn, {size.height, size.width, n.distilled, n.c, 1, half}),
      conv1(cudnn, {size.height, size.width, n.c, n.dispersed, 1, half}),
      pointwise(cudnn, {size.height, size.width, n.c, n.c, 1, half}),
      gather(cudnn, {size.height, size.width, n.c, n.c, 1, half, true}),
      upsampler(cudnn, {size.height, size.width, n.c, n.subpixels, 3, half}) {}

size_t Convolutions::workspace() const {
    return std::max({fea_conv.workspace(), stacked.workspace(), c4.workspace(), c5.workspace(),
                     conv1.workspace(), pointwise.workspace(), gather.workspace(),
                     upsampler.workspace()});
}

}  // namespace mdrn::cuda
