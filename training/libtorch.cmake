# SPDX-License-Identifier: BSD-2-Clause
# mdrn_libtorch: LibTorch, as Debian's libtorch-dev has it or, and only where Torch_DIR is set, the
# one there, as inside PyTorch's wheels (2.7 or later):
# -DTorch_DIR=.../site-packages/torch/share/cmake/Torch. Not by way of TorchConfig.cmake, whose CUDA
# wheels' wants a CUDA toolkit of their version.
set(Torch_DIR "" CACHE PATH "Folder share/cmake/Torch of another LibTorch than the system's")
set(places "")
if(Torch_DIR)
  get_filename_component(root ${Torch_DIR}/../../.. ABSOLUTE)
  set(places PATHS ${root} NO_DEFAULT_PATH)  # nothing of the system's beside it
endif()
# Not cached: another Torch_DIR is another LibTorch.
foreach(library torch torch_cpu c10)
  find_library(${library}_file ${library} ${places} PATH_SUFFIXES lib NO_CACHE)
endforeach()
find_path(TORCH_INCLUDE_DIR torch/csrc/api/include/torch/torch.h ${places} PATH_SUFFIXES include NO_CACHE)
if(NOT torch_file OR NOT torch_cpu_file OR NOT c10_file OR NOT TORCH_INCLUDE_DIR)
  if(Torch_DIR)
    message(FATAL_ERROR "Torch_DIR is ${Torch_DIR}, but there is no LibTorch in ${root}; "
      "PyTorch's own is in $(python3 -c 'import torch; print(torch.utils.cmake_prefix_path)')/Torch, "
      "and with -DTorch_DIR= the system's is taken")
  endif()
  message(STATUS "LibTorch not found: mdrn-train has no fit (Debian: libtorch-dev)")
  return()
endif()
# A LibTorch with CUDA has headers that include CUDA's; wheels have those as wheels of their own.
find_library(torch_cuda_file torch_cuda ${places} PATH_SUFFIXES lib NO_CACHE)
find_library(c10_cuda_file c10_cuda ${places} PATH_SUFFIXES lib NO_CACHE)
get_filename_component(wheels ${TORCH_INCLUDE_DIR}/../.. ABSOLUTE)
file(GLOB cuda_folder ${wheels}/nvidia/cu*/include/cuda_runtime_api.h)
list(TRANSFORM cuda_folder REPLACE "/cuda_runtime_api.h$" "")
find_package(OpenMP QUIET COMPONENTS CXX)  # LibTorch's parallel_for is in its headers
if(NOT OpenMP_CXX_FOUND)
  message(STATUS "OpenMP not found: mdrn-train has no fit")
  return()
endif()
if(Torch_DIR)
  message(STATUS "LibTorch: Torch_DIR's, ${torch_file}")
else()
  message(STATUS "LibTorch: the system's, ${torch_file}; Torch_DIR can name another")
endif()

add_library(mdrn_libtorch INTERFACE)
target_include_directories(mdrn_libtorch SYSTEM INTERFACE
  ${TORCH_INCLUDE_DIR} ${TORCH_INCLUDE_DIR}/torch/csrc/api/include)
# What only registers itself, as the CUDA part, hangs on libtorch.so, of which nothing is called.
target_link_libraries(mdrn_libtorch INTERFACE
  -Wl,--push-state,--no-as-needed ${torch_file} -Wl,--pop-state ${torch_cpu_file} ${c10_file})
# The flag alone, so that a wheel's own libgomp is the one that runs, and there is one only.
target_compile_options(mdrn_libtorch INTERFACE ${OpenMP_CXX_FLAGS})
target_link_options(mdrn_libtorch INTERFACE ${OpenMP_CXX_FLAGS})
