// SPDX-License-Identifier: BSD-2-Clause
// Pointwise convolutions in bf16 against sums in double of factors that were rounded here.
#include "cpu/bf16.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <random>
#include <string>
#include <vector>

#include "error.h"

namespace mdrn::test {
namespace {

constexpr int kPitch = 128;

// The nearest number of eight binary digits; of two equally near, the even one.
double in_bf16(float value) {
    if (value == 0) return 0;
    int exponent;
    const double digits = std::frexp(value, &exponent) * 256;
    return std::ldexp(std::nearbyint(digits), exponent - 8);
}

double gelu(double x) {
    return x / 2 * std::erfc(-x / std::sqrt(2.0));
}

struct Case {
    int inputs, outputs, columns;
};

class Bf16 : public testing::TestWithParam<Case> {
protected:
    void SetUp() override {
        if (cpu::bf16_units().empty()) GTEST_SKIP() << "this processor does not multiply in bf16";
    }
};

TEST_P(Bf16, PointwiseRoundsItsFactorsAlone) {
    const auto [inputs, outputs, columns] = GetParam();
    std::mt19937 random(1);
    std::uniform_real_distribution<float> uniform(-1, 1);
    std::vector<float> weight(inputs * outputs), bias(outputs), in(inputs * kPitch);
    for (auto *values : {&weight, &bias, &in})
        for (float &value : *values) value = uniform(random);
    // Beyond the columns of the last quantum nothing is read.
    for (int i = 0; i < inputs; ++i)
        for (int x = (columns + 15) / 16 * 16; x < kPitch; ++x) in[i * kPitch + x] = NAN;
    std::vector<const float *> rows;
    for (int i = 0; i < inputs; ++i) rows.push_back(in.data() + i * kPitch);
    const cpu::Packed packed(weight.data(), bias.data(), outputs, inputs, inputs);

    for (const std::string &unit : cpu::bf16_units())
        for (const auto start : {cpu::Start::bias, cpu::Start::out})
            for (const auto epilogue :
                 {cpu::Epilogue::none, cpu::Epilogue::gelu, cpu::Epilogue::gate}) {
                SCOPED_TRACE(unit);
                std::vector<float> out(outputs * kPitch, 0.5F);
                cpu::kernels_in_bf16(unit).pointwise(packed, rows.data(), out.data(), kPitch,
                                                     columns, start, epilogue);
                for (int o = 0; o < outputs; ++o)
                    for (int x = 0; x < columns; ++x) {
                        double sum = start == cpu::Start::bias ? bias[o] : 0.5;
                        for (int i = 0; i < inputs; ++i)
                            sum += in_bf16(weight[o * inputs + i]) * in_bf16(rows[i][x]);
                        double tolerance = 1e-5 * (1 + std::abs(sum));
                        if (epilogue == cpu::Epilogue::gelu) {
                            tolerance += 6e-5 * std::abs(sum);
                            sum = gelu(sum);
                        }
                        if (epilogue == cpu::Epilogue::gate) {
                            tolerance += 6e-5;
                            sum = 0.5 + 0.5 / (1 + std::exp(-sum));
                        }
                        ASSERT_NEAR(out[o * kPitch + x], sum, tolerance) << o << ", " << x;
                    }
                for (int o = 0; o < outputs; ++o)
                    for (int x = (columns + 15) / 16 * 16; x < kPitch; ++x)
                        ASSERT_EQ(out[o * kPitch + x], 0.5F) << "written beyond the row";
            }
}

INSTANTIATE_TEST_SUITE_P(All, Bf16,
                         testing::Values(Case{1, 1, 1}, Case{3, 7, 17}, Case{14, 14, 33},
                                         Case{28, 56, 40}, Case{56, 56, 96}, Case{56, 14, 80},
                                         Case{112, 56, 31}, Case{504, 48, 64}, Case{27, 28, 16}));

TEST(Bf16Units, UnknownOnesAreRefused) {
    EXPECT_THROW(cpu::kernels_in_bf16("abacus"), Error);
}

}  // namespace
}  // namespace mdrn::test
