// SPDX-License-Identifier: BSD-2-Clause
// From a matrix's Y, Cb, Cr to R', G', B' and back: MatrixCoefficients of ITU-T H.273.
#pragma once

#include <variant>

#include "stages.h"

namespace mdrn {

// H.273 code points.
inline constexpr int kMatrixGbr = 0;
inline constexpr int kMatrixBt709 = 1;
inline constexpr int kMatrixUnspecified = 2;
inline constexpr int kMatrixSmpte170m = 6;
inline constexpr int kMatrixYcgco = 8;
inline constexpr int kMatrixBt2020Cl = 10;
inline constexpr int kMatrixIctcp = 14;
inline constexpr int kTransferUnspecified = 2;
inline constexpr int kTransferLinear = 8;
inline constexpr int kTransferPq = 16;
inline constexpr int kTransferHlg = 18;

// Y' = kr R' + (1 - kr - kb) G' + kb B', the others differences to it; and YCgCo.
struct LinearMatrix {
    float rgb[3][2];  // what Cb and Cr add to Y' in R', G', B'
    float yuv[3][2];  // what R' - G' and B' - G' add in Y', Cb, Cr
    void to_rgb(float &y, float &cb, float &cr) const;
    void to_yuv(float &r, float &g, float &b) const;
};

// coefficients is 1 or 4 to 9.
LinearMatrix linear_matrix(int coefficients);

// What a picture of this size is taken to have where it is not tagged.
int untagged_matrix(Size size);

// BT.2020: luma is made of linear light.
struct ConstantLuminance {
    void to_rgb(float &y, float &cb, float &cr) const;
    void to_yuv(float &r, float &g, float &b) const;
};

// BT.2100: the transfer characteristics, PQ or HLG, are applied to L, M, S.
struct Ictcp {
    bool hlg;
    void to_rgb(float &i, float &ct, float &cp) const;
    void to_yuv(float &r, float &g, float &b) const;
};

// Equal R', G', B' become Cb = Cr = 0 and back: exactly with a LinearMatrix. Nothing is clipped:
// below 0, transfer characteristics go on as odd functions.
class Matrix {
public:
    // coefficients is 1, 4 to 10 or 14; transfer says whether ICtCp is HLG (18) or PQ.
    Matrix(int coefficients, int transfer);

    // count pixels, in place.
    void to_rgb(float *const line[3], int count) const;
    void to_yuv(float *const line[3], int count) const;

private:
    std::variant<LinearMatrix, ConstantLuminance, Ictcp> model_;
};

}  // namespace mdrn
