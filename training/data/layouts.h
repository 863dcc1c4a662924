// SPDX-License-Identifier: BSD-2-Clause
// Data sets as they lie on disk: which pictures there are, and which is which in low resolution.
// Known are DIV2K, LSDIR (also flattened into one folder, and its train.json), BasicSR's pieces and
// LMDBs, the benchmark sets, SelfExSR, and any folder of pictures and videos.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "source.h"

namespace mdrn::training {

struct Item {
    std::string name;          // of the picture in its data set, folders and all, without ending
    Source gt;                 // in high resolution
    std::map<int, Source> lq;  // by scale; where one is missing it is computed
};

struct Listing {
    std::vector<Item> items;            // root after root, in the order of names
    std::vector<std::string> problems;  // what is wrong with those that are left out
};

// dataroot_gt: as find_pictures' roots. What names say is in low resolution there belongs to those
// in high resolution. dataroot_lq: by scale, one root for each of dataroot_gt, or one for all; what
// has no picture there is left out. Two pictures belong together whose names (PictureName) are the
// same, else whose last parts are and no others'. Throws std::runtime_error where a root is no
// good, or none is left.
Listing list_pictures(const std::vector<std::filesystem::path> &dataroot_gt,
                      const std::map<int, std::vector<std::filesystem::path>> &dataroot_lq);

struct Pair {
    Picture lq, gt;  // gt: scale x lq's size
};

// An item's picture in low resolution at a scale: its own, else gt made smaller. Nothing where
// read() gives nothing. Throws std::runtime_error that names the picture where its size is not gt's
// over scale, rounded down.
std::optional<Picture> read_lq(const Item &item, const Picture &gt, int scale);

// Both; gt is cropped to scale x lq's size.
std::optional<Pair> read_pair(const Item &item, int scale);

// As read_lq says of sizes, where item has a picture in low resolution.
void check_sizes(const Item &item, const Picture &gt, const Picture &lq, int scale);

}  // namespace mdrn::training
