// SPDX-License-Identifier: BSD-2-Clause
#include "data/bicubic.h"

#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <random>
#include <string>

namespace mdrn::training {
namespace {

const std::filesystem::path kReference = MDRN_REFERENCE_DIR;

double keys(double x) {
    x = std::abs(x);
    if (x <= 1) return 1.5 * x * x * x - 2.5 * x * x + 1;
    return x < 2 ? -0.5 * x * x * x + 2.5 * x * x - 4 * x + 2 : 0;
}

// imresize's own formulas, in double, of one sample. factor: below 1 reduces.
double imresized(const Picture &in, double factor, int x, int y, int c) {
    const double stretch = std::min(factor, 1.0);
    const auto mirrored = [](int i, int n) {
        const int j = ((i % (2 * n)) + 2 * n) % (2 * n);
        return j < n ? j : 2 * n - 1 - j;
    };
    const double u = (x + 0.5) / factor - 0.5, v = (y + 0.5) / factor - 0.5;
    const double reach = 2 / stretch;
    double sum = 0, weights = 0;
    for (int j = int(std::floor(v - reach)); j <= v + reach; ++j)
        for (int i = int(std::floor(u - reach)); i <= u + reach; ++i) {
            const double w = keys(stretch * (u - i)) * keys(stretch * (v - j));
            sum += w * in.row(mirrored(j, in.height))[3 * mirrored(i, in.width) + c];
            weights += w;
        }
    return std::min(std::max(sum / weights, 0.0), 255.0);
}

Picture noise(int width, int height, unsigned seed) {
    std::mt19937 random(seed);
    Picture picture = blank(width, height);
    for (uint8_t &value : picture.rgb)
        value = uint8_t(random() % 3 ? random() : random() % 2 ? 255 : 0);
    return picture;
}

// Differs from the formula by its rounding alone.
void expect_resized(const Picture &in, const Picture &out, double factor) {
    for (int y = 0; y < out.height; ++y)
        for (int x = 0; x < 3 * out.width; ++x)
            ASSERT_NEAR(out.row(y)[x], imresized(in, factor, x / 3, y, x % 3), 0.5 + 1e-9)
                << x / 3 << ", " << y << " of " << in.width << "x" << in.height << " by " << factor;
}

TEST(Bicubic, ReducesAsTheFormula) {
    for (int scale : {2, 3, 4})
        for (auto [width, height] : {std::pair{1, 1}, {1, 5}, {2, 3}, {7, 4}, {31, 17}}) {
            const Picture in = noise(scale * width, scale * height, 7);
            const Picture out = reduce(in, scale);
            ASSERT_EQ(out.width, width);
            ASSERT_EQ(out.height, height);
            expect_resized(in, out, 1.0 / scale);
        }
}

TEST(Bicubic, EnlargesAsTheFormula) {
    for (int scale : {2, 3, 4})
        for (auto [width, height] : {std::pair{1, 1}, {1, 5}, {2, 3}, {7, 4}, {31, 17}}) {
            const Picture in = noise(width, height, 8);
            const Picture out = enlarge(in, scale);
            ASSERT_EQ(out.width, scale * width);
            ASSERT_EQ(out.height, scale * height);
            expect_resized(in, out, scale);
        }
}

TEST(Bicubic, LeavesOutWhatIsBeyondAMultiple) {
    const Picture in = noise(23, 18, 9);
    EXPECT_EQ(reduce(in, 4), reduce(crop(in, 0, 0, 20, 16), 4));
    EXPECT_THROW(reduce(noise(3, 9, 1), 4), std::runtime_error);
}

TEST(Bicubic, ReadsNoFurtherThanItsMargin) {
    for (int scale : {2, 3, 4}) {
        const Picture in = noise(scale * 20, scale * 20, 10);
        const Picture whole = reduce(in, scale);
        const int first = 8 - kBicubicMargin, size = 4 + 2 * kBicubicMargin;
        const Picture part =
            reduce(crop(in, scale * first, scale * first, scale * size, scale * size), scale);
        EXPECT_EQ(crop(whole, 8, 8, 4, 4), crop(part, kBicubicMargin, kBicubicMargin, 4, 4));
    }
}

// The published Set5 was made in single precision: it may round the other way where the exact value
// is a half, or is as far from it as a float's last bit.
void expect_same(const Picture &ours, const Picture &theirs, const Picture &high, int scale,
                 bool in_floats) {
    ASSERT_EQ(ours.width, theirs.width);
    ASSERT_EQ(ours.height, theirs.height);
    for (int y = 0; y < ours.height; ++y)
        for (int x = 0; x < 3 * ours.width; ++x) {
            if (ours.row(y)[x] == theirs.row(y)[x]) continue;
            ASSERT_TRUE(in_floats) << x / 3 << ", " << y;
            const Picture even = crop(high, 0, 0, scale * ours.width, scale * ours.height);
            const double exact = imresized(even, 1.0 / scale, x / 3, y, x % 3);
            ASSERT_NEAR(exact - std::floor(exact), 0.5, 255 * 0x1p-24) << x / 3 << ", " << y;
            ASSERT_NEAR(exact, theirs.row(y)[x], 0.5 + 255 * 0x1p-24) << x / 3 << ", " << y;
        }
}

class Benchmarks : public testing::TestWithParam<const char *> {};

TEST_P(Benchmarks, AreReducedToThePixel) {
    const std::string set = GetParam();
    const std::filesystem::path folder = kReference / "data/eval" / set;
    if (kReference.empty() || !exists(folder))
        GTEST_SKIP() << "MDRN_REFERENCE_DIR has no data/eval/" << set;
    int pictures = 0;
    for (int scale : {2, 3, 4})
        for (const auto &entry : std::filesystem::directory_iterator(folder / "HR")) {
            const auto low = folder / ("LRbicx" + std::to_string(scale)) / entry.path().filename();
            SCOPED_TRACE(low);
            const Picture high = read_picture(entry.path());
            expect_same(reduce(high, scale), read_picture(low), high, scale, set == "Set5");
            ++pictures;
        }
    EXPECT_GE(pictures, 15);
}
INSTANTIATE_TEST_SUITE_P(, Benchmarks, testing::Values("Set5", "Set14", "BSD100"));

}  // namespace
}  // namespace mdrn::training
