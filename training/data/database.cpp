// SPDX-License-Identifier: BSD-2-Clause
#include "database.h"

#include <lmdb.h>

#include <algorithm>
#include <fstream>
#include <map>
#include <mutex>
#include <ostream>
#include <stdexcept>

#include "weights/atomic.h"

namespace mdrn::training {
namespace {

// Only addresses are taken, and the file grows as it is filled.
constexpr size_t kMostBytes = size_t(1) << 40;

void check(int code, const std::filesystem::path &folder, const std::string &what) {
    if (code) throw std::runtime_error(folder.string() + ": " + what + ": " + mdb_strerror(code));
}

MDB_val value_of(const std::string &key) {
    return {key.size(), const_cast<char *>(key.data())};
}

struct Transaction {
    Transaction(MDB_env *environment, unsigned flags, const std::filesystem::path &folder_)
        : folder(folder_) {
        check(mdb_txn_begin(environment, nullptr, flags, &transaction), folder, "cannot be used");
        const int code = mdb_dbi_open(transaction, nullptr, 0, &table);
        if (code) mdb_txn_abort(transaction);
        check(code, folder, "cannot be used");
    }
    ~Transaction() {
        if (transaction) mdb_txn_abort(transaction);
    }
    Transaction(const Transaction &) = delete;
    void commit() {
        MDB_txn *done = transaction;
        transaction = nullptr;
        check(mdb_txn_commit(done), folder, "cannot be written");
    }

    const std::filesystem::path &folder;
    MDB_txn *transaction = nullptr;
    MDB_dbi table = 0;
};

MDB_env *open(const std::filesystem::path &folder, unsigned flags) {
    MDB_env *environment = nullptr;
    check(mdb_env_create(&environment), folder, "cannot be opened");
    int code = flags & MDB_RDONLY ? 0 : mdb_env_set_mapsize(environment, kMostBytes);
    if (!code) code = mdb_env_open(environment, folder.c_str(), flags, 0644);
    if (code) mdb_env_close(environment);
    check(code, folder, "cannot be opened as an LMDB");
    return environment;
}

// A process may open an LMDB once only.
MDB_env *reader(const std::filesystem::path &folder) {
    static std::mutex mutex;
    static std::map<std::filesystem::path, MDB_env *> opened;
    const std::lock_guard lock(mutex);
    MDB_env *&environment = opened[std::filesystem::weakly_canonical(folder)];
    if (!environment) environment = open(folder, MDB_RDONLY | MDB_NOLOCK | MDB_NOTLS);
    return environment;
}

// The size in a PNG's header, "(height,width,3)".
std::string shape_of(const MDB_val &png) {
    const auto *bytes = static_cast<const uint8_t *>(png.mv_data);
    if (png.mv_size < 24) return "(0,0,3)";
    const auto number = [&](int at) {
        return std::to_string(uint32_t(bytes[at]) << 24 | uint32_t(bytes[at + 1]) << 16 |
                              uint32_t(bytes[at + 2]) << 8 | bytes[at + 3]);
    };
    return "(" + number(20) + "," + number(16) + ",3)";
}

}  // namespace

bool is_lmdb(const std::filesystem::path &folder) {
    std::error_code error;
    return exists(folder / "data.mdb", error);
}

std::vector<std::string> lmdb_keys(const std::filesystem::path &folder) {
    const std::filesystem::path list = folder / "meta_info.txt";
    std::ifstream stream(list);
    if (!stream)
        throw std::runtime_error(list.string() +
                                 ": cannot be read: an LMDB's pictures stand there, as " +
                                 "\"0001_s001.png (480,480,3) 1\"");
    std::vector<std::string> keys;
    for (std::string line; std::getline(stream, line);) {
        // A name may hold spaces: what follows it is " (480,480,3) 1".
        const std::string name = line.substr(0, std::min(line.rfind(" ("), line.size()));
        const std::string key = name.substr(0, std::min(name.rfind('.'), name.size()));
        if (!key.empty()) keys.push_back(key);
    }
    return keys;
}

std::vector<std::byte> lmdb_value(const std::filesystem::path &folder, const std::string &key) {
    const Transaction in(reader(folder), MDB_RDONLY, folder);
    MDB_val name = value_of(key), value;
    check(mdb_get(in.transaction, in.table, &name, &value), folder, key);
    const auto *bytes = static_cast<const std::byte *>(value.mv_data);
    return {bytes, bytes + value.mv_size};
}

LmdbWriter::LmdbWriter(const std::filesystem::path &folder) : folder_(folder) {
    std::filesystem::create_directories(folder);
    environment_ = open(folder, 0);
}

LmdbWriter::~LmdbWriter() {
    mdb_env_close(environment_);
}

void LmdbWriter::put(const std::vector<Entry> &entries) {
    Transaction out(environment_, 0, folder_);
    for (const Entry &entry : entries) {
        MDB_val key = value_of(entry.key);
        MDB_val value{entry.png.size(), const_cast<std::byte *>(entry.png.data())};
        check(mdb_put(out.transaction, out.table, &key, &value, 0), folder_, entry.key);
    }
    out.commit();
}

void LmdbWriter::write_meta_info() {
    const Transaction in(environment_, MDB_RDONLY, folder_);
    write_atomically(folder_ / "meta_info.txt", [&](std::ostream &out) {
        MDB_cursor *cursor = nullptr;
        check(mdb_cursor_open(in.transaction, in.table, &cursor), folder_, "cannot be read");
        MDB_val key, value;
        while (mdb_cursor_get(cursor, &key, &value, MDB_NEXT) == 0)
            out << std::string(static_cast<const char *>(key.mv_data), key.mv_size) << ".png "
                << shape_of(value) << " 1\n";
        mdb_cursor_close(cursor);
    });
}

}  // namespace mdrn::training
