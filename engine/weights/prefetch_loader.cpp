// SPDX-License-Identifier: Apache-2.0
#include "weights/prefetch_loader.h"

#include <ATen/ops/empty.h>
#include <c10/core/InferenceMode.h>
#include <c10/core/impl/VirtualGuardImpl.h>
#include <c10/util/Exception.h>

#include <algorithm>
#include <utility>

#include "runtime/device.h"
#include "runtime/error.h"
#include "runtime/threads.h"

namespace ovi {

PrefetchLoader::PrefetchLoader(std::shared_ptr<const TensorSource> source, Manifest manifest,
                               const c10::Device& device, std::function<void(int64_t)> on_bytes,
                               const ReadSettings& settings)
    : source_(std::move(source)),
      manifest_(std::move(manifest)),
      device_(device),
      on_bytes_(std::move(on_bytes)) {
  std::erase_if(manifest_, [](const WeightSpec& t) { return t.use == WeightSpec::Use::kDerived; });
  int64_t largest = 0;
  for (size_t i = 0; i < manifest_.size(); ++i) {
    const int64_t element = static_cast<int64_t>(c10::elementSize(staged_dtype(manifest_[i])));
    const int64_t most = settings.chunk_bytes / element, count = manifest_[i].count();
    for (int64_t first = 0; first < count; first += most) {
      chunks_.push_back({i, first, std::min(most, count - first)});
      largest = std::max(largest, chunks_.back().count * element);
    }
  }
  slots_.resize(std::min(settings.chunks, chunks_.size()));
  for (Slot& slot : slots_) {
    slot.bytes = pinned_bytes(largest, device_);
    // Without page-locked memory the copies are slower, and nothing else.
    if (!slot.bytes.defined()) {
      slot.bytes = at::empty({largest}, at::TensorOptions().dtype(at::kByte));
    }
  }
  const size_t wanted = std::min(settings.threads, slots_.size());
  readers_.reserve(wanted);
  for (size_t i = 0; i < wanted; ++i) {
    try {
      readers_.emplace_back([this] { read(); });
    } catch (...) {
      // Fewer read as well, only slower.
      if (readers_.empty()) throw_no_threads(std::current_exception());
      break;
    }
  }
}

PrefetchLoader::~PrefetchLoader() {
  stop();
  for (Slot& slot : slots_) {
    try {
      if (slot.copied) slot.copied->synchronize();
    } catch (const c10::Error&) {
      // The device failed, which whoever uses it is told; nothing of it runs on.
    }
  }
}

void PrefetchLoader::stop() {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    stopped_ = true;
  }
  changed_.notify_all();
  for (std::thread& reader : readers_) reader.join();
  readers_.clear();
}

at::ScalarType PrefetchLoader::staged_dtype(const WeightSpec& tensor) const {
  const at::ScalarType stored = source_->find(tensor.name)->dtype;
  return c10::elementSize(stored) <= c10::elementSize(tensor.dtype) ? stored : tensor.dtype;
}

// A reader: the next chunk, as soon as its slot is free. Chunks are taken in order, so
// the one that load() waits for is always among those being read.
void PrefetchLoader::read() {
  const c10::InferenceMode inference;
  std::unique_lock<std::mutex> lock(mutex_);
  while (!stopped_ && next_read_ < chunks_.size()) {
    const size_t index = next_read_++;
    const Chunk& chunk = chunks_[index];
    Slot& slot = slots_[index % slots_.size()];
    // The chunk that had this slot before is through load() when its turn has passed.
    changed_.wait(lock, [&] {
      return stopped_ || (slot.state == State::kFree && next_chunk_ + slots_.size() > index);
    });
    if (stopped_) return;
    lock.unlock();
    std::exception_ptr thrown;
    try {
      if (slot.copied) slot.copied->synchronize();
      const WeightSpec& tensor = manifest_[chunk.tensor];
      const at::ScalarType dtype = staged_dtype(tensor);
      source_->read(
          tensor.name, chunk.first,
          slot.bytes.narrow(0, 0, chunk.count * static_cast<int64_t>(c10::elementSize(dtype)))
              .view(dtype));
    } catch (...) {
      thrown = std::current_exception();
    }
    lock.lock();
    if (thrown && !failure_) failure_ = thrown;
    slot.state = State::kFull;
    if (thrown) stopped_ = true;
    changed_.notify_all();
  }
}

const at::Tensor& PrefetchLoader::wait_for(size_t chunk) {
  Slot& slot = slots_[chunk % slots_.size()];
  std::unique_lock<std::mutex> lock(mutex_);
  changed_.wait(lock, [&] { return failure_ || slot.state == State::kFull; });
  if (failure_) std::rethrow_exception(failure_);
  return slot.bytes;
}

at::Tensor PrefetchLoader::load(const TensorSource& source, const std::string& name,
                                at::ScalarType dtype) {
  const auto wanted = std::pair(name, dtype);
  if (&source == source_.get()) {
    if (auto found = waiting_.find(wanted); found != waiting_.end())
      return waiting_.extract(found).mapped();
    while (next_tensor_ < manifest_.size()) {
      const WeightSpec& next = manifest_[next_tensor_];
      at::Tensor tensor = bring_next();
      if (next.name == name && next.dtype == dtype) return tensor;
      waiting_.emplace(std::pair(next.name, next.dtype), std::move(tensor));
    }
  }
  throw Error(ErrorKind::kFailed, "A model asks for weights that are not in its manifest.",
              "PrefetchLoader: " + name);
}

at::Tensor PrefetchLoader::bring_next() {
  const WeightSpec& tensor = manifest_[next_tensor_];
  const at::ScalarType staged = staged_dtype(tensor);
  const int64_t stored = static_cast<int64_t>(c10::elementSize(source_->find(tensor.name)->dtype));
  const auto on_device = at::TensorOptions().device(device_);
  at::Tensor placed = at::empty(tensor.shape, on_device.dtype(tensor.dtype));
  const at::Tensor flat = placed.view({-1});
  const c10::impl::VirtualGuardImpl guard(device_.type());
  for (; next_chunk_ < chunks_.size() && chunks_[next_chunk_].tensor == next_tensor_;) {
    const Chunk& chunk = chunks_[next_chunk_];
    Slot& slot = slots_[next_chunk_ % slots_.size()];
    const int64_t bytes = chunk.count * static_cast<int64_t>(c10::elementSize(staged));
    const at::Tensor host = wait_for(next_chunk_).narrow(0, 0, bytes).view(staged);
    at::Tensor target = flat.narrow(0, chunk.first, chunk.count);
    if (staged == tensor.dtype) {
      target.copy_(host, /*non_blocking=*/true);
    } else {
      target.copy_(at::empty({chunk.count}, on_device.dtype(staged)).copy_(host, true));
    }
    if (!slot.copied) slot.copied.emplace(device_.type());
    slot.copied->record(guard.getStream(device_));
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      slot.state = State::kFree;
      ++next_chunk_;
    }
    changed_.notify_all();
    if (on_bytes_) on_bytes_(chunk.count * stored);
  }
  ++next_tensor_;
  return placed;
}

at::Tensor PrefetchLoader::load_temporary(const TensorSource& source, const std::string& name,
                                          at::ScalarType dtype) {
  return load(source, name, dtype);
}

std::vector<at::Tensor> PrefetchLoader::derive(const std::vector<std::string>&,
                                               const MakeTensors& make) {
  std::vector<at::Tensor> made = make();
  for (at::Tensor& tensor : made) tensor = tensor.to(device_).contiguous();
  return made;
}

}  // namespace ovi
