// SPDX-License-Identifier: Apache-2.0
#include "weights/streaming_loader.h"

#include <ATen/ops/empty.h>
#include <c10/core/StreamGuard.h>
#include <c10/core/impl/VirtualGuardImpl.h>
#include <c10/util/Exception.h>

#include <algorithm>
#include <utility>

namespace ovi {

StreamingLoader::StreamingLoader(std::shared_ptr<HostBlocks> blocks, const c10::Device& device,
                                 std::function<void(int64_t)> on_bytes)
    : blocks_(std::move(blocks)),
      device_(device),
      on_bytes_(std::move(on_bytes)),
      copy_stream_(c10::impl::VirtualGuardImpl(device.type()).getStreamFromGlobalPool(device)),
      slots_{Slot(device.type()), Slot(device.type())} {
  for (Slot& slot : slots_) {
    slot.bytes =
        at::empty({blocks_->slab_bytes()}, at::TensorOptions().dtype(at::kByte).device(device_));
    // Whoever had this memory before may still be computing with it.
    slot.computed.record(current_stream());
  }
}

StreamingLoader::~StreamingLoader() {
  for (Slot& slot : slots_) {
    try {
      if (slot.copied.was_marked_for_recording()) slot.copied.synchronize();
    } catch (const c10::Error&) {
      // The device failed, which whoever uses it is told; nothing of it runs on.
    }
  }
}

c10::Stream StreamingLoader::current_stream() const {
  return c10::impl::VirtualGuardImpl(device_.type()).getStream(device_);
}

at::Tensor StreamingLoader::view_of(const HostBlocks::Tensor& tensor) {
  const int64_t bytes = tensor.count * static_cast<int64_t>(c10::elementSize(tensor.dtype));
  return slot_of(tensor.block)
      .bytes.narrow(0, tensor.offset, bytes)
      .view(tensor.dtype)
      .view(tensor.shape);
}

at::Tensor StreamingLoader::load(const TensorSource& source, const std::string& name,
                                 at::ScalarType dtype) {
  const HostBlocks::Tensor* tensor = blocks_->find(name);
  return tensor ? view_of(*tensor) : load_temporary(source, name, dtype);
}

at::Tensor StreamingLoader::load_temporary(const TensorSource& source, const std::string& name,
                                           at::ScalarType dtype) {
  const TensorInfo& info = *source.find(name);
  const at::Tensor host = at::empty(info.shape, at::TensorOptions().dtype(info.dtype));
  source.read(name, 0, host.view({-1}));
  at::Tensor placed = host.to(device_).to(dtype);
  if (on_bytes_) on_bytes_(static_cast<int64_t>(host.nbytes()));
  return placed;
}

std::vector<at::Tensor> StreamingLoader::derive(const std::vector<std::string>& names,
                                                const MakeTensors& make) {
  const bool in_a_block = blocks_->find(names[0]) != nullptr;
  std::vector<at::Tensor> tensors;
  if (!in_a_block || !blocks_->filled()) tensors = make();
  for (size_t i = 0; i < names.size(); ++i) {
    if (!in_a_block) {
      tensors[i] = tensors[i].to(device_).contiguous();
      continue;
    }
    const HostBlocks::Tensor& tensor = *blocks_->find(names[i]);
    if (!blocks_->filled()) blocks_->set_derived(tensor, tensors[i]);
    tensors.resize(names.size());
    tensors[i] = view_of(tensor);
  }
  return tensors;
}

// Puts the block's copy on the copy stream, behind the last use of its slot.
void StreamingLoader::copy(int64_t block) {
  Slot& slot = slot_of(block);
  slot.block = -1;
  // Bytes that are not kept go through host memory that the last copy may still read.
  if (!blocks_->keeps() && slot.copied.was_marked_for_recording()) slot.copied.synchronize();
  const HostSlab& slab = blocks_->slab(block);
  const c10::StreamGuard guard(copy_stream_);
  slot.computed.block(copy_stream_);
  for (const HostSlab::Piece& piece : slab.pieces()) {
    const int64_t bytes = std::min(piece.bytes.numel(), blocks_->slab_bytes() - piece.begin);
    slot.bytes.narrow(0, piece.begin, bytes)
        .copy_(piece.bytes.narrow(0, 0, bytes), /*non_blocking=*/true);
  }
  slot.copied.record(copy_stream_);
  slot.block = block;
}

void StreamingLoader::before(int64_t block) {
  if (failure_) std::rethrow_exception(std::exchange(failure_, nullptr));
  Slot& slot = slot_of(block);
  if (slot.block != block) copy(block);
  slot.copied.block(current_stream());
}

void StreamingLoader::after(int64_t block) noexcept {
  try {
    slot_of(block).computed.record(current_stream());
    const int64_t next = (block + 1) % blocks_->count();
    if (slot_of(next).block != next) copy(next);
  } catch (...) {
    failure_ = std::current_exception();
  }
}

}  // namespace ovi
