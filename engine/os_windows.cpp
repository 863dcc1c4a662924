// SPDX-License-Identifier: BSD-2-Clause
#include <malloc.h>
#include <windows.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <limits>
#include <system_error>

#include "error.h"
#include "os.h"

namespace mdrn {

namespace {

namespace fs = std::filesystem;

fs::path path_of(const std::string &utf8) {
    return std::u8string(utf8.begin(), utf8.end());
}

std::string utf8_of(const fs::path &path) {
    const std::u8string utf8 = path.u8string();
    return {utf8.begin(), utf8.end()};
}

[[noreturn]] void fail(const std::string &path, const std::string &why) {
    throw Error(MDRN_ERROR_MODEL, path + ": " + why);
}

std::string last_error() {
    return std::system_category().message(static_cast<int>(GetLastError()));
}

}  // namespace

uint64_t available_memory(const std::string &) {
    MEMORYSTATUSEX memory;
    memory.dwLength = sizeof memory;
    if (!GlobalMemoryStatusEx(&memory)) return std::numeric_limits<uint64_t>::max();
    return std::min(memory.ullAvailPhys, memory.ullAvailPageFile);
}

uint64_t second_level_cache() {
    DWORD bytes = 0;
    GetLogicalProcessorInformation(nullptr, &bytes);
    std::vector<SYSTEM_LOGICAL_PROCESSOR_INFORMATION> known(bytes / sizeof known[0]);
    if (!known.empty() && GetLogicalProcessorInformation(known.data(), &bytes))
        for (const auto &part : known)
            if (part.Relationship == RelationCache && part.Cache.Level == 2) return part.Cache.Size;
    return uint64_t{512} << 10;
}

int usable_processors() {
    DWORD_PTR process = 0, system = 0;
    GetProcessAffinityMask(GetCurrentProcess(), &process, &system);
    return std::max(1, std::popcount(process));
}

bool may_use_tiles() {
    return false;
}

void *allocate_aligned(size_t alignment, size_t bytes) {
    return _aligned_malloc(bytes, alignment);
}

void free_aligned(void *memory) {
    _aligned_free(memory);
}

void use_huge_pages(void *, size_t) {}

std::vector<std::byte> read_file(const std::string &path, size_t limit) {
    const fs::path name = path_of(path);
    std::error_code error;
    const fs::file_status status = fs::status(name, error);
    if (!fs::exists(status)) fail(path, "cannot be opened: No such file or directory");
    if (fs::is_directory(status)) fail(path, "expected a file, found a directory");
    if (!fs::is_regular_file(status))
        fail(path, "expected a regular file, found a device, pipe or socket");
    std::ifstream file(name, std::ios::binary | std::ios::ate);
    if (!file) fail(path, "cannot be opened: " + std::generic_category().message(errno));
    const auto size = static_cast<uint64_t>(file.tellg());
    if (size > limit)
        fail(path,
             "expected at most " + std::to_string(limit) + " bytes, found " + std::to_string(size));
    std::vector<std::byte> bytes(size);
    file.seekg(0);
    file.read(reinterpret_cast<char *>(bytes.data()), static_cast<std::streamsize>(size));
    if (file.bad()) fail(path, "cannot be read: " + std::generic_category().message(errno));
    if (!file) fail(path, "became shorter while it was read");
    return bytes;
}

void *open_library(const std::string &path, std::string &why) {
    const HMODULE library = LoadLibraryW(path_of(path).c_str());
    if (!library) why = last_error();
    return library;
}

void *symbol_of(void *library, const char *name) {
    return reinterpret_cast<void *>(GetProcAddress(static_cast<HMODULE>(library), name));
}

std::string own_folder() {
    constexpr DWORD kByAddress = GET_MODULE_HANDLE_EX_FLAG_FROM_ADDRESS,
                    kBorrowed = GET_MODULE_HANDLE_EX_FLAG_UNCHANGED_REFCOUNT;
    HMODULE own;
    wchar_t name[32768];
    if (!GetModuleHandleExW(kByAddress | kBorrowed, reinterpret_cast<LPCWSTR>(&own_folder), &own) ||
        !GetModuleFileNameW(own, name, std::size(name)))
        return "";
    return utf8_of(fs::path(name).parent_path());
}

std::string trusted_environment(const char *name) {
    const char *value = std::getenv(name);
    return value ? value : "";
}

}  // namespace mdrn
