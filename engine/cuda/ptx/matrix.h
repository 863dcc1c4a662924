// SPDX-License-Identifier: BSD-2-Clause
// A warp's matrix product D += A B on the tensor cores: A (16, K) and B (K, 8) of half, D (16, 8)
// of float, K = 8 or 16. All 32 lanes take part, each with a fragment, as PTX's mma.m16n8k8 and
// .m16n8k16 lay them out. Lane l, with g = l / 4 and t = 2 (l % 4), has in register r's low and
// high half (of D: in elements 2r and 2r + 1)
//     A: row g + 8 (r % 2), columns t + 8 (r / 2) and the next
//     B: rows t + 8 r and the next, column g
//     D: row g + 8 r, columns t and the next
// so that D rounded to half is A of the next product. Products are exact, sums float.
//
// There is another header of this name for the emulated device; the include path chooses.
#pragma once

#include <cuda_fp16.h>
#include <cuda_runtime.h>

namespace mdrn::cuda {

template <int K>
struct Rows {  // A
    unsigned v[K / 4];
};
template <int K>
struct Columns {  // B
    unsigned v[K / 8];
};
struct Sums {  // D
    float v[4];
};

__device__ __forceinline__ void multiply_add(Sums &d, const Rows<8> &a, const Columns<8> &b) {
    asm volatile(
        "mma.sync.aligned.m16n8k8.row.col.f32.f16.f16.f32 {%0, %1, %2, %3}, {%4, %5}, {%6}, "
        "{%0, %1, %2, %3};"
        : "+f"(d.v[0]), "+f"(d.v[1]), "+f"(d.v[2]), "+f"(d.v[3])
        : "r"(a.v[0]), "r"(a.v[1]), "r"(b.v[0]));
}

__device__ __forceinline__ void multiply_add(Sums &d, const Rows<16> &a, const Columns<16> &b) {
#if __CUDA_ARCH__ < 800
    multiply_add(d, Rows<8>{a.v[0], a.v[1]}, Columns<8>{b.v[0]});
    multiply_add(d, Rows<8>{a.v[2], a.v[3]}, Columns<8>{b.v[1]});
#else
    asm volatile(
        "mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, "
        "{%8, %9}, {%0, %1, %2, %3};"
        : "+f"(d.v[0]), "+f"(d.v[1]), "+f"(d.v[2]), "+f"(d.v[3])
        : "r"(a.v[0]), "r"(a.v[1]), "r"(a.v[2]), "r"(a.v[3]), "r"(b.v[0]), "r"(b.v[1]));
#endif
}

// A from shared memory. Lane l names eight neighbouring halves, aligned to 16 bytes: those of row
// l % 16 from column l / 16 * 8 on (K = 8: from column 0; lanes from 16 on name any that are
// there).
template <int K>
__device__ __forceinline__ Rows<K> load_rows(const __half *from);

template <>
__device__ __forceinline__ Rows<8> load_rows<8>(const __half *from) {
    Rows<8> a;
    const auto address = static_cast<unsigned>(__cvta_generic_to_shared(from));
    asm volatile("ldmatrix.sync.aligned.m8n8.x2.shared.b16 {%0, %1}, [%2];"
                 : "=r"(a.v[0]), "=r"(a.v[1])
                 : "r"(address)
                 : "memory");
    return a;
}

template <>
__device__ __forceinline__ Rows<16> load_rows<16>(const __half *from) {
    Rows<16> a;
    const auto address = static_cast<unsigned>(__cvta_generic_to_shared(from));
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
                 : "=r"(a.v[0]), "=r"(a.v[1]), "=r"(a.v[2]), "=r"(a.v[3])
                 : "r"(address)
                 : "memory");
    return a;
}

}  // namespace mdrn::cuda
