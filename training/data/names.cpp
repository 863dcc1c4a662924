// SPDX-License-Identifier: BSD-2-Clause
#include "names.h"

#include <regex>

namespace mdrn::training {
namespace {

using Kind = PictureName::Kind;

void mark(PictureName &name, Kind kind, const std::string &scale) {
    name.kind = kind;
    if (!scale.empty()) name.scale = scale[0] - '0';
}

// What is left of a folder's name.
std::string without_marks(const std::string &folder, PictureName &name) {
    static const auto flags = std::regex::icase | std::regex::optimize;
    static const std::regex high("(?:(.+)_)?(?:HR|GT)(?:_sub)?(?:\\.lmdb)?", flags);
    static const std::regex low(
        "(?:(.+)_)?(?:LR|LQ)(?:_?bic(?:ubic)?)?(?:_?x([234]))?(?:_sub)?(?:\\.lmdb)?", flags);
    static const std::regex scale("x([234])(?:_sub)?(?:\\.lmdb)?", flags);
    std::smatch match;
    if (std::regex_match(folder, match, high)) {
        mark(name, Kind::kHigh, "");
        return match[1];
    }
    if (std::regex_match(folder, match, low)) {
        mark(name, Kind::kLow, match[2]);
        return match[1];
    }
    if (std::regex_match(folder, match, scale)) {
        mark(name, Kind::kLow, match[1]);
        return "";
    }
    return folder;
}

}  // namespace

PictureName name_of(const std::string &relative) {
    PictureName name;
    size_t start = 0;
    for (size_t slash; (slash = relative.find('/', start)) != std::string::npos;
         start = slash + 1) {
        const std::string folder = without_marks(relative.substr(start, slash - start), name);
        if (!folder.empty()) name.key += folder + "/";
    }
    std::string file = relative.substr(start);
    file.resize(std::min(file.rfind('.'), file.size()));

    static const std::regex benchmark("(.+)_SRF_([234])_(HR|LR)", std::regex::optimize);
    static const std::regex suffixed("(.+)x([234])", std::regex::optimize);
    std::smatch match;
    if (std::regex_match(file, match, benchmark)) {
        mark(name, match[3] == "HR" ? Kind::kHigh : Kind::kLow, match[2]);
        file = match[1].str();
    } else if (std::regex_match(file, match, suffixed)) {
        name.suffixed = name.key + match[1].str();
        name.suffix = match[2].str()[0] - '0';
    }
    name.key += file;
    return name;
}

}  // namespace mdrn::training
