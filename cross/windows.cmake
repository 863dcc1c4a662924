# SPDX-License-Identifier: BSD-2-Clause
# Windows on x86-64 from another machine (Debian: g++-mingw-w64-x86-64, and wine64 to run it).
set(CMAKE_SYSTEM_NAME Windows)
set(CMAKE_SYSTEM_PROCESSOR x86_64)
set(CMAKE_C_COMPILER x86_64-w64-mingw32-gcc-posix)
set(CMAKE_CXX_COMPILER x86_64-w64-mingw32-g++-posix)
set(CMAKE_RC_COMPILER x86_64-w64-mingw32-windres)
# The stack is aligned to 16 bytes there, whatever GCC puts on it for AVX.
foreach(language C CXX)
  set(CMAKE_${language}_FLAGS_INIT -Wa,-muse-unaligned-vector-move)
endforeach()
foreach(kind EXE SHARED MODULE)
  set(CMAKE_${kind}_LINKER_FLAGS_INIT -static)  # GCC's own libraries, too
endforeach()
set(CMAKE_CROSSCOMPILING_EMULATOR ${CMAKE_CURRENT_LIST_DIR}/wine.sh;${CMAKE_BINARY_DIR}/wine)
include(${CMAKE_CURRENT_LIST_DIR}/root.cmake)
