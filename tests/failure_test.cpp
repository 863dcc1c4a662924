// SPDX-License-Identifier: BSD-2-Clause
// Each allocation and each start of a thread, of ours and of the libraries we call, fails in turn:
// an error comes of it, nothing leaks, and the same context works afterwards.
#include <dlfcn.h>
#include <gtest/gtest.h>
#include <pthread.h>
#include <zimg.h>

#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "api.h"
#include "picture.h"

#if defined(__GLIBC__) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#define MDRN_INJECTS 1
#else
#define MDRN_INJECTS 0
#endif

namespace {

enum class Failing { nothing, one, all_from };

// What is counted, and which of it fails.
struct Injection {
    std::atomic<Failing> failing = Failing::nothing;
    std::atomic<long> first = 0;
    std::atomic<long> counted = 0;

    bool fails() {
        const Failing which = failing;
        if (which == Failing::nothing) return false;
        const long number = ++counted;
        return which == Failing::one ? number == first : number >= first;
    }
};

Injection allocations, threads;
std::atomic<long> live = 0;  // blocks
long lost_by_zimg = 0;       // blocks that zimg 3.0.4 leaks where a graph cannot be built

template <typename Function>
Function *next(Function *, const char *name) {
    return reinterpret_cast<Function *>(dlsym(RTLD_NEXT, name));
}

}  // namespace

#if MDRN_INJECTS
#pragma GCC visibility push(default)  // for the libraries too
extern "C" {

void *__libc_malloc(size_t);
void *__libc_calloc(size_t, size_t);
void *__libc_realloc(void *, size_t);
void *__libc_memalign(size_t, size_t);
void __libc_free(void *);

static void *counted(void *block) {
    if (block) ++live;
    return block;
}

static void *refused() {
    errno = ENOMEM;
    return nullptr;
}

void *malloc(size_t size) {
    return allocations.fails() ? refused() : counted(__libc_malloc(size));
}

void *calloc(size_t count, size_t size) {
    return allocations.fails() ? refused() : counted(__libc_calloc(count, size));
}

void *realloc(void *old, size_t size) {
    if (allocations.fails()) return refused();
    return old ? __libc_realloc(old, size) : counted(__libc_malloc(size));
}

void *aligned_alloc(size_t alignment, size_t size) {
    return allocations.fails() ? refused() : counted(__libc_memalign(alignment, size));
}

int posix_memalign(void **block, size_t alignment, size_t size) {
    *block = aligned_alloc(alignment, size);
    return *block ? 0 : ENOMEM;
}

void free(void *block) {
    if (block) --live;
    __libc_free(block);
}

int pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*start)(void *),
                   void *argument) {
    static const auto create = next(pthread_create, "pthread_create");
    return threads.fails() ? EAGAIN : create(thread, attributes, start, argument);
}

zimg_filter_graph *zimg_filter_graph_build(const zimg_image_format *from,
                                           const zimg_image_format *to,
                                           const zimg_graph_builder_params *params) {
    static const auto build = next(zimg_filter_graph_build, "zimg_filter_graph_build");
    const long before = live;
    zimg_filter_graph *graph = build(from, to, params);
    if (!graph) lost_by_zimg += live - before;
    return graph;
}
}
#pragma GCC visibility pop
#endif

namespace mdrn::test {
namespace {

class Failure : public testing::Test {
protected:
    void SetUp() override {
        if (!MDRN_INJECTS) GTEST_SKIP() << "the sanitizer has the allocator to itself";
        // Where a thread first comes to an error of zimg's, glibc allocates, and ends the program
        // itself if it cannot.
        zimg_clear_last_error();
    }
};

mdrn_settings two_threads() {
    mdrn_settings settings = small_settings();
    settings.threads = 2;
    settings.log = [](void *, mdrn_log_level, const char *) {};  // what it is told is made
    return settings;
}

// Runs body with the first of what is counted failing, then with another, every step-th of them,
// until it gets by without. body(with_failure): with_failure(call) makes the call that may fail.
template <typename Body>
void for_each_failure(Injection &injection, Failing failing, int step, const Body &body) {
    long number = 1 - step;
    for (bool failed = true; failed; failed = injection.counted >= number) {
        number += step;
        const long before = live;
        lost_by_zimg = 0;
        const auto with_failure = [&](const auto &call) {
            injection.first = number;
            injection.counted = 0;
            injection.failing = failing;
            const int result = call();
            injection.failing = Failing::nothing;
            return result;
        };
        body(with_failure);
        ASSERT_FALSE(testing::Test::HasFailure()) << "at failure " << number;
        ASSERT_EQ(live, before + lost_by_zimg) << "blocks leak at failure " << number;
        ASSERT_LT(number, 100000);
    }
    EXPECT_GT(number, 1) << "nothing has failed";
    std::printf("%ld failures\n", (number - 1) / step);
}

void expect_told(int result) {
    if (result == 0) return;
    EXPECT_EQ(result, MDRN_ERROR_OUT_OF_MEMORY) << mdrn_last_error();
    EXPECT_STRNE(mdrn_last_error(), "");
}

void open_with_failures(Injection &injection, Failing failing, int step) {
    const mdrn_settings settings = two_threads();
    open(settings);  // what is allocated once for good
    for_each_failure(injection, failing, step, [&](const auto &with_failure) {
        mdrn_context *context = nullptr;
        const int result = with_failure([&] { return mdrn_open(&context, &settings); });
        expect_told(result);
        EXPECT_EQ(context != nullptr, result == 0);
        mdrn_close(&context);
    });
}

TEST_F(Failure, OfEachAllocationInOpen) {
    open_with_failures(allocations, Failing::one, 1);
}

TEST_F(Failure, OfAllFurtherAllocationsInOpen) {
    open_with_failures(allocations, Failing::all_from, 23);
}

TEST_F(Failure, OfThreadsToStart) {
    open_with_failures(threads, Failing::one, 1);
    threads.first = 1;
    threads.failing = Failing::all_from;
    mdrn_context *context = nullptr;
    const mdrn_settings settings = two_threads();
    EXPECT_EQ(mdrn_open(&context, &settings), MDRN_ERROR_OUT_OF_MEMORY);
    threads.failing = Failing::nothing;
    EXPECT_NE(std::string(mdrn_last_error()).find("threads"), std::string::npos)
        << mdrn_last_error();
}

TEST_F(Failure, OfEachAllocationInClose) {
    const FloatPicture in(15, 15);
    FloatPicture out(30, 30);
    const auto opened = [&] {
        mdrn_context *context = nullptr;
        const mdrn_settings settings = two_threads();
        EXPECT_EQ(mdrn_open(&context, &settings), 0);
        EXPECT_EQ(enlarge(context, in.image, out.image), 0);
        return context;
    };
    mdrn_context *first = opened();  // what is allocated once for good
    mdrn_close(&first);
    for_each_failure(allocations, Failing::one, 1, [&](const auto &with_failure) {
        mdrn_context *context = opened();
        with_failure([&] {
            mdrn_close(&context);
            return 0;
        });
        EXPECT_EQ(context, nullptr);
    });
}

struct Format {
    const char *name;
    mdrn_layout layout;
};

void PrintTo(const Format &format, std::ostream *out) {
    *out << format.name;
}

class FailureInPictures : public Failure, public testing::WithParamInterface<Format> {
protected:
    void enlarge_with_each_failure(Failing failing) {
        const mdrn_layout &layout = GetParam().layout;
        Picture in(18, 16, layout), expected(36, 32, layout), out(36, 32, layout);
        for (int p = 0; p < 4; ++p)
            for (int y = 0; y < in.rows[p]; ++y)
                for (int x = 0; x < in.row[p]; ++x)
                    static_cast<uint8_t *>(in.image.data[p])[y * in.image.stride[p] + x] =
                        static_cast<uint8_t>(40 + 5 * x + 3 * y);
        ASSERT_EQ(enlarge(open(two_threads()).get(), in.image, expected.image), 0);
        for_each_failure(allocations, failing, 1, [&](const auto &with_failure) {
            const Context context = open(two_threads());
            for (auto &plane : out.memory) std::fill(plane.begin(), plane.end(), Picture::kGuard);
            const int result = with_failure([&] {
                const int first = enlarge(context.get(), in.image, out.image);
                return first ? first : enlarge(context.get(), in.image, out.image);  // reused
            });
            expect_told(result);
            if (result) {
                EXPECT_EQ(mdrn_receive(context.get(), nullptr), MDRN_AGAIN);
                EXPECT_EQ(enlarge(context.get(), in.image, out.image), 0);
            }
            for (int p = 0; p < 4; ++p) EXPECT_EQ(out.memory[p], expected.memory[p]);
        });
    }
};

TEST_P(FailureInPictures, OfEachAllocation) {
    enlarge_with_each_failure(Failing::one);
}

TEST_P(FailureInPictures, OfAllFurtherAllocations) {
    enlarge_with_each_failure(Failing::all_from);
}

INSTANTIATE_TEST_SUITE_P(All, FailureInPictures,
                         testing::Values(Format{"Yuv420p", planar(MDRN_COLOR_YUV, 3, 8, 1, 1)},
                                         Format{"Rgba", packed(MDRN_COLOR_RGB, {{0, 4, 0, 0, 8},
                                                                                {0, 4, 1, 0, 8},
                                                                                {0, 4, 2, 0, 8},
                                                                                {0, 4, 3, 0, 8}})},
                                         Format{"Gray", planar(MDRN_COLOR_GRAY, 1, 8)}),
                         [](const auto &format) { return std::string(format.param.name); });

}  // namespace
}  // namespace mdrn::test
