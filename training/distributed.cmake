# SPDX-License-Identifier: BSD-2-Clause
# Several processes by LibTorch's c10d: Gloo on CPUs, NCCL on GPUs. c10d's headers include those of
# the library. PyTorch's wheels have NCCL's and CUDA's as wheels of their own, but Gloo's nowhere:
# Debian's serve, as only names of Gloo's types are used here, none of their members.
# mdrn_libtorch gets MDRN_GLOO and MDRN_NCCL.
include(CheckCXXSourceCompiles)

function(mdrn_has_backend backend define folders libraries)
  set(CMAKE_REQUIRED_QUIET ON)
  set(CMAKE_REQUIRED_DEFINITIONS -DUSE_C10D_${define})
  set(CMAKE_REQUIRED_INCLUDES ${TORCH_INCLUDE_DIR} ${TORCH_INCLUDE_DIR}/torch/csrc/api/include ${folders})
  set(CMAKE_REQUIRED_LIBRARIES ${torch_cpu_file} ${c10_file} ${libraries})
  unset(MDRN_HAS_${define} CACHE)  # another Torch_DIR is another LibTorch
  check_cxx_source_compiles("
#include <torch/csrc/distributed/c10d/ProcessGroup${backend}.hpp>
#include <torch/csrc/distributed/c10d/TCPStore.hpp>
int main() {
  auto store = c10::make_intrusive<c10d::TCPStore>(\"\", c10d::TCPStoreOptions());
  c10d::ProcessGroup${backend} group(store, 0, 1, c10d::ProcessGroup${backend}::Options::create());
}" MDRN_HAS_${define})
  if(MDRN_HAS_${define})
    target_compile_definitions(mdrn_libtorch INTERFACE MDRN_${define} USE_C10D_${define})
    target_include_directories(mdrn_libtorch SYSTEM INTERFACE ${folders})
    target_link_libraries(mdrn_libtorch INTERFACE ${libraries})
  endif()
endfunction()

mdrn_has_backend(Gloo GLOO "" "")
file(GLOB nccl_folder ${wheels}/nvidia/nccl/include)
if(nccl_folder AND torch_cuda_file AND cuda_folder)
  mdrn_has_backend(NCCL NCCL "${nccl_folder};${cuda_folder}" "${torch_cuda_file};${c10_cuda_file}")
endif()
if(NOT MDRN_HAS_GLOO AND NOT MDRN_HAS_NCCL)
  message(STATUS "mdrn-train trains in one process alone (Debian: libgloo-dev)")
endif()
