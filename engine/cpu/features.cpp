// SPDX-License-Identifier: BSD-2-Clause
#include "cpu/features.h"

#ifdef __x86_64__
#include <cpuid.h>
#endif

#include "os.h"

namespace mdrn::cpu {

#ifdef __x86_64__
namespace {

struct Registers {
    unsigned eax = 0, ebx = 0, ecx = 0, edx = 0;
};

Registers cpuid(unsigned leaf, unsigned subleaf) {
    Registers r;
    __get_cpuid_count(leaf, subleaf, &r.eax, &r.ebx, &r.ecx, &r.edx);
    return r;
}

// Of the registers that the system saves: "XCR0 Register" in Intel's Software Developer's Manual.
bool system_saves(unsigned mask) {
    if (!(cpuid(1, 0).ecx >> 27 & 1)) return false;
    unsigned low, high;
    __asm__("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return (low & mask) == mask;
}

}  // namespace

bool has_avx512_bf16() {
    constexpr unsigned kAvx512 = 0xe6;
    const Registers features = cpuid(7, 0);
    const bool f = features.ebx >> 16 & 1, bw = features.ebx >> 30 & 1;
    return system_saves(kAvx512) && f && bw && cpuid(7, 1).eax >> 5 & 1;
}

bool has_amx_bf16() {
    constexpr unsigned kTiles = 0x60000;
    const Registers features = cpuid(7, 0);
    const bool tile = features.edx >> 24 & 1, bf16 = features.edx >> 22 & 1;
    return has_avx512_bf16() && system_saves(kTiles) && tile && bf16 && may_use_tiles();
}
#else
bool has_avx512_bf16() {
    return false;
}

bool has_amx_bf16() {
    return false;
}
#endif

}  // namespace mdrn::cpu
