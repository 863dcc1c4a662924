# SPDX-License-Identifier: BSD-2-Clause
# Several processes by LibTorch's c10d: Gloo on CPUs, NCCL on GPUs. Each needs headers that are those
# LibTorch was built with, so they are looked for beside LibTorch's own. Gives mdrn_libtorch
# MDRN_GLOO and MDRN_NCCL.
include(CheckCXXSourceCompiles)
set(CMAKE_REQUIRED_LIBRARIES mdrn_libtorch)
set(CMAKE_REQUIRED_QUIET ON)
set(distributed)
foreach(backend Gloo NCCL)
  string(TOUPPER ${backend} name)
  set(CMAKE_REQUIRED_DEFINITIONS -DUSE_C10D_${name})
  check_cxx_source_compiles("
#include <torch/csrc/distributed/c10d/TCPStore.hpp>
#include <torch/csrc/distributed/c10d/ProcessGroup${backend}.hpp>
int main() {
  auto store = c10::make_intrusive<c10d::TCPStore>(\"\", c10d::TCPStoreOptions());
  c10d::ProcessGroup${backend} group(store, 0, 1, c10d::ProcessGroup${backend}::Options::create());
}" MDRN_HAS_${name})
  if(MDRN_HAS_${name})
    target_compile_definitions(mdrn_libtorch INTERFACE MDRN_${name} USE_C10D_${name})
    list(APPEND distributed ${backend})
  endif()
endforeach()
if(distributed)
  message(STATUS "Training in several processes: ${distributed}")
else()
  message(STATUS "Training in several processes is off (Debian's LibTorch: libgloo-dev)")
endif()
