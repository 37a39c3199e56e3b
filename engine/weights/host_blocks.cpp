// SPDX-License-Identifier: Apache-2.0
#include "weights/host_blocks.h"

#include <ATen/ops/empty.h>
#include <c10/util/Exception.h>

#include <algorithm>
#include <bit>
#include <map>
#include <utility>

#include "runtime/device.h"
#include "runtime/tasks.h"

namespace ovi {
namespace {

constexpr int64_t kAlignment = 256;                   // bytes; what CUDA's own allocator gives
constexpr int64_t kSmallestPiece = int64_t{1} << 20;  // bytes
constexpr size_t kThreads = 4;                        // enough for an NVMe disk's bandwidth

int64_t aligned(int64_t bytes) { return (bytes + kAlignment - 1) / kAlignment * kAlignment; }

int64_t bytes_of(const HostBlocks::Tensor& tensor) {
  return tensor.count * static_cast<int64_t>(c10::elementSize(tensor.dtype));
}

}  // namespace

int64_t streamed_bytes(const Manifest& manifest) {
  std::map<int64_t, int64_t> blocks;
  int64_t outside = 0, largest = 0;
  const std::vector<int64_t> with = streamed_with(manifest);
  for (size_t i = 0; i < manifest.size(); ++i) {
    const WeightSpec& tensor = manifest[i];
    const int64_t block = with[i];
    if (!tensor.stays()) continue;
    if (block < 0) {
      outside += tensor.bytes();
    } else {
      largest = std::max(largest, blocks[block] += aligned(tensor.bytes()));
    }
  }
  return outside + 2 * largest;
}

HostSlab HostSlab::allocate(int64_t bytes, const c10::Device& device, bool pageable) {
  HostSlab slab;
  for (int64_t begin = 0; begin < bytes;) {
    const auto left = static_cast<uint64_t>(bytes - begin);
    const int64_t size = std::max(kSmallestPiece, static_cast<int64_t>(std::bit_floor(left)));
    at::Tensor piece = pinned_bytes(size, device);
    if (!piece.defined() && pageable) piece = at::empty({size}, at::TensorOptions(at::kByte));
    if (!piece.defined()) return {};
    slab.pieces_.push_back({begin, std::move(piece)});
    begin += size;
  }
  return slab;
}

HostBlocks::HostBlocks(std::shared_ptr<const TensorSource> source, const Manifest& manifest,
                       const c10::Device& device, bool keep)
    : source_(std::move(source)), device_(device) {
  std::vector<int64_t> sizes;
  const std::vector<int64_t> with = streamed_with(manifest);
  for (size_t i = 0; i < manifest.size(); ++i) {
    const WeightSpec& tensor = manifest[i];
    const int64_t block = with[i];
    if (block < 0 || !tensor.stays() || index_.contains(tensor.name)) continue;
    if (block >= count()) {
      by_block_.resize(block + 1);
      sizes.resize(block + 1);
    }
    index_.emplace(tensor.name, tensors_.size());
    by_block_[block].push_back(tensors_.size());
    tensors_.push_back({tensor.name, tensor.dtype, tensor.shape, block, sizes[block],
                        tensor.count(), tensor.use == WeightSpec::Use::kDerived});
    sizes[block] += aligned(tensor.bytes());
  }
  for (const int64_t size : sizes) slab_bytes_ = std::max(slab_bytes_, size);
  for (size_t i = 0; keep && i < sizes.size(); ++i) {
    kept_.push_back(HostSlab::allocate(slab_bytes_, device, /*pageable=*/false));
    if (!kept_.back().defined()) {
      kept_.clear();
      break;
    }
  }
  if (kept_.empty()) {
    for (HostSlab& slab : passing_) slab = HostSlab::allocate(slab_bytes_, device, true);
  }
}

HostBlocks::~HostBlocks() {
  if (!keeps()) return;
  kept_.clear();
  try {
    release_unused_pinned_memory(device_);
  } catch (const std::exception& error) {  // of a device that failed earlier
    TORCH_WARN("Page-locked memory was not given back: ", error.what());
  }
}

const HostBlocks::Tensor* HostBlocks::find(const std::string& name) const {
  const auto found = index_.find(name);
  return found == index_.end() ? nullptr : &tensors_[found->second];
}

void HostBlocks::set_derived(const Tensor& tensor, const at::Tensor& made) {
  const at::Tensor values = made.to(c10::kCPU).contiguous();
  if (keeps()) {
    write(tensor, kept_[tensor.block], values);
  } else {
    derived_[tensor.name] = values;
  }
}

void HostBlocks::each_part(const Tensor& tensor, const HostSlab& slab,
                           const std::function<void(int64_t first, at::Tensor to)>& visit) const {
  const int64_t element = static_cast<int64_t>(c10::elementSize(tensor.dtype));
  const int64_t end = tensor.offset + bytes_of(tensor);
  for (const HostSlab::Piece& piece : slab.pieces()) {
    const int64_t from = std::max(tensor.offset, piece.begin);
    const int64_t to = std::min(end, piece.begin + piece.bytes.numel());
    if (from >= to) continue;
    visit((from - tensor.offset) / element,
          piece.bytes.narrow(0, from - piece.begin, to - from).view(tensor.dtype));
  }
}

void HostBlocks::write(const Tensor& tensor, const HostSlab& slab, const at::Tensor& values) {
  each_part(tensor, slab, [&](int64_t first, at::Tensor to) {
    to.copy_(values.view({-1}).narrow(0, first, to.numel()));
  });
}

void HostBlocks::read(const Tensor& tensor, const HostSlab& slab) {
  if (tensor.derived) {
    if (!keeps()) write(tensor, slab, derived_.at(tensor.name));
    return;  // else it was written when it was made
  }
  each_part(tensor, slab, [&](int64_t first, at::Tensor to) {
    source_->read(tensor.name, first, std::move(to));
  });
}

void HostBlocks::fill(const std::function<void(int64_t)>& on_bytes) {
  if (!keeps() || filled_) return;
  run_tasks(
      tensors_.size(), kThreads, [&](size_t i) { read(tensors_[i], kept_[tensors_[i].block]); },
      [&](size_t i) {
        const TensorInfo* stored = source_->find(tensors_[i].name);
        const int64_t bytes =
            stored ? tensors_[i].count * static_cast<int64_t>(c10::elementSize(stored->dtype)) : 0;
        if (on_bytes) on_bytes(bytes);
      });
  filled_ = true;
}

const HostSlab& HostBlocks::slab(int64_t block) {
  if (keeps()) return kept_[block];
  HostSlab& slab = passing_[block % 2];
  const std::vector<size_t>& tensors = by_block_[block];
  run_tasks(tensors.size(), kThreads, [&](size_t i) { read(tensors_[tensors[i]], slab); });
  return slab;
}

}  // namespace ovi
