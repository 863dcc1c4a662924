// SPDX-License-Identifier: BSD-2-Clause
// LMDBs of pictures as BasicSR writes them: a folder NAME.lmdb whose values are PNG files, whose
// keys are their names without ending, and whose meta_info.txt has a line "0001_s001.png
// (480,480,3) 1" for each: name, (height, width, channels), compression level.
#pragma once

#include <cstddef>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

struct MDB_env;

namespace mdrn::training {

bool is_lmdb(const std::filesystem::path &folder);

// The keys that meta_info.txt lists. All throw std::runtime_error that names the LMDB.
std::vector<std::string> lmdb_keys(const std::filesystem::path &folder);

// A value's bytes. The LMDB stays open until the program ends; from any number of threads.
std::vector<std::byte> lmdb_value(const std::filesystem::path &folder, const std::string &key);

// Writes an LMDB, made where there is none. For one thread at a time.
class LmdbWriter {
public:
    explicit LmdbWriter(const std::filesystem::path &folder);
    ~LmdbWriter();
    LmdbWriter(const LmdbWriter &) = delete;

    struct Entry {
        std::string key;
        std::vector<std::byte> png;
    };
    // All of them or, should the program stop, none; replaces those that are there.
    void put(const std::vector<Entry> &entries);

    // Writes meta_info.txt of all that is in it, in the order of keys.
    void write_meta_info();

private:
    std::filesystem::path folder_;
    MDB_env *environment_ = nullptr;
};

}  // namespace mdrn::training
