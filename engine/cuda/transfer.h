// SPDX-License-Identifier: BSD-2-Clause
// Pictures in host memory on their way to the GPU and back: through pinned memory, on streams of
// their own, so that one picture's copies run beside another's computation. Pictures that are in
// CUDA memory pass through untouched.
#pragma once

#include <cuda_runtime.h>

#include <cstddef>
#include <deque>
#include <memory>
#include <vector>

#include "cuda/context.h"
#include "cuda/stream.h"
#include "mdrn.h"

namespace mdrn::cuda {

// Not thread safe; every call but finish() with the GPU's context current.
class Transfer {
public:
    // depth: pictures between upload and finish at most. The context must outlive it.
    Transfer(const Context &context, int depth);
    ~Transfer();

    // A picture's way, in this order, without upload for one that is repeated; one that failed on
    // it is left behind by the next.

    // image with its planes on the GPU, where work on stream finds them.
    mdrn_image upload(const mdrn_image &image, cudaStream_t stream);
    // Where pack shall write image.
    mdrn_image target(const mdrn_image &image);
    // Sends what pack on stream will have written on its way to image.
    void download(const mdrn_image &image, cudaStream_t stream);
    // Waits until the oldest picture that was not waited for is in its host planes. Where that
    // fails, it is this picture's failure: the next call is the next picture's.
    void finish();

private:
    struct Slot;

    void take_slot();

    const Context &context_;
    std::vector<std::unique_ptr<Slot>> free_;
    std::deque<std::unique_ptr<Slot>> in_flight_;  // the oldest first
    std::unique_ptr<Slot> current_;
    Stream up_, down_;
};

}  // namespace mdrn::cuda
