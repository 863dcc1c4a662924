// SPDX-License-Identifier: BSD-2-Clause
// Large pictures cut into pieces that are quickly read, as BasicSR's extract_subimages does.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <string>
#include <vector>

namespace mdrn::training {

struct PieceOptions {
    // As list_pictures'. Where pictures have ones in low resolution, those are cut, too.
    std::vector<std::filesystem::path> dataroot_gt;
    std::map<int, std::vector<std::filesystem::path>> dataroot_lq;
    std::filesystem::path out;
    int size = 480, step = 240;  // of pieces, pixels in high resolution; multiples of every scale
    bool lmdb = false;
    bool strict = false;  // a picture that cannot be used is an error
    int threads = 0;      // 0: one a core
    // Called from the threads, one at a time, with what is wrong with a picture that is skipped.
    std::function<void(const std::string &)> warn;
};

struct PieceCounts {
    int64_t pictures = 0;  // there are
    int64_t present = 0;   // of them, cut by an earlier run
    int64_t cut = 0;       // by this one
    int64_t pieces = 0;    // written by this one
    int64_t skipped = 0;
    int64_t duplicates = 0;  // frames of videos like the one before
};

// Where pieces begin: every step, and once more where that leaves an end. {0} where length <= size.
std::vector<int> piece_offsets(int length, int size, int step);

// Writes out/HR/NAME_s001.png and on, rows from the left and from the top, and out/X4 with the same
// names; or the LMDBs out/HR.lmdb and out/X4.lmdb. A picture smaller than a piece is one. Started
// again with the same options, it goes on where it was stopped, however that was: out/prepared.txt
// names what is done. progress is called now and then, from the calling thread. Throws
// std::runtime_error where nothing can be done, and, with strict, at a picture that cannot be used.
PieceCounts cut_pieces(const PieceOptions &options,
                       const std::function<void(const PieceCounts &)> &progress);

}  // namespace mdrn::training
