# SPDX-License-Identifier: BSD-2-Clause
# mdrn_libtorch: LibTorch, as Debian's libtorch-dev has it or, with
# -DTorch_DIR=.../site-packages/torch/share/cmake/Torch, the one inside PyTorch's wheels (2.7 or
# later). Not by way of TorchConfig.cmake, whose CUDA wheels' wants a CUDA toolkit of their version,
# though nothing here is compiled for it.
set(Torch_DIR "" CACHE PATH "Folder share/cmake/Torch of another LibTorch than the system's")
set(prefix HINTS ${Torch_DIR}/../../..)
# Not cached: another Torch_DIR is another LibTorch.
foreach(library torch torch_cpu c10)
  find_library(${library}_file ${library} ${prefix} PATH_SUFFIXES lib NO_CACHE)
endforeach()
find_path(TORCH_INCLUDE_DIR torch/csrc/api/include/torch/torch.h ${prefix} PATH_SUFFIXES include NO_CACHE)
find_package(OpenMP QUIET COMPONENTS CXX)  # LibTorch's parallel_for is in its headers
if(NOT torch_file OR NOT torch_cpu_file OR NOT c10_file OR NOT TORCH_INCLUDE_DIR OR NOT OpenMP_CXX_FOUND)
  return()
endif()
message(STATUS "LibTorch: ${torch_file}")

add_library(mdrn_libtorch INTERFACE)
target_include_directories(mdrn_libtorch SYSTEM INTERFACE
  ${TORCH_INCLUDE_DIR} ${TORCH_INCLUDE_DIR}/torch/csrc/api/include)
# What only registers itself, as the CUDA part, hangs on libtorch.so, of which nothing is called.
target_link_libraries(mdrn_libtorch INTERFACE
  -Wl,--push-state,--no-as-needed ${torch_file} -Wl,--pop-state ${torch_cpu_file} ${c10_file})
# The flag alone, so that a wheel's own libgomp is the one that runs, and there is one only.
target_compile_options(mdrn_libtorch INTERFACE ${OpenMP_CXX_FLAGS})
target_link_options(mdrn_libtorch INTERFACE ${OpenMP_CXX_FLAGS})
