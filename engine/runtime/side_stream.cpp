// SPDX-License-Identifier: Apache-2.0
#include "runtime/side_stream.h"

#include <c10/core/Event.h>
#include <c10/core/StreamGuard.h>
#include <c10/core/impl/VirtualGuardImpl.h>

namespace ovi {

void wait_for(const c10::Stream& stream, const c10::Stream& other) {
  c10::Event so_far(other.device_type());
  so_far.record(other);
  so_far.block(stream);
}

SideStream::SideStream(const c10::Device& device) {
  if (device.is_cpu() || device.is_meta()) return;
  const c10::impl::VirtualGuardImpl impl(device.type());
  side_ = impl.getStreamFromGlobalPool(device, /*isHighPriority=*/true);
}

void SideStream::both(const std::function<void()>& aside, const std::function<void()>& here) const {
  if (!side_) {
    aside();
    here();
    return;
  }
  const c10::Stream current =
      c10::impl::VirtualGuardImpl(side_->device_type()).getStream(side_->device());
  wait_for(*side_, current);
  try {
    {
      const c10::StreamGuard guard(*side_);
      aside();
    }
    here();
  } catch (...) {
    // What the side still uses is about to be freed.
    try {
      wait_for(current, *side_);
    } catch (...) {  // the device has failed: the first error says why
    }
    throw;
  }
  wait_for(current, *side_);
}

}  // namespace ovi
