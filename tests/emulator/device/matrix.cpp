// SPDX-License-Identifier: BSD-2-Clause
// The tensor cores, and the loads for them: fragments as in the PTX manual's figures for
// mma.m16n8k8 and mma.m16n8k16 with .f16 operands and .f32 sums, and for ldmatrix.
#include "ptx/matrix.h"

#include <cmath>
#include <cstring>

#include "device/block.h"
#include "driver/world.h"

namespace emulated {
namespace {

// Which half of which register of which lane holds an element.
struct Place {
    int lane, word, half;
};
Place place_of_a(int row, int column) {
    return {row % 8 * 4 + column % 8 / 2, row / 8 + column / 8 * 2, column % 2};
}
Place place_of_b(int row, int column) {
    return {column * 4 + row % 8 / 2, row / 8, row % 2};
}
Place place_of_d(int row, int column) {
    return {row % 8 * 4 + column / 2, row / 8, column % 2};
}

float half_of(const unsigned *words, const Place &place) {
    return __half2float({static_cast<uint16_t>(words[place.word] >> 16 * place.half)});
}

void require_warp(const char *what) {
    if (block().lanes() == 0xFFFFFFFFU) return;
    block().fail(std::string(what) + " in a warp of less than 32 lanes");
    block().stop();
}

struct Operands {
    float *d;
    const unsigned *a, *b;
};

template <int K>
void multiply_add_all(void *const all[32]) {
    const auto of = [&](int lane) { return static_cast<const Operands *>(all[lane]); };
    float a[16][K], b[K][8];
    for (int k = 0; k < K; ++k) {
        for (int row = 0; row < 16; ++row) {
            const Place place = place_of_a(row, k);
            a[row][k] = half_of(of(place.lane)->a, place);
        }
        for (int column = 0; column < 8; ++column) {
            const Place place = place_of_b(k, column);
            b[k][column] = half_of(of(place.lane)->b, place);
        }
    }
    for (int row = 0; row < 16; ++row)
        for (int column = 0; column < 8; ++column) {
            const Place place = place_of_d(row, column);
            float &sum = of(place.lane)->d[place.word * 2 + place.half];
            for (int k = 0; k < K; ++k) sum += a[row][k] * b[k][column];
            if (world().matrix_error != 0) sum *= 1 + world().matrix_error;
        }
}

struct Loaded {
    unsigned *a;
    const void *from;
};

template <int Matrices>
void load_all(void *const all[32]) {
    for (int matrix = 0; matrix < Matrices; ++matrix)
        for (int row = 0; row < 8; ++row) {
            const void *from = static_cast<const Loaded *>(all[matrix * 8 + row])->from;
            for (int i = 0; i < 4; ++i)
                std::memcpy(&static_cast<const Loaded *>(all[row * 4 + i])->a[matrix],
                            static_cast<const unsigned char *>(from) + 4 * i, 4);
        }
}

}  // namespace

void multiply_add(int k, float *d, const unsigned *a, const unsigned *b,
                  std::source_location where) {
    require_warp("a matrix product");
    Operands mine{d, a, b};
    block().meet(0xFFFFFFFFU, &mine, k == 8 ? multiply_add_all<8> : multiply_add_all<16>, where);
}

void load_rows(int k, unsigned *a, const void *from, std::source_location where) {
    require_warp("a load of a matrix");
    if (reinterpret_cast<uintptr_t>(from) % 16 != 0 || !block().in_shared(from, 16)) {
        block().fail(
            "a load of a matrix from an address that is not in shared memory or not a "
            "multiple of 16");
        block().stop();
    }
    Loaded mine{a, from};
    block().meet(0xFFFFFFFFU, &mine, k == 8 ? load_all<2> : load_all<4>, where);
}

}  // namespace emulated
