// SPDX-License-Identifier: BSD-2-Clause
#include "fit/report.h"

#include <cmath>
#include <regex>

#include "fit/chart.h"
#include "training/folder.h"

namespace mdrn::training {
namespace {

// The drawn line's points, pixels.
std::vector<std::pair<double, double>> drawn(const std::string &svg) {
    std::smatch match;
    std::vector<std::pair<double, double>> points;
    if (!std::regex_search(svg, match, std::regex("class=\"curve\"[^>]* d=\"([^\"]*)\"")))
        return points;
    std::string path = match[1];
    std::regex number("[ML]([0-9.-]+) ([0-9.-]+)");
    for (std::sregex_iterator i(path.begin(), path.end(), number), end; i != end; ++i)
        points.emplace_back(std::stod((*i)[1]), std::stod((*i)[2]));
    return points;
}

TEST(Chart, PutsAPointInProportion) {
    auto points = drawn(chart("t", "steps", {{"a", {{0, 1}, {25, 2}, {100, 5}}}}, Upright::fitted));
    ASSERT_EQ(points.size(), 3u);
    auto part = [&](double a, double b, double c) { return (b - a) / (c - a); };
    EXPECT_NEAR(part(points[0].first, points[1].first, points[2].first), 0.25, 0.001);
    EXPECT_NEAR(part(points[0].second, points[1].second, points[2].second), 0.25, 0.001);
    EXPECT_LT(points[2].second, points[0].second);  // more is higher up
}

TEST(Chart, PutsALogarithmInProportion) {
    auto points =
        drawn(chart("t", "steps", {{"a", {{0, 1}, {1, 10}, {2, 1000}}}}, Upright::logarithmic));
    ASSERT_EQ(points.size(), 3u);
    EXPECT_NEAR((points[1].second - points[0].second) / (points[2].second - points[0].second),
                1.0 / 3, 0.001);
}

TEST(Chart, BeginsAtStepZero) {
    auto whole = drawn(chart("t", "steps", {{"a", {{0, 1}, {100, 2}}}}, Upright::fitted));
    auto late = drawn(chart("t", "steps", {{"a", {{50, 1}, {100, 2}}}}, Upright::from_zero));
    ASSERT_EQ(late.size(), 2u);
    EXPECT_NEAR(late[0].first, (whole[0].first + whole[1].first) / 2, 0.1);
    EXPECT_NEAR(late[0].second, (whole[0].second + whole[1].second) / 2, 0.1);
}

TEST(Chart, IsThereWithoutPointsWithOneAndWithTheSame) {
    for (auto &points : std::vector<std::vector<std::pair<double, double>>>{
             {}, {{5, 3}}, {{5, 0}}, {{1, 2}, {2, 2}}}) {
        std::string svg = chart("a < b", "steps", {{"a", points}}, Upright::fitted);
        EXPECT_EQ(svg.find("nan"), std::string::npos) << svg;
        EXPECT_EQ(svg.find("inf"), std::string::npos) << svg;
        EXPECT_NE(svg.find("a &lt; b"), std::string::npos);
        EXPECT_EQ(drawn(svg).size(), points.size());
    }
}

TEST(Chart, ThinsLongCurves) {
    Curve curve{"a", {}};
    for (int i = 0; i < 100'000; i++) curve.points.emplace_back(i, i % 2);
    auto points = drawn(chart("t", "steps", {curve}, Upright::fitted));
    EXPECT_LE(points.size(), 800u);
    EXPECT_GE(points.size(), 400u);
}

class ReportTest : public test::Folder {};

TEST_F(ReportTest, HoldsThePicturesThemselves) {
    Picture lr = blank(7, 5), hr = blank(14, 10);
    for (size_t i = 0; i < hr.rgb.size(); i++) hr.rgb[i] = uint8_t(i * 31);
    write_report(path / "report.html", {"x2 <run>",
                                        {{{"iter", 10}, {"loss", 0.5}, {"lr", 1e-3}},
                                         {{"iter", 20}, {"loss", nullptr}, {"lr", 1e-3}},
                                         {{"iter", 20}, {"psnr", {{"x2", 30.25}}}}},
                                        {{"scale", "2"}},
                                        {{"baby", 2, lr, hr, hr, hr, 33.12, 34.56}}});
    std::string page = test::text_of(path / "report.html");
    EXPECT_NE(page.find("<h1>x2 &lt;run&gt;</h1>"), std::string::npos);
    EXPECT_NE(page.find("x2: best 30.250 dB, after 20 steps"), std::string::npos);
    EXPECT_NE(page.find("ours, 34.56 dB"), std::string::npos);
    EXPECT_EQ(page.find("http"), std::string::npos);  // nothing from elsewhere

    // The last picture of the page, by base64 -d and our own reader, is HR.
    size_t start = page.rfind("base64,") + 7;
    test::write_text(path / "hr.base64", page.substr(start, page.find('"', start) - start));
    std::string command =
        "base64 -d " + (path / "hr.base64").string() + " > " + (path / "hr.png").string();
    ASSERT_EQ(std::system(command.c_str()), 0);
    EXPECT_EQ(read_picture(path / "hr.png"), hr);
}

}  // namespace
}  // namespace mdrn::training
