// SPDX-License-Identifier: BSD-2-Clause
// GELU and the gate's sigmoid of every target against double precision: every float from 1/4 to 8
// of either sign, and some of every other exponent.
#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdio>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "cpu/kernels.h"
#include "stage_checks.h"

namespace mdrn::test {
namespace {

using Values = std::vector<float>;

// Of a result of this magnitude; a subnormal's is that of the least normal float.
double ulp(double magnitude) {
    return std::ldexp(std::max(magnitude, 0x1p-126), -23);
}

// Calls visit with all that is walked through, 2^16 floats at a time.
void walk(const std::function<void(const Values &)> &visit) {
    constexpr size_t kChunk = 1 << 16;
    constexpr uint32_t kDigits = 1U << 23;
    Values values;
    for (const uint32_t sign : {0U, 1U})
        for (uint32_t exponent = 0; exponent < 255; ++exponent) {
            const float least = std::bit_cast<float>(exponent << 23);
            const uint32_t step = least >= 0.25F && least < 8 ? 1 : 4099;
            for (uint32_t digits = 0; digits < kDigits; digits += step) {
                values.push_back(std::bit_cast<float>(sign << 31 | exponent << 23 | digits));
                if (values.size() < kChunk) continue;
                visit(values);
                values.clear();
            }
        }
    values.resize(kChunk);
    visit(values);
}

// out = epilogue(in), where out held 1.
void apply(const cpu::Kernels &kernels, cpu::Epilogue epilogue, const Values &in, Values &out) {
    static constexpr float kOne = 1;
    static const cpu::Packed kIdentity(&kOne, nullptr, 1, 1, 1);
    out.assign(in.size(), 1);
    const float *row = in.data();
    kernels.pointwise(kIdentity, &row, out.data(), static_cast<ptrdiff_t>(out.size()),
                      static_cast<int>(in.size()), cpu::Start::bias, epilogue);
}

struct Function {
    cpu::Epilogue epilogue;
    std::function<double(double)> exact;
    // In whose ulps an error at x with this result counts.
    std::function<double(double x, double result)> magnitude;
};

void expect_close(const Function &function) {
    struct Worst {
        double ulps = 0;
        float at = 0;
    };
    std::map<std::string, Worst> worst;
    for (const std::string &target : cpu::targets()) worst[target] = {};
    Values out;
    std::vector<double> wanted, unit;
    walk([&](const Values &in) {
        wanted.clear();
        unit.clear();
        for (float x : in) {
            wanted.push_back(function.exact(x));
            unit.push_back(1 / ulp(function.magnitude(x, wanted.back())));
        }
        for (auto &[target, most] : worst) {
            apply(cpu::kernels(target), function.epilogue, in, out);
            for (size_t i = 0; i < in.size(); ++i) {
                const double error = std::abs(out[i] - wanted[i]) * unit[i];
                if (!(error <= most.ulps)) most = {error, in[i]};
            }
        }
    });
    for (const auto &[target, most] : worst) {
        std::printf("%s: at most %.2f ulp, at %.9g\n", target.c_str(), most.ulps, most.at);
        // Where products are rounded too, a chain of sums errs more.
        EXPECT_LT(most.ulps, fuses_multiply_add(target) ? 2 : 3) << target << ", at " << most.at;
    }
}

// GELU(x) = x Phi(x). Left of zero Phi goes to zero, and x is what counts.
TEST(Functions, GeluOfAllFloats) {
    expect_close({cpu::Epilogue::gelu,
                  [](double x) { return x / 2 * std::erfc(-x / std::sqrt(2.0)); },
                  [](double x, double result) { return std::max(result, -x); }});
}

TEST(Functions, GateOfAllFloats) {
    expect_close({cpu::Epilogue::gate, [](double x) { return 1 + 1 / (1 + std::exp(-x)); },
                  [](double, double result) { return result; }});
}

}  // namespace
}  // namespace mdrn::test
