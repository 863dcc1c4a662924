// SPDX-License-Identifier: BSD-2-Clause
// Kernels are compiled with -fsanitize=alignment, whose checks call this in place of the
// sanitizer's own library: a device faults where an x86 reads on.
#include <cstdint>
#include <cstdio>
#include <cstdlib>

#include "device/block.h"

namespace {

// The compilers' layout of what they tell.
struct Mismatch {
    const char *file;
    uint32_t line;
    uint32_t column;
    const struct Type {
        uint16_t kind;
        uint16_t info;
        char name[];
    } * type;
    unsigned char log_alignment;
    unsigned char access;
};

}  // namespace

extern "C" void __ubsan_handle_type_mismatch_v1(Mismatch *what, uintptr_t address) {
    {
        const uintptr_t alignment = uintptr_t{1} << what->log_alignment;
        const std::string text = std::string("a misaligned access to ") + what->type->name +
                                 " at " + what->file + ":" + std::to_string(what->line) + ", " +
                                 std::to_string(address % alignment) +
                                 " bytes behind a multiple of " + std::to_string(alignment);
        if (!emulated::block().runs()) {  // in a host function of a .cu file
            std::fprintf(stderr, "%s\n", text.c_str());
            std::abort();
        }
        emulated::block().fail(text);
    }
    emulated::block().stop();
}
