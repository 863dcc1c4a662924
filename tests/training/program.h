// SPDX-License-Identifier: BSD-2-Clause
// Programs that tests run: mdrn-train itself, and Python where there is one.
#pragma once

#include <sys/wait.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <stdexcept>
#include <string>
#include <vector>

namespace mdrn::training::test {

struct Outcome {
    int status;          // of the exit
    std::string output;  // and error output
};

// arguments: the first is the program. Nothing in them is the shell's.
inline Outcome run(const std::vector<std::string> &arguments) {
    std::string line;
    for (const std::string &argument : arguments) {
        line += '\'';
        for (const char c : argument) line += c == '\'' ? "'\\''" : std::string(1, c);
        line += "' ";
    }
    std::FILE *pipe = popen((line + "2>&1").c_str(), "r");
    if (!pipe) throw std::runtime_error("cannot run " + line);
    Outcome outcome{0, ""};
    char buffer[4096];
    for (size_t got; (got = std::fread(buffer, 1, sizeof buffer, pipe)) > 0;)
        outcome.output.append(buffer, got);
    const int status = pclose(pipe);
    outcome.status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    return outcome;
}

// A Python that has a module, "" where there is none: those of the benches, else the system's.
inline std::string python_with(const std::string &module) {
    const auto set = [](const char *name) { return std::getenv(name) ? std::getenv(name) : ""; };
    std::filesystem::path cache = set("MDRN_CACHE");
    if (cache.empty() && *set("XDG_CACHE_HOME"))
        cache = std::filesystem::path(set("XDG_CACHE_HOME")) / "mdrn";
    if (cache.empty()) cache = std::filesystem::path(set("HOME")) / ".cache/mdrn";
    for (const std::string &python :
         {(cache / "torch-venv/bin/python").string(), (cache / "bench-venv/bin/python").string(),
          std::string("python3")})
        if (run({python, "-c", "import " + module}).status == 0) return python;
    return "";
}

}  // namespace mdrn::training::test
