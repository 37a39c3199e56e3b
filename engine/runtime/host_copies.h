// Tensors that leave the device while it goes on computing.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/core/Tensor.h>
#include <c10/core/Event.h>
#include <c10/core/Stream.h>

#include <optional>

namespace ovi {

/// One copy on its way.
class HostCopy {
 public:
  /// True when get() need not wait: always on a CPU.
  bool there() const { return !done_ || done_->query(); }

  /// The tensor on the host, in pinned memory when it comes from a device. Waits for this
  /// copy, not for what the device was given after it.
  at::Tensor get() const;

 private:
  friend class HostCopies;
  at::Tensor host_;
  std::optional<c10::Event> done_;
};

/// Starts copies on a stream of their own. The memory comes from LibTorch's cache of pinned
/// memory and goes back there with the tensor.
class HostCopies {
 public:
  explicit HostCopies(const c10::Device& device);

  /// Copies x as the current stream has it now; x may be changed or dropped afterwards.
  /// On a CPU the copy is x itself.
  HostCopy start(const at::Tensor& x) const;

 private:
  std::optional<c10::Stream> stream_;
};

}  // namespace ovi
