// SPDX-License-Identifier: BSD-2-Clause
// libcublasLt.so.13 of the emulated device: cuDNN needs one, and uses nothing of it here.
