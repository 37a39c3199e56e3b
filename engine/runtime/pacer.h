// How far the host may run ahead of the device.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <c10/core/Device.h>
#include <c10/core/Event.h>

#include <cstdint>
#include <vector>

namespace ovi {

/// The host gives a device its work much faster than the device does it. A model that
/// marks its blocks stays a few of them ahead: enough that the device never runs dry, and
/// so few that a cancel takes effect, and progress is true, within their time. A wait for
/// a block that lies back leaves the later ones queued, so it is no stall.
class Pacer {
 public:
  static constexpr int64_t kAhead = 6;  // blocks: some 0.1 s of a 720x720 clip on a fast GPU

  /// Does nothing for a CPU, which is never behind. `ahead` >= 2.
  explicit Pacer(const c10::Device& device, int64_t ahead = kAhead);

  /// After a block has been given to the current stream: waits for the block `ahead` before.
  void mark();

 private:
  c10::Device device_;
  std::vector<c10::Event> events_;  // a ring, the size of `ahead`
  int64_t marks_ = 0;
};

}  // namespace ovi
