// SPDX-License-Identifier: BSD-2-Clause
#include "fit/chart.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

namespace mdrn::training {
namespace {

constexpr double kWidth = 640, kHeight = 260;
constexpr double kLeft = 68, kRight = 16, kTop = 34, kBottom = 40;
constexpr size_t kMostPoints = 800;
constexpr const char *kColours[] = {"#1f6feb", "#d9480f", "#2b8a3e", "#862e9c"};

struct Axis {
    double least, most;
    double from, to;  // pixels
    bool logarithmic;

    double at(double value) const {
        double part = logarithmic ? std::log(value / least) / std::log(most / least)
                                  : (value - least) / (most - least);
        return from + part * (to - from);
    }
};

std::string format(const char *pattern, double number) {
    char text[48];
    std::snprintf(text, sizeof(text), pattern, number);
    return text;
}

// About `count` round numbers from least to most.
std::vector<double> ticks(const Axis &axis, int count) {
    std::vector<double> result;
    if (axis.logarithmic && axis.most / axis.least >= 8) {
        for (double power = std::pow(10, std::floor(std::log10(axis.least))); power <= axis.most;
             power *= 10)
            for (double part : {1.0, 2.0, 5.0})
                if (part * power >= axis.least && part * power <= axis.most)
                    result.push_back(part * power);
        return result;
    }
    double rough = (axis.most - axis.least) / count;
    double power = std::pow(10, std::floor(std::log10(rough)));
    double step = power * (rough / power < 1.5   ? 1
                           : rough / power < 3.5 ? 2
                           : rough / power < 7.5 ? 5
                                                 : 10);
    for (double tick = std::ceil(axis.least / step); tick * step <= axis.most; tick++)
        result.push_back(tick * step);
    return result;
}

// Fewer points, each the mean of its neighbours.
Curve thinned(const Curve &curve) {
    size_t each = curve.points.size() / kMostPoints + 1;
    Curve result{curve.name, {}};
    for (size_t i = 0; i < curve.points.size(); i += each) {
        size_t end = std::min(i + each, curve.points.size());
        double x = 0, y = 0;
        for (size_t j = i; j < end; j++) x += curve.points[j].first, y += curve.points[j].second;
        result.points.emplace_back(x / double(end - i), y / double(end - i));
    }
    return result;
}

std::string line(double x1, double y1, double x2, double y2) {
    return "<path class=\"grid\" d=\"M" + format("%.1f ", x1) + format("%.1f", y1) + "L" +
           format("%.1f ", x2) + format("%.1f", y2) + "\"/>";
}

std::string label(double x, double y, const char *anchor, const std::string &text) {
    return "<text x=\"" + format("%.1f", x) + "\" y=\"" + format("%.1f", y) + "\" text-anchor=\"" +
           anchor + "\">" + escaped(text) + "</text>";
}

std::string draw(const Curve &curve, const Axis &x, const Axis &y, const char *colour) {
    std::string path;
    for (auto &[px, py] : curve.points)
        path += (path.empty() ? "M" : "L") + format("%.1f ", x.at(px)) + format("%.1f", y.at(py));
    std::string svg =
        "<path class=\"curve\" stroke=\"" + std::string(colour) + "\" d=\"" + path + "\"/>";
    if (curve.points.size() <= 40)
        for (auto &[px, py] : curve.points)
            svg += "<circle r=\"2.5\" fill=\"" + std::string(colour) + "\" cx=\"" +
                   format("%.1f", x.at(px)) + "\" cy=\"" + format("%.1f", y.at(py)) + "\"/>";
    return svg;
}

}  // namespace

std::string escaped(const std::string &text) {
    std::string result;
    for (char letter : text) {
        if (letter == '&')
            result += "&amp;";
        else if (letter == '<')
            result += "&lt;";
        else if (letter == '>')
            result += "&gt;";
        else if (letter == '"')
            result += "&quot;";
        else
            result += letter;
    }
    return result;
}

std::string chart(const std::string &title, const std::string &x_name,
                  const std::vector<Curve> &curves, Upright upright) {
    std::vector<Curve> drawn;
    Axis x{0, -INFINITY, kLeft, kWidth - kRight, false};
    Axis y{upright == Upright::from_zero ? 0 : INFINITY, -INFINITY, kHeight - kBottom, kTop,
           upright == Upright::logarithmic};
    for (auto &curve : curves) {
        drawn.push_back(thinned(curve));
        for (auto &[px, py] : drawn.back().points) {
            x.most = std::max(x.most, px);
            y.least = std::min(y.least, py), y.most = std::max(y.most, py);
        }
    }
    std::string svg = "<svg viewBox=\"0 0 " + format("%g ", kWidth) + format("%g", kHeight) +
                      "\" role=\"img\"><text class=\"title\" x=\"" + format("%g", kLeft) +
                      "\" y=\"18\">" + escaped(title) + "</text>";
    if (!(x.least <= x.most))
        return svg + label(kWidth / 2, kHeight / 2, "middle", "nothing yet") + "</svg>";
    if (x.least == x.most) x.most = 1;
    if (y.least == y.most) y.least *= y.least > 0 ? 0.9 : 1.1, y.most *= y.most > 0 ? 1.1 : 0.9;
    if (y.least == y.most) y.least -= 1, y.most += 1;

    for (double tick : ticks(y, 5))
        svg += line(x.from, y.at(tick), x.to, y.at(tick)) +
               label(x.from - 8, y.at(tick) + 4, "end", format("%.4g", tick));
    for (double tick : ticks(x, 6))
        svg += line(x.at(tick), y.from, x.at(tick), y.to) +
               label(x.at(tick), y.from + 16, "middle", format("%.7g", tick));
    svg += label((x.from + x.to) / 2, kHeight - 6, "middle", x_name);
    for (size_t i = 0; i < drawn.size(); i++) {
        const char *colour = kColours[i % std::size(kColours)];
        svg += draw(drawn[i], x, y, colour);
        if (drawn.size() > 1)
            svg += "<text fill=\"" + std::string(colour) + "\" text-anchor=\"end\" x=\"" +
                   format("%g", x.to - 60.0 * double(drawn.size() - 1 - i)) + "\" y=\"18\">" +
                   escaped(drawn[i].name) + "</text>";
    }
    return svg + "</svg>";
}

}  // namespace mdrn::training
