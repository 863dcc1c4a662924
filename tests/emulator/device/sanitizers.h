// SPDX-License-Identifier: BSD-2-Clause
// The sanitizers' interfaces, which do nothing in a build without them.
#pragma once

#include <cstddef>

#if defined(__has_feature)
#if __has_feature(address_sanitizer) && !defined(__SANITIZE_ADDRESS__)
#define __SANITIZE_ADDRESS__ 1
#endif
#if __has_feature(thread_sanitizer) && !defined(__SANITIZE_THREAD__)
#define __SANITIZE_THREAD__ 1
#endif
#endif

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
#endif
#ifdef __SANITIZE_THREAD__
#include <sanitizer/tsan_interface.h>
#endif

namespace emulated {

#ifdef __SANITIZE_ADDRESS__
inline void asan_start_switch_fiber(void **fake, const void *stack, size_t bytes) {
    __sanitizer_start_switch_fiber(fake, stack, bytes);
}
inline void asan_finish_switch_fiber(void *fake, const void **stack, size_t *bytes) {
    __sanitizer_finish_switch_fiber(fake, stack, bytes);
}
inline void asan_forbid(const void *at, size_t bytes) {
    __asan_poison_memory_region(at, bytes);
}
inline void asan_allow(const void *at, size_t bytes) {
    __asan_unpoison_memory_region(at, bytes);
}
#else
inline void asan_start_switch_fiber(void **, const void *, size_t) {}
inline void asan_finish_switch_fiber(void *, const void **, size_t *) {}
inline void asan_forbid(const void *, size_t) {}
inline void asan_allow(const void *, size_t) {}
#endif

#ifdef __SANITIZE_THREAD__
inline void *tsan_create_fiber() {
    return __tsan_create_fiber(0);
}
inline void *tsan_get_current_fiber() {
    return __tsan_get_current_fiber();
}
inline void tsan_switch_to_fiber(void *fiber) {
    __tsan_switch_to_fiber(fiber, 0);
}
#else
inline void *tsan_create_fiber() {
    return nullptr;
}
inline void *tsan_get_current_fiber() {
    return nullptr;
}
inline void tsan_switch_to_fiber(void *) {}
#endif

}  // namespace emulated
