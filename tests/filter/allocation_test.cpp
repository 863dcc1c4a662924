// SPDX-License-Identifier: BSD-2-Clause
// Every allocation of a graph's life fails in turn: an error, and nothing is lost.
// A program of its own: it stands in for malloc. For glibc.
#include <dlfcn.h>
#include <execinfo.h>
#include <gtest/gtest.h>

#include <atomic>
#include <cerrno>
#include <cstdarg>
#include <cstdio>
#include <cstring>

#include "harness.h"

extern "C" {
#include <libavutil/log.h>

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *pointer, size_t size);
void *__libc_memalign(size_t alignment, size_t size);
void __libc_free(void *pointer);

extern const char __executable_start, etext;
}

namespace {

// FFmpeg is linked into the program; libmdrn and what it stands on are not.
enum class Caller { nobody, ffmpeg, library };

std::atomic<long> made;     // allocations of failing's since the graph was configured
std::atomic<long> fail_at;  // which of them fails, counted from 1; 0 = none
std::atomic<Caller> failing{Caller::nobody};
std::atomic<bool> zimgs;  // the one that failed was
std::atomic<long> live;   // allocations of anybody's that are not freed

// zimg loses a little where its own allocations fail.
bool within_zimg() {
    void *addresses[64];
    const int count = backtrace(addresses, 64);
    for (int i = 0; i < count; ++i) {
        Dl_info info;
        if (dladdr(addresses[i], &info) && strstr(info.dli_fname, "libzimg")) return true;
    }
    return false;
}

bool refused(const void *from) {
    const auto address = reinterpret_cast<uintptr_t>(from);
    const bool inside = address >= reinterpret_cast<uintptr_t>(&__executable_start) &&
                        address < reinterpret_cast<uintptr_t>(&etext);
    if (failing != (inside ? Caller::ffmpeg : Caller::library) || ++made != fail_at) return false;
    failing = Caller::nobody;
    zimgs = within_zimg();
    return true;
}

void *counted(void *pointer) {
    if (pointer) ++live;
    return pointer;
}

}  // namespace

#define REFUSED() refused(__builtin_return_address(0))

extern "C" {

void *malloc(size_t size) {
    return REFUSED() ? nullptr : counted(__libc_malloc(size));
}

void *calloc(size_t count, size_t size) {
    return REFUSED() ? nullptr : counted(__libc_calloc(count, size));
}

void *realloc(void *pointer, size_t size) {
    if (REFUSED()) return nullptr;
    void *moved = __libc_realloc(pointer, size);
    if (!pointer && moved) ++live;
    if (pointer && !size && !moved) --live;
    return moved;
}

void *aligned_alloc(size_t alignment, size_t size) {
    return REFUSED() ? nullptr : counted(__libc_memalign(alignment, size));
}

int posix_memalign(void **pointer, size_t alignment, size_t size) {
    void *memory = REFUSED() ? nullptr : counted(__libc_memalign(alignment, size));
    if (memory) *pointer = memory;
    return memory ? 0 : ENOMEM;
}

void free(void *pointer) {
    if (pointer) --live;
    __libc_free(pointer);
}
}

namespace filter_test {
namespace {

constexpr int kFrames = 2;

struct Outcome {
    int error = 0;   // the first
    int frames = 0;  // that came out
    long made = 0;   // allocations
    long lost = 0;   // those that were not freed, unless zimg's failed
};

// Fails the allocation-th of the caller's from the graph's configuration to its end; before that,
// FFmpeg alone allocates, and loses some. The rest of this function allocates nothing.
Outcome run(const std::string &filters, const Source &source, const Frame (&frames)[kFrames],
            Caller caller, long allocation) {
    Outcome result;
    const auto note = [&](int code) {
        if (code < 0 && code != AVERROR_EOF && code != AVERROR(EAGAIN) && !result.error)
            result.error = code;
        return code >= 0;
    };
    const long before = live;
    {
        Graph graph(filters, source, 1);
        made = 0;
        zimgs = false;
        fail_at = allocation;
        failing = caller;
        int code = 0;
        if (note(graph.configure())) {
            for (const Frame &frame : frames) {
                note(graph.send(frame.get()));
                while (graph.receive(false, &code)) ++result.frames;
                note(code);
            }
            note(graph.end());
            while (graph.receive(true, &code)) ++result.frames;
            note(code);
        }
    }
    failing = Caller::nobody;
    result.made = made;
    result.lost = zimgs ? 0 : live - before;
    return result;
}

// All of FFmpeg's fail; of libmdrn's, which has a test of its own, one in so many.
struct Case {
    const char *name;
    Caller caller;
    long step;
    const char *options;
};

class Allocation : public testing::TestWithParam<Case> {};

TEST_P(Allocation, ThatFailsIsAnErrorAndNothingIsLost) {
    av_log_set_callback([](void *, int, const char *format, va_list arguments) {
        char line[1024];
        vsnprintf(line, sizeof line, format, arguments);
    });
    const auto [name, caller, step, options] = GetParam();
    const std::string filters = mdrn(options);
    const Source source = {AV_PIX_FMT_YUV420P, 8, 6, AVCOL_SPC_BT709, AVCOL_RANGE_MPEG};
    Frame frames[kFrames];
    for (int i = 0; i < kFrames; ++i) {
        frames[i] = make_frame(source, i);
        av_frame_new_side_data(frames[i].get(), AV_FRAME_DATA_A53_CC, 16);
    }
    within_zimg();  // what is made once for the whole process is there from here on
    Outcome whole;
    for (int i = 0; i < 3; ++i) whole = run(filters, source, frames, caller, 0);
    ASSERT_EQ(whole.frames, kFrames);
    ASSERT_EQ(whole.lost, 0);
    ASSERT_GT(whole.made, 10);

    long failures = 0, errors = 0, wrong = 0;
    for (long allocation = 1; allocation <= whole.made && wrong < 10; allocation += step) {
        const Outcome result = run(filters, source, frames, caller, allocation);
        ++failures;
        errors += result.error < 0;
        if (!result.lost && (result.error || result.frames == kFrames)) continue;
        ++wrong;
        ADD_FAILURE() << "allocation " << allocation << ": error " << result.error << ", "
                      << result.frames << " frames, " << result.lost << " allocations lost";
    }
    EXPECT_GT(errors, failures / 2);
    EXPECT_EQ(run(filters, source, frames, caller, 0).frames, kFrames);
    std::printf("# %ld of %ld allocations of %s failed in turn, %ld with an error\n", failures,
                whole.made, name, errors);
    av_log_set_callback(av_log_default_callback);
}

INSTANTIATE_TEST_SUITE_P(Failing, Allocation,
                         testing::Values(Case{"FFmpeg's", Caller::ffmpeg, 1, "async_depth=1"},
                                         Case{"FFmpeg's", Caller::ffmpeg, 1, "async_depth=2"},
                                         Case{"libmdrn's", Caller::library, 37, "async_depth=2"}));

}  // namespace
}  // namespace filter_test
