// SPDX-License-Identifier: BSD-2-Clause
// libmdrn's side of CUDA: finds libmdrn_cuda.so the first time that a GPU is asked for.
#include <cstring>
#include <filesystem>
#include <mutex>
#include <string>
#include <vector>

#include "cuda/plugin.h"
#include "error.h"
#include "os.h"

namespace mdrn {
namespace {

using cuda::GetPlugin;
using cuda::Plugin;

constexpr char kVariable[] = "MDRN_CUDA_LIBRARY";
constexpr char kName[] = "/libmdrn_cuda.so";

[[noreturn]] void refuse(const std::string &why) {
    throw Error(MDRN_ERROR_UNSUPPORTED, "no GPU can be used: " + why);
}

bool exists(const std::string &path) {
    std::error_code unknown;
    return std::filesystem::exists(path, unknown);
}

// Absolute paths only, so that no one else's library is found first.
std::vector<std::string> places() {
    const std::string given = trusted_environment(kVariable);
    if (!given.empty()) return {given};
    std::vector<std::string> paths{std::string(MDRN_PLUGIN_FOLDER) + kName};
    const std::string own = own_folder();
    if (!own.empty() && own + kName != paths[0]) paths.push_back(own + kName);
    return paths;
}

const Plugin *open_plugin() {
    std::string looked;
    for (const std::string &path : places()) {
        if (!std::filesystem::path(path).is_absolute())
            refuse(std::string(kVariable) + " is not an absolute path: " + path);
        looked += (looked.empty() ? "" : " and ") + path;
        if (!exists(path)) continue;
        std::string why;
        void *library = open_library(path, why);
        if (!library) refuse(path + " cannot be opened: " + why);
        const auto get = reinterpret_cast<GetPlugin *>(symbol_of(library, cuda::kGetPlugin));
        if (!get) refuse(path + " is no part of mdrn: it has no " + cuda::kGetPlugin);
        const Plugin *plugin = get();
        if (plugin->version != cuda::kPluginVersion ||
            std::strcmp(plugin->build, MDRN_BUILD_ID) != 0)
            refuse(path + " belongs to another build of libmdrn: install both from the same one");
        return plugin;
    }
    refuse("there is no libmdrn_cuda.so (looked for " + looked +
           "); it is built where nvcc and cuDNN are");
}

}  // namespace

bool cuda_installed() {
    for (const std::string &path : places())
        if (exists(path)) return true;
    return false;
}

std::unique_ptr<Stages> make_cuda_stages(const Model &model, const CudaOptions &options,
                                         WarnOnce warn) {
    static std::mutex mutex;
    static const Plugin *plugin = nullptr;
    {
        const std::lock_guard lock(mutex);
        if (!plugin) plugin = open_plugin();
    }
    return plugin->make(model, options, std::move(warn));
}

}  // namespace mdrn
