# SPDX-License-Identifier: BSD-2-Clause
# find_package(mdrn) gives mdrn::mdrn, the shared library, and mdrn::mdrn_static.
include(CMakeFindDependencyMacro)
find_dependency(PkgConfig)
find_dependency(Threads)
pkg_check_modules(ZIMG QUIET IMPORTED_TARGET zimg)
pkg_check_modules(HWY QUIET IMPORTED_TARGET libhwy)
include(${CMAKE_CURRENT_LIST_DIR}/mdrn-targets.cmake)
