// SPDX-License-Identifier: BSD-2-Clause
// mdrn-peaks THREADS: a line for each unit that multiplies, "NAME G": thousand millions of
// multiply-adds a second.
#include <cstdio>
#include <cstdlib>

#include "cpu/features.h"
#include "peaks.h"

int main(int argc, char **argv) {
    const int threads = argc == 2 ? std::atoi(argv[1]) : 0;
    if (threads < 1) {
        std::fputs("mdrn-peaks THREADS\n", stderr);
        return 2;
    }
    std::printf("FMA %.1f\n", peak(multiply_fma, threads));
#if MDRN_BF16
    if (mdrn::cpu::has_avx512_bf16())
        std::printf("vdpbf16ps %.1f\n", peak(multiply_vdpbf16ps, threads));
    if (mdrn::cpu::has_amx_bf16()) std::printf("AMX %.1f\n", peak(multiply_amx, threads));
#endif
}
