/* SPDX-License-Identifier: BSD-2-Clause */
/* The files of models/, byte for byte, each between <symbol> and <symbol>_end. */
.macro bundle symbol, file
    .global \symbol
    .global \symbol\()_end
#ifdef __ELF__
    .hidden \symbol
    .hidden \symbol\()_end
#endif
    .balign 64
\symbol:
    .incbin "\file"
\symbol\()_end:
.endm

#ifdef __ELF__
    .section .rodata
#else
    .section .rdata, "dr"
#endif
    bundle mdrn_builtin_x2, "mdrn_x2.safetensors"
    bundle mdrn_builtin_x3, "mdrn_x3.safetensors"
    bundle mdrn_builtin_x4, "mdrn_x4.safetensors"
    bundle mdrn_builtin_s_x2, "mdrn-s_x2.safetensors"
    bundle mdrn_builtin_s_x3, "mdrn-s_x3.safetensors"
    bundle mdrn_builtin_s_x4, "mdrn-s_x4.safetensors"

#ifdef __ELF__
    .section .note.GNU-stack, "", %progbits
#endif
