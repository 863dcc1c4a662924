// SPDX-License-Identifier: BSD-2-Clause
#include "os.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <limits>
#include <string>
#include <system_error>
#include <thread>

#include "error.h"

namespace mdrn {

namespace {

constexpr uint64_t kUnknown = std::numeric_limits<uint64_t>::max();

uint64_t number_in(const std::string &path) {
    uint64_t number = kUnknown;
    std::ifstream file(path);
    return file >> number ? number : kUnknown;
}

// The number behind a key, in a file of a key and a number a line.
uint64_t number_in(const std::string &path, const std::string &key) {
    std::ifstream file(path);
    std::string found;
    uint64_t number = 0;
    while (file >> found >> number) {
        if (found == key) return number;
        file.ignore(std::numeric_limits<std::streamsize>::max(), '\n');
    }
    return kUnknown;
}

uint64_t machine_memory(const std::string &root) {
    const uint64_t kibibytes = number_in(root + "/proc/meminfo", "MemAvailable:");
    return kibibytes == kUnknown ? kUnknown : kibibytes * 1024;
}

// Where one version of control groups tells what.
struct GroupFiles {
    const char *root, *limit, *used, *cached[2];
};
constexpr GroupFiles kV2{
    "/sys/fs/cgroup", "/memory.max", "/memory.current", {"active_file", "inactive_file"}};
constexpr GroupFiles kV1{"/sys/fs/cgroup/memory",
                         "/memory.limit_in_bytes",
                         "/memory.usage_in_bytes",
                         {"total_active_file", "total_inactive_file"}};

uint64_t left_in(const std::string &folder, const GroupFiles &files) {
    const uint64_t limit = number_in(folder + files.limit);
    uint64_t used = number_in(folder + files.used);
    if (limit == kUnknown || used == kUnknown) return kUnknown;
    for (const char *key : files.cached) {
        const uint64_t cached = number_in(folder + "/memory.stat", key);
        if (cached != kUnknown) used -= std::min(used, cached);
    }
    return limit - std::min(limit, used);
}

// The least that the process's control group and its ancestors leave.
uint64_t control_group_memory(const std::string &root) {
    uint64_t left = kUnknown;
    std::ifstream groups(root + "/proc/self/cgroup");
    for (std::string line; std::getline(groups, line);) {
        const bool v2 = line.starts_with("0::");
        if (!v2 && line.find(":memory:") == std::string::npos) continue;
        const GroupFiles &files = v2 ? kV2 : kV1;
        std::string group = line.substr(line.rfind(':') + 1);
        for (;;) {
            const std::string folder = root + files.root + (group == "/" ? "" : group);
            left = std::min(left, left_in(folder, files));
            const size_t parent = group.rfind('/');
            if (group == "/" || parent == std::string::npos) break;
            group = parent == 0 ? "/" : group.substr(0, parent);
        }
    }
    return left;
}

struct Descriptor {
    const int fd;
    ~Descriptor() {
        if (fd >= 0) close(fd);
    }
};

[[noreturn]] void fail(const std::string &path, const std::string &why) {
    throw Error(MDRN_ERROR_MODEL, path + ": " + why);
}

std::string reason(int error) {
    return std::generic_category().message(error);
}

}  // namespace

uint64_t available_memory(const std::string &root) {
    return std::min(machine_memory(root), control_group_memory(root));
}

uint64_t second_level_cache() {
    const long bytes = sysconf(_SC_LEVEL2_CACHE_SIZE);
    return bytes > 0 ? static_cast<uint64_t>(bytes) : uint64_t{512} << 10;
}

int usable_processors() {
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) == 0) return std::max(1, CPU_COUNT(&set));
    return std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
}

bool may_use_tiles() {
#ifdef __x86_64__
    constexpr int kRequestPermission = 0x1023, kTileData = 18;
    return syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0;
#else
    return false;
#endif
}

void *allocate_aligned(size_t alignment, size_t bytes) {
    return std::aligned_alloc(alignment, bytes);
}

void free_aligned(void *memory) {
    std::free(memory);
}

void use_huge_pages(void *memory, size_t bytes) {
    madvise(memory, bytes, MADV_HUGEPAGE);
}

std::vector<std::byte> read_file(const std::string &path, size_t limit) {
    // O_NONBLOCK: opening a named pipe must not wait for its other end.
    const Descriptor file{open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)};
    struct stat status;
    if (file.fd < 0 || fstat(file.fd, &status) < 0)
        fail(path, "cannot be opened: " + reason(errno));
    if (S_ISDIR(status.st_mode)) fail(path, "expected a file, found a directory");
    if (!S_ISREG(status.st_mode))
        fail(path, "expected a regular file, found a device, pipe or socket");
    if (static_cast<uintmax_t>(status.st_size) > limit)
        fail(path, "expected at most " + std::to_string(limit) + " bytes, found " +
                       std::to_string(status.st_size));

    std::vector<std::byte> bytes(static_cast<size_t>(status.st_size));
    for (size_t done = 0; done < bytes.size();) {
        const ssize_t got = read(file.fd, bytes.data() + done, bytes.size() - done);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) fail(path, "cannot be read: " + reason(errno));
        if (got == 0) fail(path, "became shorter while it was read");
        done += static_cast<size_t>(got);
    }
    return bytes;
}

void *open_library(const std::string &path, std::string &why) {
    void *library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (!library) why = dlerror();
    return library;
}

void *symbol_of(void *library, const char *name) {
    return dlsym(library, name);
}

std::string own_folder() {
    Dl_info info;
    if (!dladdr(reinterpret_cast<void *>(&own_folder), &info) || !info.dli_fname) return "";
    std::error_code error;
    const auto path = std::filesystem::canonical(info.dli_fname, error);
    return error ? "" : path.parent_path().string();
}

std::string trusted_environment(const char *name) {
    const char *value = secure_getenv(name);
    return value ? value : "";
}

}  // namespace mdrn
