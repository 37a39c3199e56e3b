// A second queue of a device, for small work beside large.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <c10/core/Device.h>
#include <c10/core/Stream.h>

#include <functional>
#include <optional>

namespace ovi {

/// What `stream` is given next waits for all that `other` has been given so far.
void wait_for(const c10::Stream& stream, const c10::Stream& other);

/// On a CPU there is one queue: the same code runs in order.
class SideStream {
 public:
  /// A stream of high priority, whose small kernels need not wait for large ones.
  explicit SideStream(const c10::Device& device);

  /// Gives `aside` to the side and `here` to the current stream. Both see what the current
  /// stream was given before, neither what the other one does; what the current stream is
  /// given next sees both. A tensor that is used on both sides must live until both()
  /// returns, and one that `aside` makes must not leave it.
  void both(const std::function<void()>& aside, const std::function<void()>& here) const;

 private:
  std::optional<c10::Stream> side_;
};

}  // namespace ovi
