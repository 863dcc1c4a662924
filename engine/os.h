// SPDX-License-Identifier: BSD-2-Clause
// All that differs between systems.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace mdrn {

// Bytes that this process may still take: the smaller of what the machine has available and what
// its control groups leave, files that they only cache not counted. UINT64_MAX where neither is
// known. root: where /proc and /sys are looked for.
uint64_t available_memory(const std::string &root = "");

// Bytes of one core's second-level cache; 512 KiB where it is not known.
uint64_t second_level_cache();

// Processors that this process may run on, at least 1.
int usable_processors();

// Asks the system for the registers of AMX; false where it has none to give.
bool may_use_tiles();

// Memory for free_aligned(); null where it cannot be had. bytes: a multiple of alignment.
void *allocate_aligned(size_t alignment, size_t bytes);
void free_aligned(void *memory);

// Asks for huge pages for memory that is about to be touched; may do nothing.
void use_huge_pages(void *memory, size_t bytes);

// The bytes of a regular file of at most limit bytes; path is UTF-8.
// Throws Error(MDRN_ERROR_MODEL) that says why it cannot be had.
std::vector<std::byte> read_file(const std::string &path, size_t limit);

// Opens a shared library with all that it needs, its names kept from other libraries. It is never
// closed. Returns null, with the system's words in why, where it cannot be had.
void *open_library(const std::string &path, std::string &why);

// Address of a name in an opened library, null where it has none.
void *symbol_of(void *library, const char *name);

// Folder of the library that the engine is in; "" where it is not known.
std::string own_folder();

// An environment variable, "" where it is unset or the process has rights that its user lacks.
std::string trusted_environment(const char *name);

}  // namespace mdrn
