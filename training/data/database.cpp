// SPDX-License-Identifier: BSD-2-Clause
#include "database.h"

#include <lmdb.h>

#include <algorithm>
#include <fstream>
#include <map>
#include <memory>
#include <mutex>
#include <ostream>
#include <stdexcept>
#include <utility>

#include "weights/atomic.h"

namespace mdrn::training {
namespace {

// What an LMDB may hold at first; doubled as often as that is not enough.
constexpr size_t kFirstBytes = size_t(1) << 24;

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
    int commit() { return mdb_txn_commit(std::exchange(transaction, nullptr)); }

    const std::filesystem::path &folder;
    MDB_txn *transaction = nullptr;
    MDB_dbi table = 0;
};

MDB_env *open(const std::filesystem::path &folder, unsigned flags) {
    MDB_env *environment = nullptr;
    check(mdb_env_create(&environment), folder, "cannot be opened");
    int code = flags & MDB_RDONLY ? 0 : mdb_env_set_mapsize(environment, kFirstBytes);
    if (!code) code = mdb_env_open(environment, folder.c_str(), flags, 0644);
    if (code) mdb_env_close(environment);
    check(code, folder, "cannot be opened as an LMDB");
    return environment;
}

struct Closed {
    void operator()(MDB_env *environment) const { mdb_env_close(environment); }
};

// What lies beyond the end of a mapped file must not be touched. Of the last pages LMDB leaves a
// few unwritten where they are free again.
void check_size(MDB_env *environment, const std::filesystem::path &folder) {
    MDB_envinfo info;
    MDB_stat stat;
    mdb_env_info(environment, &info);
    mdb_env_stat(environment, &stat);
    const uintmax_t expected = uintmax_t(info.me_last_pgno + 1) * stat.ms_psize;
    const uintmax_t found = file_size(folder / "data.mdb");
    if (found + uintmax_t(16) * stat.ms_psize < expected)
        throw std::runtime_error(folder.string() + ": data.mdb is cut short: expected " +
                                 std::to_string(expected) + " bytes, found " +
                                 std::to_string(found));
}

// A process may open an LMDB once only.
MDB_env *reader(const std::filesystem::path &folder) {
    static std::mutex mutex;
    static std::map<std::filesystem::path, std::unique_ptr<MDB_env, Closed>> opened;
    const std::lock_guard lock(mutex);
    auto &environment = opened[std::filesystem::weakly_canonical(folder)];
    if (!environment) {
        std::unique_ptr<MDB_env, Closed> whole(open(folder, MDB_RDONLY | MDB_NOLOCK | MDB_NOTLS));
        check_size(whole.get(), folder);
        environment = std::move(whole);
    }
    return environment.get();
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
    int code;
    while ((code = try_to_put(entries)) == MDB_MAP_FULL) {
        MDB_envinfo info;
        mdb_env_info(environment_, &info);
        check(mdb_env_set_mapsize(environment_, 2 * info.me_mapsize), folder_, "cannot grow");
    }
    check(code, folder_, "cannot be written");
}

int LmdbWriter::try_to_put(const std::vector<Entry> &entries) {
    Transaction out(environment_, 0, folder_);
    for (const Entry &entry : entries) {
        MDB_val key = value_of(entry.key);
        MDB_val value{entry.png.size(), const_cast<std::byte *>(entry.png.data())};
        if (const int code = mdb_put(out.transaction, out.table, &key, &value, 0)) return code;
    }
    return out.commit();
}

void LmdbWriter::write_meta_info(int compression) {
    const Transaction in(environment_, MDB_RDONLY, folder_);
    write_atomically(folder_ / "meta_info.txt", [&](std::ostream &out) {
        MDB_cursor *cursor = nullptr;
        check(mdb_cursor_open(in.transaction, in.table, &cursor), folder_, "cannot be read");
        MDB_val key, value;
        while (mdb_cursor_get(cursor, &key, &value, MDB_NEXT) == 0)
            out << std::string(static_cast<const char *>(key.mv_data), key.mv_size) << ".png "
                << shape_of(value) << " " << compression << "\n";
        mdb_cursor_close(cursor);
    });
}

}  // namespace mdrn::training
