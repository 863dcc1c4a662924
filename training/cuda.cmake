# SPDX-License-Identifier: BSD-2-Clause
# What serves GPUs alone, each a stub in fit_sources where it can't be built: CUDA graphs, where
# LibTorch has CUDA, and BSConv's kernels, where there also is nvcc of the version of that CUDA.
set(graph absent)
set(depthwise absent)
if(torch_cuda_file AND cuda_folder)
  set(graph cuda)
  target_include_directories(mdrn_libtorch SYSTEM INTERFACE ${cuda_folder})
  target_link_libraries(mdrn_libtorch INTERFACE ${torch_cuda_file} ${c10_cuda_file})
endif()
if(graph STREQUAL cuda AND TARGET mdrn_cuda_objects)
  set(CMAKE_CUDA_ARCHITECTURES OFF)  # those of the target, below
  enable_language(CUDA)
  string(REGEX MATCH "^[0-9]+" major ${CMAKE_CUDA_COMPILER_VERSION})
  get_filename_component(cuda_libraries ${cuda_folder}/../lib ABSOLUTE)
  file(GLOB cudart ${cuda_libraries}/libcudart.so.${major})
  if(cudart)
    set(depthwise cuda)
    add_library(mdrn_fit_kernels OBJECT network/depthwise.cu)
    set_target_properties(mdrn_fit_kernels PROPERTIES
      CUDA_ARCHITECTURES "${MDRN_CUDA_ARCHITECTURES}" CUDA_STANDARD 17)
    target_include_directories(mdrn_fit_kernels PRIVATE ${CMAKE_CURRENT_SOURCE_DIR})
    target_link_libraries(mdrn_fit_kernels PRIVATE mdrn_seam)
    target_compile_options(mdrn_fit_kernels PRIVATE
      -Werror=all-warnings -Xptxas=--warn-on-spills,--warn-on-local-memory-usage)
    # As objects alone, so that nvcc links nothing.
    list(APPEND fit_sources $<TARGET_OBJECTS:mdrn_fit_kernels>)
    target_link_libraries(mdrn_libtorch INTERFACE ${cudart})
  endif()
endif()
message(STATUS "mdrn-train on GPUs: CUDA graphs ${graph}, BSConv's kernels ${depthwise}")
list(FILTER fit_sources EXCLUDE REGEX "/(graph|depthwise)_(cuda|absent)\\.cpp$")
list(APPEND fit_sources fit/graph_${graph}.cpp network/depthwise_${depthwise}.cpp)
