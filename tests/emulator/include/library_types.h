// SPDX-License-Identifier: BSD-2-Clause
// What cuDNN's headers include: they name this type, and mdrn uses none of it.
#pragma once

typedef enum libraryPropertyType_t {
    MAJOR_VERSION,
    MINOR_VERSION,
    PATCH_LEVEL
} libraryPropertyType;
