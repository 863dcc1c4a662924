// SPDX-License-Identifier: BSD-2-Clause
#include "matrix.h"

#include <algorithm>
#include <cmath>

namespace mdrn {
namespace {

struct Weights {
    int coefficients;
    double kr, kb;
};
constexpr Weights kWeights[] = {
    {1, 0.2126, 0.0722}, {4, 0.30, 0.11},   {5, 0.299, 0.114},
    {6, 0.299, 0.114},   {7, 0.212, 0.087}, {9, 0.2627, 0.0593},
};
constexpr double kKr = 0.2627, kKb = 0.0593, kKg = 1 - kKr - kKb;  // of BT.2020

LinearMatrix from_weights(double kr, double kb) {
    const double kg = 1 - kr - kb;
    const double cb = 2 * (1 - kb);
    const double cr = 2 * (1 - kr);
    return {{{0, float(cr)}, {float(-cb * kb / kg), float(-cr * kr / kg)}, {float(cb), 0}},
            {{float(kr), float(kb)}, {float(-kr / cb), 0.5F}, {0.5F, float(-kb / cr)}}};
}

constexpr LinearMatrix kYcgco = {{{-1, 1}, {1, 0}, {-1, -1}},
                                 {{0.25F, 0.25F}, {-0.25F, -0.25F}, {0.5F, -0.5F}}};

// BT.709's and BT.2020's transfer characteristics.
constexpr double kAlpha = 1.09929682680944;
constexpr double kBeta = 0.018053968510807;

double bt2020_of(double light) {
    const double x = std::abs(light);
    return std::copysign(x < kBeta ? 4.5 * x : kAlpha * std::pow(x, 0.45) - (kAlpha - 1), light);
}

double bt2020_light(double signal) {
    const double x = std::abs(signal);
    return std::copysign(
        x < 4.5 * kBeta ? x / 4.5 : std::pow((x + (kAlpha - 1)) / kAlpha, 1 / 0.45), signal);
}

constexpr double kPqC1 = 3424. / 4096, kPqC2 = 2413. / 128, kPqC3 = 2392. / 128;
constexpr double kPqM = 2523. / 32, kPqN = 2610. / 16384;

double pq_of(double light) {
    const double x = std::pow(std::abs(light), kPqN);
    return std::copysign(std::pow((kPqC1 + kPqC2 * x) / (1 + kPqC3 * x), kPqM), light);
}

double pq_light(double signal) {
    // The curve's pole is at 1.99; no code reaches it, a network's output may.
    const double x = std::pow(std::min(std::abs(signal), 1.9), 1 / kPqM);
    return std::copysign(std::pow(std::max(x - kPqC1, 0.) / (kPqC2 - kPqC3 * x), 1 / kPqN), signal);
}

constexpr double kHlgA = 0.17883277, kHlgB = 0.28466892, kHlgC = 0.55991073;

double hlg_of(double light) {
    const double x = std::abs(light);
    return std::copysign(x <= 1. / 12 ? std::sqrt(3 * x) : kHlgA * std::log(12 * x - kHlgB) + kHlgC,
                         light);
}

double hlg_light(double signal) {
    const double x = std::min(std::abs(signal), 4.);  // e^19 is enough
    return std::copysign(x <= 0.5 ? x * x / 3 : (std::exp((x - kHlgC) / kHlgA) + kHlgB) / 12,
                         signal);
}

// The largest differences that constant luminance allows below and above 0.
struct Reach {
    explicit Reach(double k) : below(2 * bt2020_of(1 - k)), above(2 * (1 - bt2020_of(k))) {}
    double difference(double c) const { return c * (c < 0 ? below : above); }
    double component(double d) const { return d / (d < 0 ? below : above); }
    double below, above;
};
const Reach kReachB(kKb), kReachR(kKr);

struct Matrix3 {
    double m[3][3];

    constexpr double cofactor(int i, int j) const {
        const int a = (i + 1) % 3, b = (i + 2) % 3, c = (j + 1) % 3, d = (j + 2) % 3;
        return m[a][c] * m[b][d] - m[a][d] * m[b][c];
    }
    constexpr Matrix3 inverse() const {
        const double determinant =
            m[0][0] * cofactor(0, 0) + m[0][1] * cofactor(0, 1) + m[0][2] * cofactor(0, 2);
        Matrix3 result = {};
        for (int i = 0; i < 3; ++i)
            for (int j = 0; j < 3; ++j) result.m[i][j] = cofactor(j, i) / determinant;
        return result;
    }
    template <typename Curve>
    void apply(double (&v)[3], Curve curve) const {
        const double from[3] = {v[0], v[1], v[2]};
        for (int i = 0; i < 3; ++i)
            v[i] = curve(m[i][0] * from[0] + m[i][1] * from[1] + m[i][2] * from[2]);
    }
};

constexpr Matrix3 over4096(const Matrix3 &m) {
    Matrix3 result = {};
    for (int i = 0; i < 3; ++i)
        for (int j = 0; j < 3; ++j) result.m[i][j] = m.m[i][j] / 4096;
    return result;
}

constexpr Matrix3 kLms = over4096({{{1688, 2146, 262}, {683, 2951, 462}, {99, 309, 3688}}});
constexpr Matrix3 kPqIctcp =
    over4096({{{2048, 2048, 0}, {6610, -13613, 7003}, {17933, -17390, -543}}});
constexpr Matrix3 kHlgIctcp =
    over4096({{{2048, 2048, 0}, {3625, -7465, 3840}, {9500, -9212, -288}}});
constexpr Matrix3 kFromLms = kLms.inverse();
constexpr Matrix3 kFromPqIctcp = kPqIctcp.inverse();
constexpr Matrix3 kFromHlgIctcp = kHlgIctcp.inverse();

}  // namespace

LinearMatrix linear_matrix(int coefficients) {
    for (const Weights &w : kWeights)
        if (w.coefficients == coefficients) return from_weights(w.kr, w.kb);
    return kYcgco;
}

int untagged_matrix(Size size) {
    return size.width > 1279 || size.height > 576 ? kMatrixBt709 : kMatrixSmpte170m;
}

void LinearMatrix::to_rgb(float &y, float &cb, float &cr) const {
    const float r = y + (rgb[0][0] * cb + rgb[0][1] * cr);
    const float g = y + (rgb[1][0] * cb + rgb[1][1] * cr);
    const float b = y + (rgb[2][0] * cb + rgb[2][1] * cr);
    y = r, cb = g, cr = b;
}

void LinearMatrix::to_yuv(float &r, float &g, float &b) const {
    const float rg = r - g;
    const float bg = b - g;
    r = g + (yuv[0][0] * rg + yuv[0][1] * bg);
    g = yuv[1][0] * rg + yuv[1][1] * bg;
    b = yuv[2][0] * rg + yuv[2][1] * bg;
}

void ConstantLuminance::to_rgb(float &y, float &cb, float &cr) const {
    const double b = y + kReachB.difference(cb);
    const double r = y + kReachR.difference(cr);
    const double light = bt2020_light(y);
    const double g =
        light + (kKr * (light - bt2020_light(r)) + kKb * (light - bt2020_light(b))) / kKg;
    y = float(r), cb = float(bt2020_of(g)), cr = float(b);
}

void ConstantLuminance::to_yuv(float &r, float &g, float &b) const {
    const double light = kKr * bt2020_light(r) + kKg * bt2020_light(g) + kKb * bt2020_light(b);
    const double y = bt2020_of(light);
    const double cb = kReachB.component(b - y);
    const double cr = kReachR.component(r - y);
    r = float(y), g = float(cb), b = float(cr);
}

void Ictcp::to_rgb(float &i, float &ct, float &cp) const {
    double v[3] = {i, ct, cp};
    (hlg ? kFromHlgIctcp : kFromPqIctcp).apply(v, hlg ? hlg_light : pq_light);
    kFromLms.apply(v, hlg ? hlg_of : pq_of);
    i = float(v[0]), ct = float(v[1]), cp = float(v[2]);
}

void Ictcp::to_yuv(float &r, float &g, float &b) const {
    const auto light = hlg ? hlg_light : pq_light;
    double v[3] = {light(r), light(g), light(b)};
    kLms.apply(v, hlg ? hlg_of : pq_of);
    (hlg ? kHlgIctcp : kPqIctcp).apply(v, [](double x) { return x; });
    r = float(v[0]), g = float(v[1]), b = float(v[2]);
}

Matrix::Matrix(int coefficients, int transfer) {
    if (coefficients == kMatrixBt2020Cl)
        model_ = ConstantLuminance{};
    else if (coefficients == kMatrixIctcp)
        model_ = Ictcp{transfer == kTransferHlg};
    else
        model_ = linear_matrix(coefficients);
}

void Matrix::to_rgb(float *const line[3], int count) const {
    std::visit(
        [&](auto model) {  // a copy, which the lines cannot alias
            for (int x = 0; x < count; ++x) model.to_rgb(line[0][x], line[1][x], line[2][x]);
        },
        model_);
}

void Matrix::to_yuv(float *const line[3], int count) const {
    std::visit(
        [&](auto model) {  // a copy, which the lines cannot alias
            for (int x = 0; x < count; ++x) model.to_yuv(line[0][x], line[1][x], line[2][x]);
        },
        model_);
}

}  // namespace mdrn
