// SPDX-License-Identifier: Apache-2.0
#include "runtime/pacer.h"

#include <c10/core/impl/VirtualGuardImpl.h>

namespace ovi {

Pacer::Pacer(const c10::Device& device, int64_t ahead) : device_(device) {
  if (device.is_cpu()) return;
  for (int64_t i = 0; i < ahead; ++i) events_.emplace_back(device.type());
}

void Pacer::mark() {
  if (events_.empty()) return;
  const auto ahead = static_cast<int64_t>(events_.size());
  c10::Event& event = events_[marks_ % ahead];
  if (marks_ >= ahead) event.synchronize();
  event.record(c10::impl::VirtualGuardImpl(device_.type()).getStream(device_));
  ++marks_;
}

}  // namespace ovi
