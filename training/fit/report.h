// SPDX-License-Identifier: BSD-2-Clause
// report.html: a page of its own that shows how a run goes.
#pragma once

#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "data/picture.h"

namespace mdrn::training {

// The same part of a validation picture: as it was given, enlarged in two ways, and as it should
// be. All but lr have `scale` times its size.
struct Strip {
    std::string name;
    int scale;
    Picture lr, bicubic, ours, hr;
    double psnr_bicubic, psnr_ours;  // of the whole picture, dB
};

struct Report {
    std::string title;
    std::vector<nlohmann::json> lines;          // Log::lines()
    std::map<std::string, std::string> recipe;  // Recipe::values
    std::vector<Strip> strips;
};

// Writes the page whole or not at all.
void write_report(const std::filesystem::path &file, const Report &report);

}  // namespace mdrn::training
