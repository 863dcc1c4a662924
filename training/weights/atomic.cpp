// SPDX-License-Identifier: BSD-2-Clause
#include "weights/atomic.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <fstream>
#include <stdexcept>
#include <string>
#include <system_error>

namespace mdrn::training {
namespace {

namespace fs = std::filesystem;

[[noreturn]] void fail(const fs::path &path, int error) {
    throw std::runtime_error(path.string() +
                             ": cannot be written: " + std::generic_category().message(error));
}

// Of a file's contents, or of a folder's names.
void to_disk(const fs::path &path, const fs::path &written) {
    const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (fd < 0) fail(written, errno);
    const int error = fsync(fd) < 0 ? errno : 0;
    close(fd);
    if (error) fail(written, error);
}

// path, or what it links to.
fs::path destination(const fs::path &path) {
    std::error_code error;
    const fs::file_status status = fs::status(path, error);
    if (!fs::exists(status)) return path;
    if (!fs::is_regular_file(status))
        throw std::runtime_error(path.string() + ": cannot be written: expected a regular file, " +
                                 "found a folder or a device");
    return fs::canonical(path);
}

}  // namespace

void write_atomically(const fs::path &path, const std::function<void(std::ostream &)> &write) {
    const fs::path final = destination(path), folder = final.parent_path();
    fs::path unfinished = final;
    unfinished += ".tmp";
    try {
        errno = 0;
        std::ofstream stream(unfinished, std::ios::binary | std::ios::trunc);
        if (stream) write(stream);
        stream.close();
        if (!stream) fail(path, errno ? errno : EIO);
        to_disk(unfinished, path);
        if (std::rename(unfinished.c_str(), final.c_str()) < 0) fail(path, errno);
    } catch (...) {
        std::error_code ignored;
        fs::remove(unfinished, ignored);
        throw;
    }
    to_disk(folder.empty() ? fs::path(".") : folder, path);
}

}  // namespace mdrn::training
