// SPDX-License-Identifier: BSD-2-Clause
// A function's name from the symbol table of the file it was loaded from. (dladdr() knows only
// what is exported, which kernels are not.)
#include "device/names.h"

#include <cxxabi.h>
#include <dlfcn.h>
#include <elf.h>

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <memory>
#include <vector>

namespace emulated {
namespace {

template <class T>
std::vector<T> read(std::ifstream &file, uint64_t at, uint64_t bytes) {
    std::vector<T> items(bytes / sizeof(T));
    file.seekg(static_cast<std::streamoff>(at));
    file.read(reinterpret_cast<char *>(items.data()),
              static_cast<std::streamsize>(items.size() * sizeof(T)));
    return items;
}

// Mangled; empty where there is none.
std::string symbol_at(const char *path, uint64_t from_start) {
    std::ifstream file(path, std::ios::binary);
    const auto header = read<Elf64_Ehdr>(file, 0, sizeof(Elf64_Ehdr));
    if (!file || std::memcmp(header[0].e_ident, ELFMAG, SELFMAG) != 0) return {};
    const auto sections =
        read<Elf64_Shdr>(file, header[0].e_shoff, uint64_t{header[0].e_shnum} * sizeof(Elf64_Shdr));
    for (const Elf64_Shdr &section : sections) {
        if (section.sh_type != SHT_SYMTAB || section.sh_link >= sections.size()) continue;
        const Elf64_Shdr &strings = sections[section.sh_link];
        for (const auto &symbol : read<Elf64_Sym>(file, section.sh_offset, section.sh_size)) {
            if (ELF64_ST_TYPE(symbol.st_info) != STT_FUNC || symbol.st_value != from_start)
                continue;
            std::vector<char> text = read<char>(file, strings.sh_offset, strings.sh_size);
            text.push_back(0);
            return symbol.st_name < text.size() ? text.data() + symbol.st_name : "";
        }
    }
    return {};
}

}  // namespace

std::string name_of(const void *function) {
    Dl_info info;
    if (!dladdr(function, &info)) return "a kernel";
    // Executables of fixed address have theirs in the table.
    const auto address = reinterpret_cast<uint64_t>(function);
    const auto start = reinterpret_cast<uint64_t>(info.dli_fbase);
    std::string symbol = symbol_at(info.dli_fname, address - start);
    if (symbol.empty()) symbol = symbol_at(info.dli_fname, address);
    if (symbol.empty()) return "a kernel";
    const std::unique_ptr<char, decltype(&std::free)> readable(
        abi::__cxa_demangle(symbol.c_str(), nullptr, nullptr, nullptr), std::free);
    return readable ? readable.get() : symbol;
}

}  // namespace emulated
