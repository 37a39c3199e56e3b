// SPDX-License-Identifier: Apache-2.0
#include "runtime/host_copies.h"

#include <ATen/ops/empty.h>
#include <c10/core/StreamGuard.h>
#include <c10/core/impl/VirtualGuardImpl.h>

#include "runtime/device.h"
#include "runtime/side_stream.h"

namespace ovi {

at::Tensor HostCopy::get() const {
  if (done_) done_->synchronize();
  return host_;
}

HostCopies::HostCopies(const c10::Device& device) {
  if (device.is_cpu()) return;
  stream_ = c10::impl::VirtualGuardImpl(device.type()).getStreamFromGlobalPool(device);
}

HostCopy HostCopies::start(const at::Tensor& x) const {
  HostCopy copy;
  const at::Tensor from = x.contiguous();
  if (!stream_) {
    copy.host_ = from;
    return copy;
  }
  const c10::impl::VirtualGuardImpl impl(stream_->device_type());
  const at::Tensor pinned = pinned_bytes(static_cast<int64_t>(from.nbytes()), from.device());
  // What cannot be page-locked is copied too; the copy then waits for itself.
  copy.host_ = pinned.defined() ? pinned.view(from.scalar_type()).view(from.sizes())
                                : at::empty(from.sizes(), from.options().device(at::kCPU));
  copy.done_.emplace(stream_->device_type());
  const c10::Stream current = impl.getStream(from.device());
  wait_for(*stream_, current);
  {
    const c10::StreamGuard guard(*stream_);
    copy.host_.copy_(from, /*non_blocking=*/true);
  }
  copy.done_->record(*stream_);
  // Its memory is the current stream's, and free for others once the copy is done.
  impl.recordDataPtrOnStream(from.storage().data_ptr(), *stream_);
  return copy;
}

}  // namespace ovi
