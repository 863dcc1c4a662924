// SPDX-License-Identifier: BSD-2-Clause
// What libmdrn and libmdrn_cuda.so, its guest, know of each other.
#pragma once

#include <cstdint>
#include <memory>

#include "backends.h"

namespace mdrn::cuda {

// Counts the changes of Plugin.
inline constexpr uint32_t kPluginVersion = 2;

struct Plugin {
    uint32_t version;   // kPluginVersion
    const char *build;  // MDRN_BUILD_ID: the headers and the compiler that both were built with

    // As make_cuda_stages().
    std::unique_ptr<Stages> (*make)(const Model &model, const CudaOptions &options, WarnOnce warn);
};

// The one function that libmdrn_cuda.so exports, by the name of kGetPlugin.
using GetPlugin = const Plugin *();
inline constexpr char kGetPlugin[] = "mdrn_cuda_plugin";

}  // namespace mdrn::cuda
