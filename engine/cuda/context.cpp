// SPDX-License-Identifier: BSD-2-Clause
#include "cuda/context.h"

#include <string>
#include <type_traits>

#include "error.h"
#include "os.h"

namespace mdrn::cuda {
namespace {

constexpr char kDriver[] = "libcuda.so.1";

std::string version_text(int version) {
    return std::to_string(version / 1000) + "." + std::to_string(version % 1000 / 10);
}

[[noreturn]] void refuse(const std::string &why) {
    throw Error(MDRN_ERROR_UNSUPPORTED, "no GPU can be used: " + why);
}

// The driver's functions, by the names that its library has for them.
struct Driver {
    CUresult (*init)(unsigned flags);
    CUresult (*version)(int *version);
    CUresult (*error_text)(CUresult error, const char **text);
    CUresult (*count)(int *count);
    CUresult (*device)(CUdevice *device, int index);
    CUresult (*name)(char *name, int bytes, CUdevice device);
    CUresult (*attribute)(int *value, CUdevice_attribute attribute, CUdevice device);
    CUresult (*retain_primary)(CUcontext *context, CUdevice device);
    CUresult (*release_primary)(CUdevice device);
    CUresult (*push)(CUcontext context);
    CUresult (*pop)(CUcontext *context);
    CUresult (*current_device)(CUdevice *device);

    std::string text(CUresult error) const {
        const char *words = nullptr;
        return error_text(error, &words) == CUDA_SUCCESS && words ? words : "unknown error";
    }
    void check(CUresult result, const char *what) const {
        if (result != CUDA_SUCCESS)
            throw Error(
                result == CUDA_ERROR_OUT_OF_MEMORY ? MDRN_ERROR_OUT_OF_MEMORY : MDRN_ERROR_DEVICE,
                std::string("the GPU's driver could not ") + what + ": " + text(result));
    }
};

Driver open_driver() {
    std::string why;
    void *library = open_library(kDriver, why);
    if (!library) refuse("there is no NVIDIA driver (" + why + "): install one, or use device cpu");
    Driver driver;
    const auto load = [&](auto &function, const char *name) {
        function =
            reinterpret_cast<std::remove_reference_t<decltype(function)>>(symbol_of(library, name));
        if (!function)
            refuse(std::string("the NVIDIA driver is too old, it has no ") + name + ": update it");
    };
    load(driver.init, "cuInit");
    load(driver.version, "cuDriverGetVersion");
    load(driver.error_text, "cuGetErrorString");
    load(driver.count, "cuDeviceGetCount");
    load(driver.device, "cuDeviceGet");
    load(driver.name, "cuDeviceGetName");
    load(driver.attribute, "cuDeviceGetAttribute");
    load(driver.retain_primary, "cuDevicePrimaryCtxRetain");
    load(driver.release_primary, "cuDevicePrimaryCtxRelease_v2");
    load(driver.push, "cuCtxPushCurrent_v2");
    load(driver.pop, "cuCtxPopCurrent_v2");
    load(driver.current_device, "cuCtxGetDevice");

    int version = 0;
    driver.check(driver.version(&version), "tell its version");
    if (version / 1000 < CUDA_VERSION / 1000)
        refuse("the NVIDIA driver is for CUDA " + version_text(version) + ", but CUDA " +
               version_text(CUDA_VERSION) + " is needed: update the driver");
    const CUresult result = driver.init(0);
    if (result == CUDA_ERROR_NO_DEVICE) refuse("the NVIDIA driver finds no GPU");
    if (result != CUDA_SUCCESS)
        refuse("the NVIDIA driver does not start: " + driver.text(result) +
               " (after an update of the driver, restart the machine)");
    return driver;
}

const Driver &driver() {
    static const Driver opened = open_driver();
    return opened;
}

CUdevice find_device(int gpu) {
    int count = 0;
    driver().check(driver().count(&count), "count the GPUs");
    if (count == 0) refuse("the NVIDIA driver finds no GPU");
    if (gpu >= count)
        refuse("there is no gpu " + std::to_string(gpu) + "; this machine has " +
               (count == 1 ? "only gpu 0" : "gpus 0 to " + std::to_string(count - 1)));
    CUdevice device = 0;
    driver().check(driver().device(&device, gpu), "find the GPU");
    return device;
}

struct Capability {
    int major = 0, minor = 0;

    std::string text() const { return std::to_string(major) + "." + std::to_string(minor); }
};

Capability capability_of(CUdevice device) {
    Capability capability;
    auto &[major, minor] = capability;
    const char *what = "tell the GPU's compute capability";
    driver().check(driver().attribute(&major, CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR, device),
                   what);
    driver().check(driver().attribute(&minor, CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR, device),
                   what);
    return capability;
}

// The kernels are compiled for no less, and cuDNN's are not either.
void check_capability(CUdevice device) {
    const Capability capability = capability_of(device);
    if (10 * capability.major + capability.minor < 75)
        refuse("gpu " + std::to_string(device) + " is of compute capability " + capability.text() +
               "; 7.5 (Turing, 2018) or later is needed");
}

}  // namespace

Context::Context(const CudaOptions &options) {
    if (!options.context) {
        device_ = find_device(options.gpu < 0 ? 0 : options.gpu);
        check_capability(device_);
        driver().check(driver().retain_primary(&context_, device_), "start on the GPU");
        primary_ = true;
        return;
    }
    driver();
    context_ = static_cast<CUcontext>(options.context);
    const Current current(*this);
    driver().check(driver().current_device(&device_), "tell the GPU of the lent context");
    if (options.gpu >= 0 && options.gpu != device_)
        throw Error(MDRN_ERROR_INVALID_ARGUMENT,
                    "gpu is " + std::to_string(options.gpu) + ", but the frames are on gpu " +
                        std::to_string(device_) + ": leave gpu out, or set it to that");
    check_capability(device_);
}

Context::~Context() {
    if (primary_) driver().release_primary(device_);
}

std::string Context::description() const {
    char name[256] = "";
    driver().check(driver().name(name, sizeof name, device_), "tell the GPU's name");
    int version = 0;
    driver().check(driver().version(&version), "tell its version");
    return "gpu " + std::to_string(device_) + " (" + name + ", compute capability " +
           capability_of(device_).text() + ", driver for CUDA " + version_text(version) + ")";
}

Current::Current(const Context &context) {
    driver().check(driver().push(context.context_), "enter its context");
}

Current::~Current() {
    CUcontext left = nullptr;
    driver().pop(&left);
}

}  // namespace mdrn::cuda
