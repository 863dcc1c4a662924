// SPDX-License-Identifier: BSD-2-Clause
#include "fit/report.h"

#include <cmath>
#include <cstdio>

#include "fit/chart.h"
#include "weights/atomic.h"

namespace mdrn::training {
namespace {

constexpr const char *kHead = R"(<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>
body { font: 15px/1.5 system-ui, sans-serif; color: #222; background: #fff; max-width: 1360px;
       margin: 2em auto; padding: 0 1em }
h1 { font-size: 1.5em } h2 { font-size: 1.15em; margin-top: 2em }
svg { width: 100%; font-size: 12px; fill: #555 }
svg .title { font-size: 14px; font-weight: 600; fill: #222 }
svg .grid { stroke: #e4e4e4; fill: none } svg .curve { fill: none; stroke-width: 1.6 }
.charts { display: grid; grid-template-columns: repeat(auto-fit, minmax(520px, 1fr)); gap: 1em }
.strip { display: grid; grid-template-columns: repeat(4, 1fr); gap: 8px; margin: 0 0 1.5em }
figure { margin: 0 } figure img { width: 100%; image-rendering: pixelated; display: block }
figcaption { color: #555; font-size: 13px }
table { border-collapse: collapse } td { padding: 1px 2em 1px 0; vertical-align: top }
code { font-size: 13px }
</style>
)";

std::string base64(const std::vector<std::byte> &bytes) {
    constexpr const char *kDigits =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    std::string text;
    for (size_t i = 0; i < bytes.size(); i += 3) {
        size_t count = std::min<size_t>(3, bytes.size() - i);
        uint32_t group = 0;
        for (size_t j = 0; j < count; j++) group |= uint32_t(bytes[i + j]) << (16 - 8 * j);
        for (size_t j = 0; j < 4; j++)
            text += j <= count ? kDigits[group >> (18 - 6 * j) & 63] : '=';
    }
    return text;
}

std::string decibels(double psnr) {
    char text[32];
    std::snprintf(text, sizeof(text), "%.2f dB", psnr);
    return text;
}

std::string figure(const Picture &picture, const std::string &caption) {
    return "<figure><img alt=\"" + escaped(caption) + "\" src=\"data:image/png;base64," +
           base64(encode_png(picture)) + "\"><figcaption>" + escaped(caption) +
           "</figcaption></figure>\n";
}

std::string strip_of(const Strip &strip) {
    return "<div class=\"strip\">" +
           figure(strip.lr, strip.name + ", x" + std::to_string(strip.scale) + ": LR") +
           figure(strip.bicubic, "bicubic, " + decibels(strip.psnr_bicubic)) +
           figure(strip.ours, "ours, " + decibels(strip.psnr_ours)) + figure(strip.hr, "HR") +
           "</div>\n";
}

// The points of lines that have a number there.
Curve curve(const std::vector<nlohmann::json> &lines, const nlohmann::json::json_pointer &y,
            const std::string &name) {
    Curve result{name, {}};
    for (auto &line : lines)
        if (line.contains(y) && line[y].is_number())
            result.points.emplace_back(line["iter"].get<double>(), line[y].get<double>());
    return result;
}

std::vector<Curve> psnr_curves(const std::vector<nlohmann::json> &lines) {
    std::vector<Curve> curves;
    for (const char *scale : {"x2", "x3", "x4"}) {
        Curve found =
            curve(lines, nlohmann::json::json_pointer(std::string("/psnr/") + scale), scale);
        if (!found.points.empty()) curves.push_back(found);
    }
    return curves;
}

std::string charts(const std::vector<nlohmann::json> &lines) {
    using Pointer = nlohmann::json::json_pointer;
    return "<div class=\"charts\">" +
           chart("Loss", "steps", {curve(lines, Pointer("/loss"), "loss")}, Upright::logarithmic) +
           chart("PSNR of the validation pictures, Y channel, dB", "steps", psnr_curves(lines),
                 Upright::fitted) +
           chart("Learning rate", "steps", {curve(lines, Pointer("/lr"), "lr")},
                 Upright::from_zero) +
           chart("Pictures per second", "steps",
                 {curve(lines, Pointer("/pictures_per_s"), "pictures/s")}, Upright::from_zero) +
           "</div>\n";
}

std::string summary(const Report &report) {
    std::string text;
    for (auto &best : psnr_curves(report.lines)) {
        auto most = std::max_element(best.points.begin(), best.points.end(),
                                     [](auto &a, auto &b) { return a.second < b.second; });
        char line[128];
        std::snprintf(line, sizeof(line),
                      "<p>%s: best %.3f dB, after %.0f steps; last %.3f dB.</p>\n",
                      best.name.c_str(), most->second, most->first, best.points.back().second);
        text += line;
    }
    return text;
}

std::string recipe_table(const std::map<std::string, std::string> &recipe) {
    std::string text = "<table>";
    for (auto &[name, value] : recipe)
        text += "<tr><td><code>" + escaped(name) + "</code></td><td><code>" + escaped(value) +
                "</code></td></tr>\n";
    return text + "</table>\n";
}

}  // namespace

void write_report(const std::filesystem::path &file, const Report &report) {
    write_atomically(file, [&](std::ostream &page) {
        page << kHead << "<title>" << escaped(report.title) << "</title></head><body>\n<h1>"
             << escaped(report.title) << "</h1>\n"
             << summary(report) << charts(report.lines);
        if (!report.strips.empty()) page << "<h2>Validation pictures</h2>\n";
        for (auto &strip : report.strips) page << strip_of(strip);
        page << "<h2>Recipe</h2>\n" << recipe_table(report.recipe) << "</body></html>\n";
    });
}

}  // namespace mdrn::training
