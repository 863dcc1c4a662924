// SPDX-License-Identifier: BSD-2-Clause
// Where a picture is to be had. All of it may be called from several threads at once.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "names.h"
#include "picture.h"

namespace mdrn::training {

struct Source {
    std::filesystem::path path;  // a picture, a video or an LMDB
    std::string key;             // of an LMDB's entry, else ""
    int second = -1;             // of a video, else -1

    std::string text() const;  // for messages, and unlike any other's
};

// Nothing where it is a video's frame that is like the one before. Throws std::runtime_error that
// names the source.
std::optional<Picture> read(const Source &source);

struct Found {
    Source source;
    PictureName name;
};

// Every picture below root, in the order of names. root is a folder, searched with all its folders
// and links (each once), an LMDB, a video, a picture, or a JSON list of {"path"} or {"path_gt",
// "path_lq"}, whose paths are relative to the list's folder. Files are known by their endings,
// others passed over. problems: gets what cannot be read. Throws std::runtime_error where root
// itself cannot be read, or holds nothing.
std::vector<Found> find_pictures(const std::filesystem::path &root,
                                 std::vector<std::string> &problems);

}  // namespace mdrn::training
