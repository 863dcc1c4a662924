// SPDX-License-Identifier: BSD-2-Clause
#include "frame.h"
namespace mdrn {
struct FrameConverter::Impl {};
void check_image(const mdrn_image &, const char *) {}
void check_pair(const mdrn_image &, const mdrn_image &, int) {}
FrameConverter::FrameConverter(WarnOnce) {}
FrameConverter::~FrameConverter() = default;
FrameConverter::FrameConverter(FrameConverter &&) noexcept = default;
void FrameConverter::unpack(const mdrn_image &, const Planes &) {}
void FrameConverter::pack(const Planes &, const mdrn_image &) {}
}  // namespace mdrn
