// SPDX-License-Identifier: BSD-2-Clause
#include "fit/lock.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <stdexcept>

namespace mdrn::training {

Lock::Lock(const std::filesystem::path &folder) {
    std::filesystem::create_directories(folder);
    file_ = open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    // A file system without locks keeps nobody out.
    if (file_ >= 0 && flock(file_, LOCK_EX | LOCK_NB) && errno == EWOULDBLOCK) {
        close(file_);
        throw std::runtime_error(folder.string() +
                                 ": another run writes there; stop it, or say another out=FOLDER");
    }
}

Lock::~Lock() {
    if (file_ >= 0) close(file_);
}

}  // namespace mdrn::training
