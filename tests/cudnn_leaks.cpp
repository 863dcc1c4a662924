// SPDX-License-Identifier: BSD-2-Clause
// NVIDIA's libraries keep what they allocated until a process ends.
extern "C" [[gnu::visibility("default")]] const char *__lsan_default_suppressions();

const char *__lsan_default_suppressions() {
    return "leak:libcudnn\nleak:libcublas\n";
}
