// SPDX-License-Identifier: BSD-2-Clause
#include "cuda.h"

namespace {

struct Text {
    CUresult error;
    const char *name;
    const char *text;
};

#define ERROR(name) name, #name
constexpr Text kTexts[] = {
    {ERROR(CUDA_SUCCESS), "no error"},
    {ERROR(CUDA_ERROR_INVALID_VALUE), "invalid argument"},
    {ERROR(CUDA_ERROR_OUT_OF_MEMORY), "out of memory"},
    {ERROR(CUDA_ERROR_NOT_INITIALIZED), "initialization error"},
    {ERROR(CUDA_ERROR_NO_DEVICE), "no CUDA-capable device is detected"},
    {ERROR(CUDA_ERROR_INVALID_DEVICE), "invalid device ordinal"},
    {ERROR(CUDA_ERROR_INVALID_CONTEXT), "invalid device context"},
    {ERROR(CUDA_ERROR_INVALID_HANDLE), "invalid resource handle"},
    {ERROR(CUDA_ERROR_NOT_FOUND), "named symbol not found"},
    {ERROR(CUDA_ERROR_NOT_READY), "device not ready"},
    {ERROR(CUDA_ERROR_ILLEGAL_ADDRESS), "an illegal memory access was encountered"},
    {ERROR(CUDA_ERROR_PRIMARY_CONTEXT_ACTIVE), "the primary context is in use"},
    {ERROR(CUDA_ERROR_CONTEXT_IS_DESTROYED), "the context is destroyed"},
    {ERROR(CUDA_ERROR_MISALIGNED_ADDRESS), "misaligned address"},
    {ERROR(CUDA_ERROR_LAUNCH_FAILED), "unspecified launch failure"},
    {ERROR(CUDA_ERROR_NOT_SUPPORTED), "operation not supported"},
    {ERROR(CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED), "not permitted while a stream is capturing"},
    {ERROR(CUDA_ERROR_STREAM_CAPTURE_INVALIDATED), "the capture failed by an earlier error"},
    {ERROR(CUDA_ERROR_STREAM_CAPTURE_UNMATCHED), "the capture did not begin on this stream"},
    {ERROR(CUDA_ERROR_STREAM_CAPTURE_ISOLATION), "the capture depends on work outside of it"},
    {ERROR(CUDA_ERROR_STREAM_CAPTURE_IMPLICIT), "the NULL stream depends on a capturing one"},
    {ERROR(CUDA_ERROR_CAPTURED_EVENT), "not permitted on an event last recorded in a capture"},
    {ERROR(CUDA_ERROR_STREAM_CAPTURE_WRONG_THREAD), "the capture began in another thread"},
    {ERROR(CUDA_ERROR_UNKNOWN), "unknown error"},
};

const Text *text_of(CUresult error) {
    for (const Text &text : kTexts)
        if (text.error == error) return &text;
    return nullptr;
}

}  // namespace

CUresult cuGetErrorName(CUresult error, const char **name) {
    const Text *text = text_of(error);
    *name = text ? text->name : nullptr;
    return text ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

CUresult cuGetErrorString(CUresult error, const char **string) {
    const Text *text = text_of(error);
    *string = text ? text->text : nullptr;
    return text ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}
