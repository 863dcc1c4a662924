// SPDX-License-Identifier: BSD-2-Clause
// Libraries in the place of libmdrn_cuda.so, for loader_test: what FAKE_VERSION and FAKE_BUILD say.
#include "cuda/plugin.h"
#include "error.h"

namespace {

std::unique_ptr<mdrn::Stages> make(const mdrn::Model &model, const mdrn::CudaOptions &options,
                                   mdrn::WarnOnce warn) {
    if (warn) warn("made for gpu " + std::to_string(options.gpu));
    throw mdrn::Error(MDRN_ERROR_DEVICE, "no stages for " + std::to_string(model.features));
}

const mdrn::cuda::Plugin plugin{FAKE_VERSION, FAKE_BUILD, make};

}  // namespace

extern "C" __attribute__((visibility("default"))) const mdrn::cuda::Plugin *mdrn_cuda_plugin() {
    return &plugin;
}
