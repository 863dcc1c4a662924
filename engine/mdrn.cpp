// SPDX-License-Identifier: BSD-2-Clause
// The C boundary: settings checked, exceptions turned into codes, pictures queued.
#include "mdrn.h"

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <deque>
#include <memory>
#include <new>
#include <set>
#include <string>

#include "backends.h"
#include "error.h"
#include "last_picture.h"
#include "model.h"
#include "network.h"
#include "os.h"
#include "statistics.h"

namespace {

using namespace mdrn;

// Of a fixed size, so that there is a message even where there is no memory; longer ones are cut.
thread_local char last_error[2048] = "";

void log(const mdrn_settings &settings, mdrn_log_level level, const char *message) {
    if (settings.log) settings.log(settings.log_opaque, level, message);
}

std::string bytes_text(uint64_t bytes) {
    return std::to_string((bytes + (1 << 20) - 1) >> 20) + " MiB";
}

std::string size_text(Size size) {
    return std::to_string(size.width) + "x" + std::to_string(size.height);
}

}  // namespace

struct mdrn_context {
    mdrn_settings settings;
    Model model;
    std::unique_ptr<Stages> stages;
    Size prepared;                 // frame size that the stages are ready for
    uint64_t held = 0;             // bytes that they hold for it
    LastPicture last;              // whose enlargement they have
    std::deque<void *> in_flight;  // what was sent with them
    bool draining = false;
    Statistics statistics;
    std::set<std::string> warned;

    void warn_once(const std::string &message) {
        if (warned.insert(message).second) log(settings, MDRN_LOG_WARNING, message.c_str());
    }
};

namespace {

void set_last_error(const char *kind, const char *message) {
    std::snprintf(last_error, sizeof last_error, "%s%s", kind, message);
}

// Runs body; what it throws becomes a code and last_error, and is told to the settings' log. That
// takes no memory.
template <typename Body>
int guarded(const mdrn_settings &settings, const Body &body) noexcept {
    mdrn_error code = MDRN_ERROR_INTERNAL;
    try {
        body();
        return 0;
    } catch (const Error &error) {
        code = error.code;
        set_last_error("", error.what());
    } catch (const std::bad_alloc &) {
        code = MDRN_ERROR_OUT_OF_MEMORY;
        set_last_error("", "the system has no memory left");
    } catch (const std::exception &error) {
        set_last_error("internal error, please report it: ", error.what());
    } catch (...) {
        set_last_error("internal error, please report it: ", "unknown");
    }
    log(settings, MDRN_LOG_ERROR, last_error);
    return code;
}

void require(bool condition, const std::string &message) {
    if (!condition) throw Error(MDRN_ERROR_INVALID_ARGUMENT, message);
}

// The caller's struct, which may be of an older or newer header than the library's.
mdrn_settings read_settings(const mdrn_settings *given) {
    mdrn_settings settings;
    mdrn_settings_default(&settings, sizeof settings);
    if (!given) return settings;
    require(given->size >= offsetof(mdrn_settings, model),
            "mdrn_settings.size is not set: call mdrn_settings_default() first");
    std::memcpy(&settings, given, std::min(given->size, sizeof settings));
    settings.size = sizeof settings;
    return settings;
}

void check_settings(const mdrn_settings &settings) {
    const int scale = settings.scale;
    require(scale == 0 || (scale >= 2 && scale <= 4),
            "scale is " + std::to_string(scale) + ": it must be 2, 3, 4, or 0 for the model's own");
    require(settings.device >= MDRN_DEVICE_AUTO && settings.device <= MDRN_DEVICE_REFERENCE,
            "device " + std::to_string(settings.device) + " is not one of mdrn_device");
    require(settings.precision >= MDRN_PRECISION_AUTO && settings.precision <= MDRN_PRECISION_BF16,
            "precision " + std::to_string(settings.precision) + " is not one of mdrn_precision");
    require(settings.cuda_path >= MDRN_CUDA_PATH_AUTO && settings.cuda_path <= MDRN_CUDA_PATH_FUSED,
            "cuda_path " + std::to_string(settings.cuda_path) + " is not one of mdrn_cuda_path");
    require(settings.threads >= 0 && settings.threads <= 1024,
            "threads is " + std::to_string(settings.threads) + ": it must be 0 (all) to 1024");
    require(settings.async_depth >= 1 && settings.async_depth <= 64,
            "async_depth is " + std::to_string(settings.async_depth) + ": it must be 1 to 64");
    require(settings.reuse == 0 || settings.reuse == 1,
            "reuse is " + std::to_string(settings.reuse) + ": it must be 0 or 1");
}

std::unique_ptr<Stages> make_on_cpu(mdrn_context *context, const WarnOnce &warn) {
    const mdrn_settings &settings = context->settings;
    const bool bf16 = settings.precision == MDRN_PRECISION_BF16;
    if (settings.precision == MDRN_PRECISION_FP16)
        throw Error(MDRN_ERROR_UNSUPPORTED,
                    "the CPU computes in fp32 or bf16: use precision auto, fp32 or bf16");
    if (settings.device == MDRN_DEVICE_REFERENCE && bf16)
        throw Error(MDRN_ERROR_UNSUPPORTED,
                    "the reference computes in fp32: use precision auto or fp32");
    if (settings.device == MDRN_DEVICE_REFERENCE)
        return make_reference_stages(context->model, warn);
    CpuOptions options;
    options.threads = settings.threads;
    options.bf16 = bf16;
    return make_cpu_stages(context->model, options, warn);
}

std::unique_ptr<Stages> make_on_cuda(mdrn_context *context, const WarnOnce &warn) {
    const mdrn_settings &settings = context->settings;
    if (settings.precision == MDRN_PRECISION_BF16)
        throw Error(MDRN_ERROR_UNSUPPORTED,
                    "a GPU computes in fp16 or fp32: use precision auto, fp16 or fp32");
    CudaOptions options;
    options.gpu = settings.gpu;
    options.half = settings.precision != MDRN_PRECISION_FP32;
    options.context = settings.cuda_context;
    options.stream = settings.cuda_stream;
    options.async_depth = settings.async_depth;
    options.path = settings.cuda_path;
    return make_cuda_stages(context->model, options, warn);
}

std::unique_ptr<Stages> make_stages(mdrn_context *context) {
    const WarnOnce warn = [context](const std::string &message) { context->warn_once(message); };
    const mdrn_device device = context->settings.device;
    if (device == MDRN_DEVICE_CUDA) return make_on_cuda(context, warn);
    if (device == MDRN_DEVICE_AUTO && cuda_installed()) try {
            return make_on_cuda(context, warn);
        } catch (const Error &error) {
            log(context->settings, MDRN_LOG_INFO,
                ("the CPU computes: " + std::string(error.what())).c_str());
        }
    return make_on_cpu(context, warn);
}

uint64_t needed(const mdrn_context &context, Size size, Plan plan) {
    require(size.width >= 1 && size.height >= 1,
            "a picture of " + size_text(size) + " pixels cannot be: each side is at least 1");
    constexpr int kLargest = 1 << 20;
    require(size.width <= kLargest && size.height <= kLargest,
            "a picture of " + size_text(size) + " pixels is too large: each side is at most " +
                std::to_string(kLargest));
    return context.stages->memory_needed(computed_size(size), plan);
}

struct Limit {
    uint64_t bytes;
    std::string text;  // behind "there are only"
};

Limit memory_limit(const mdrn_context &context) {
    const uint64_t set = context.settings.memory;
    if (set) return {set, bytes_text(set) + " allowed: raise memory"};
    // What is held now is given back first.
    const uint64_t bytes = context.stages->free_memory() / 10 * 8 + context.held / 10 * 8;
    return {bytes, bytes_text(bytes) +
                       " (80 % of what is free): free some, set memory if you know "
                       "better"};
}

void prepare(mdrn_context &context, Size size) {
    if (context.prepared == size) return;
    const Limit limit = memory_limit(context);
    const uint64_t fast = needed(context, size, Plan::fast);
    const uint64_t least = needed(context, size, Plan::small);
    if (least > limit.bytes)
        throw Error(MDRN_ERROR_OUT_OF_MEMORY, "a picture of " + size_text(size) + " needs " +
                                                  bytes_text(least) + ", but there are only " +
                                                  limit.text + ", or scale the input down");
    const bool fits = fast <= limit.bytes;
    if (!fits)
        context.warn_once(size_text(size) + ": a slower plan with the same result is taken, in " +
                          bytes_text(least) + " of memory: the fast one needs " + bytes_text(fast) +
                          ", but there are only " + limit.text);
    context.last.forget();
    context.prepared = {};
    context.held = 0;
    context.stages->prepare(computed_size(size), fits ? Plan::fast : Plan::small);
    context.prepared = size;
    context.held = fits ? fast : least;
    const std::string taken = size_text(size) + ": " + bytes_text(context.held) + " of memory, " +
                              (fits ? "fast" : "slower") + " plan";
    log(context.settings, MDRN_LOG_VERBOSE, taken.c_str());
}

bool has_room(const mdrn_context &context) {
    return context.in_flight.size() < static_cast<size_t>(context.settings.async_depth);
}

// A pair of pictures that has been checked, for which the stages are prepared.
void enlarge(mdrn_context &context, const mdrn_image &in, const mdrn_image &out) {
    const auto begin = Statistics::Clock::now();
    const bool reused = context.settings.reuse && context.last.is(in);
    if (reused) {
        repeat_picture(*context.stages, out);
    } else {
        if (context.settings.reuse) context.last.keep(in);
        run_network(*context.stages, in, out);
    }
    context.statistics.sent(begin, reused);
}

// Takes the oldest picture out of flight and waits for it.
int finish(mdrn_context &context) {
    context.in_flight.pop_front();
    const int result = guarded(context.settings, [&] { context.stages->finish(); });
    if (result) context.last.forget();
    context.statistics.received();
    return result;
}

mdrn_statistics statistics_of(const mdrn_context &context) {
    const Stages &stages = *context.stages;
    return context.statistics.filled(stages.waits() ? stages.watch.seconds()
                                                    : Stopwatch::Seconds{});
}

void tell_statistics(const mdrn_context &context) {
    const mdrn_statistics statistics = statistics_of(context);
    if (!statistics.pictures) return;
    for (const std::string &text : {counts_text(statistics), shares_text(statistics)})
        if (!text.empty()) log(context.settings, MDRN_LOG_VERBOSE, text.c_str());
}

mdrn_image read_image(const mdrn_image *given, const char *which) {
    require(given && given->size >= sizeof(mdrn_image),
            std::string(which) + ": size must be sizeof(mdrn_image)");
    return *given;
}

void check_memory(const mdrn_context &context, const mdrn_image &image) {
    if (!context.stages->reaches(image.memory))
        throw Error(MDRN_ERROR_UNSUPPORTED,
                    "the planes are in CUDA memory, which the CPU cannot reach: open the context "
                    "with MDRN_DEVICE_CUDA, or copy the planes to host memory");
}

}  // namespace

unsigned mdrn_version(void) {
    return MDRN_VERSION_MAJOR << 16 | MDRN_VERSION_MINOR << 8 | MDRN_VERSION_PATCH;
}

const char *mdrn_last_error(void) {
    return last_error;
}

void mdrn_settings_default(mdrn_settings *settings, size_t size) {
    mdrn_settings defaults{};
    defaults.size = std::min(size, sizeof defaults);
    defaults.model = "mdrn";
    defaults.gpu = -1;
    defaults.async_depth = 1;
    defaults.reuse = 1;
    std::memset(settings, 0, size);
    std::memcpy(settings, &defaults, defaults.size);
}

int mdrn_open(mdrn_context **context, const mdrn_settings *settings) {
    if (context) *context = nullptr;
    mdrn_settings read{};  // so that a failure reaches the caller's log
    return guarded(read, [&] {
        require(context, "mdrn_open: context is NULL");
        read = read_settings(settings);
        check_settings(read);
        auto opened = std::make_unique<mdrn_context>();
        opened->settings = read;
        opened->settings.model = nullptr;
        opened->model = load_model(read.model && *read.model ? read.model : "mdrn", read.scale);
        opened->stages = make_stages(opened.get());
        const std::string computing = "enlarging " + std::to_string(opened->model.scale) +
                                      " times on: " + opened->stages->description();
        log(read, MDRN_LOG_VERBOSE, computing.c_str());
        *context = opened.release();
    });
}

void mdrn_close(mdrn_context **context) {
    if (!context || !*context) return;
    mdrn_flush(*context);
    guarded((*context)->settings, [&] { tell_statistics(**context); });
    delete *context;
    *context = nullptr;
}

int mdrn_scale(const mdrn_context *context) {
    return context->model.scale;
}

int mdrn_memory_needed(const mdrn_context *context, int width, int height, uint64_t *bytes) {
    return guarded(context->settings, [&] {
        *bytes = needed(*context, {width, height}, Plan::small);
    });
}

int mdrn_prepare(mdrn_context *context, int width, int height) {
    return guarded(context->settings, [&] {
        require(context->in_flight.empty(), "mdrn_prepare: pictures are in flight");
        prepare(*context, {width, height});
    });
}

int mdrn_send(mdrn_context *context, const mdrn_image *in, const mdrn_image *out, void *opaque) {
    if (context->draining) return MDRN_EOF;
    if (!in) {
        context->draining = true;
        return 0;
    }
    if (!has_room(*context)) return MDRN_AGAIN;
    if (!context->in_flight.empty() && context->prepared != Size{in->width, in->height})
        return MDRN_AGAIN;
    return guarded(context->settings, [&] {
        const mdrn_image small = read_image(in, "in"), large = read_image(out, "out");
        check_pair(small, large, context->model.scale);
        check_memory(*context, small);
        check_memory(*context, large);
        prepare(*context, {in->width, in->height});
        context->in_flight.push_back(opaque);
        try {
            enlarge(*context, small, large);
        } catch (...) {
            context->in_flight.pop_back();
            context->last.forget();
            throw;
        }
    });
}

int mdrn_receive(mdrn_context *context, void **opaque) {
    if (context->in_flight.empty()) return context->draining ? MDRN_EOF : MDRN_AGAIN;
    if (!context->draining && has_room(*context)) return MDRN_AGAIN;
    if (opaque) *opaque = context->in_flight.front();
    return finish(*context);
}

void mdrn_flush(mdrn_context *context) {
    while (!context->in_flight.empty()) finish(*context);
    context->draining = false;
}

void mdrn_get_statistics(const mdrn_context *context, mdrn_statistics *statistics, size_t size) {
    const mdrn_statistics known = statistics_of(*context);
    std::memset(statistics, 0, size);
    std::memcpy(statistics, &known, std::min(size, sizeof known));
    statistics->size = std::min(size, sizeof known);
}
