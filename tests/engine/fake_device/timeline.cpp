// SPDX-License-Identifier: Apache-2.0
#include "timeline.h"

#include <c10/util/Exception.h>

#include <algorithm>
#include <cstring>

namespace ovi::test::fake {
namespace {

thread_local int current = 0;

constexpr int kUnwritten = 0xff;  // NaN in every floating-point type

void join(Clock& clock, const Clock& other) {
  for (int i = 0; i < kStreams; ++i) clock[i] = std::max(clock[i], other[i]);
}

std::string stream_name(int stream) {
  return stream == 0 ? "the default stream" : "stream " + std::to_string(stream);
}

}  // namespace

Timeline& Timeline::get() {
  static Timeline* timeline = new Timeline;  // tensors may outlive static objects
  return *timeline;
}

int Timeline::current_stream() const { return current; }

int Timeline::exchange_stream(int stream) {
  TORCH_CHECK(stream >= 0 && stream < kStreams, "no stream ", stream);
  return std::exchange(current, stream);
}

int Timeline::next_stream() {
  const std::lock_guard lock(mutex_);
  last_pool_stream_ = last_pool_stream_ % (kStreams - 1) + 1;
  return last_pool_stream_;
}

Block* Timeline::allocate(size_t bytes, Kind kind) {
  const std::lock_guard lock(mutex_);
  reap();
  if (kind == Kind::kDevice) {
    const auto fits = [&] { return memory_.used + bytes + others_ <= total_; };
    if (!fits() && !freed_.empty()) {
      for (const Clock& clock : clocks_) host_learns(clock, nullptr);
      ++waits_.memory;
      ++waits_.drains;
    }
    TORCH_CHECK_WITH(OutOfMemoryError, fits(), "The fake device is out of memory: ", bytes,
                     " bytes wanted, ", memory_.used, " in use, ", others_, " held by others, of ",
                     total_);
    memory_.used += bytes;
    memory_.peak = std::max(memory_.peak, memory_.used);
    // Beyond what is cached, memory comes from the device; a cache in the way is given up.
    memory_.reserved = std::min(std::max(memory_.reserved, memory_.used), total_ - others_);
  } else {
    memory_.pinned += bytes;
    memory_.pinned_peak = std::max(memory_.pinned_peak, memory_.pinned);
    memory_.pinned_reserved = std::max(memory_.pinned_reserved, memory_.pinned);
  }
  auto block = std::make_shared<Block>();
  block->kind = kind;
  block->bytes = bytes;
  block->stream = current;
  block->data = std::make_unique_for_overwrite<char[]>(bytes);
  std::memset(block->data.get(), kUnwritten, bytes);
  if (kind == Kind::kDevice) {
    // It may have been anyone's before, as far as the stream has come.
    block->accesses.push_back({current, clocks_[current][current], 0, bytes, true});
  }
  Block* raw = block.get();
  blocks_[raw->data.get()] = std::move(block);
  return raw;
}

void Timeline::release(Block* block) {
  const std::lock_guard lock(mutex_);
  bool in_use = false;
  for (const Block::Access& a : block->accesses) {
    if (a.stream == block->stream && block->kind == Kind::kDevice) continue;
    if (host_[a.stream] >= a.time) continue;
    if (block->kind == Kind::kPinned || block->recorded.count(a.stream)) {
      in_use = true;
      block->done_at[a.stream] = clocks_[a.stream][a.stream];
    } else if (clocks_[block->stream][a.stream] < a.time) {
      complain(std::to_string(block->bytes) + " bytes of " + stream_name(block->stream) +
               " freed while " + stream_name(a.stream) + " may still use them");
    }
  }
  if (in_use) {
    freed_.push_back(block);
  } else {
    forget(block);
  }
}

void Timeline::forget(Block* block) {
  (block->kind == Kind::kDevice ? memory_.used : memory_.pinned) -= block->bytes;
  blocks_.erase(block->data.get());  // a late copy keeps the bytes themselves
}

void Timeline::reap() {
  const auto done = [&](Block* block) {
    for (int i = 0; i < kStreams; ++i) {
      if (host_[i] < block->done_at[i]) return false;
    }
    forget(block);
    return true;
  };
  freed_.erase(std::remove_if(freed_.begin(), freed_.end(), done), freed_.end());
}

void Timeline::record_stream(const void* data, int stream) {
  const std::lock_guard lock(mutex_);
  if (const auto block = find(data)) block->recorded.insert(stream);
}

bool Timeline::is_pinned(const void* data) {
  const std::lock_guard lock(mutex_);
  const auto block = find(data);
  return block && block->kind == Kind::kPinned;
}

void Timeline::empty_cache() {
  const std::lock_guard lock(mutex_);
  reap();
  memory_.reserved = memory_.used;
}

void Timeline::empty_pinned_cache() {
  const std::lock_guard lock(mutex_);
  reap();
  memory_.pinned_reserved = memory_.pinned;
}

void Timeline::reset_peaks() {
  const std::lock_guard lock(mutex_);
  memory_.peak = memory_.used;
  memory_.pinned_peak = memory_.pinned;
}

void Timeline::set_memory(size_t total, size_t others) {
  const std::lock_guard lock(mutex_);
  TORCH_CHECK(others <= total, "others hold more than there is");
  total_ = total;
  others_ = others;
}

size_t Timeline::free_bytes() {
  const std::lock_guard lock(mutex_);
  const size_t held = others_ + memory_.reserved;
  return held < total_ ? total_ - held : 0;
}

std::shared_ptr<Block> Timeline::find(const void* data) {
  const char* address = static_cast<const char*>(data);
  auto it = blocks_.upper_bound(address);
  if (it == blocks_.begin()) return nullptr;
  --it;
  return address < it->first + it->second->bytes ? it->second : nullptr;
}

uint64_t Timeline::launch() {
  const std::lock_guard lock(mutex_);
  ++launches_;
  join(clocks_[current], host_);
  return ++clocks_[current][current];
}

void Timeline::launch_unknown(int stream) {
  const std::lock_guard lock(mutex_);
  ++launches_;
  join(clocks_[stream], host_);
  ++clocks_[stream][stream];
  run_late_before(clocks_[stream]);
}

void Timeline::touch(const void* data, size_t bytes, bool write, uint64_t time,
                     const std::string& what) {
  const std::lock_guard lock(mutex_);
  const auto block = find(data);
  if (!block || bytes == 0) return;
  const size_t begin = static_cast<const char*>(data) - block->data.get(), end = begin + bytes;
  auto& accesses = block->accesses;
  for (const Block::Access& a : accesses) {
    const bool overlaps = a.begin < end && begin < a.end, matters = a.write || write;
    if (overlaps && matters && a.stream != current && clocks_[current][a.stream] < a.time) {
      complain(what + " on " + stream_name(current) + (write ? " writes " : " reads ") +
               std::to_string(bytes) + " bytes that " + stream_name(a.stream) + " may still be " +
               (a.write ? "writing" : "reading"));
    }
  }
  std::erase_if(accesses, [&](const Block::Access& a) {
    const bool inside = begin <= a.begin && a.end <= end;
    return inside && (write || (!a.write && a.stream == current));
  });
  accesses.push_back({current, time, begin, end, write});
  run_late_of(*block, write);
}

void Timeline::run_late_of(const Block& block, bool write) {
  for (auto it = late_.begin(); it != late_.end();) {
    const bool matters = it->to.get() == &block || (write && it->from.get() == &block);
    if (!matters) {
      ++it;
      continue;
    }
    it->run();
    it = late_.erase(it);
  }
}

void Timeline::run_late_before(const Clock& clock) {
  for (auto it = late_.begin(); it != late_.end();) {
    if (clock[it->stream] < it->time) {
      ++it;
      continue;
    }
    it->run();
    it = late_.erase(it);
  }
}

void Timeline::defer(const void* from, void* to, size_t bytes, uint64_t time) {
  const std::lock_guard lock(mutex_);
  touch(from, bytes, false, time, "a copy");
  touch(to, bytes, true, time, "a copy");
  Late late{current, time, find(from), find(to), {}};
  if (late.to->kind == Kind::kPinned) {
    // The stream reads its memory now, in its order; the host sees it when it has waited.
    auto snapshot = std::make_shared<std::vector<char>>(static_cast<const char*>(from),
                                                        static_cast<const char*>(from) + bytes);
    std::memset(to, kUnwritten, bytes);
    late.from.reset();
    late.run = [to, snapshot] { std::memcpy(to, snapshot->data(), snapshot->size()); };
  } else {
    late.run = [from, to, bytes] { std::memcpy(to, from, bytes); };
  }
  late_.push_back(std::move(late));
  run_late_before(host_);  // another thread may have waited since `time`
}

void Timeline::record(Event& event, int stream) {
  const std::lock_guard lock(mutex_);
  join(clocks_[stream], host_);
  event.clock = clocks_[stream];
  event.stream = stream;
  event.queries = 0;
}

void Timeline::block(const Event& event, int stream) {
  const std::lock_guard lock(mutex_);
  join(clocks_[stream], event.clock);
}

bool Timeline::outstanding(const Clock& clock) const {
  for (int i = 0; i < kStreams; ++i) {
    if (host_[i] < clock[i]) return true;
  }
  return false;
}

bool Timeline::idle() const {
  for (int i = 0; i < kStreams; ++i) {
    if (host_[i] < clocks_[i][i]) return false;
  }
  return true;
}

bool Timeline::query(Event& event) {
  const std::lock_guard lock(mutex_);
  // Late, but not for ever: who asks again is told.
  if (outstanding(event.clock) && event.queries++ == 0) return false;
  host_learns(event.clock, nullptr);
  return true;
}

bool Timeline::query_stream(int stream) {
  const std::lock_guard lock(mutex_);
  return !outstanding(clocks_[stream]);
}

void Timeline::host_learns(const Clock& clock, int64_t Waits::*kind) {
  join(host_, clock);
  run_late_before(host_);
  reap();
  if (!kind) return;
  ++(waits_.*kind);
  if (idle()) ++waits_.drains;
}

void Timeline::wait_event(const Event& event) {
  check_alive();
  const std::lock_guard lock(mutex_);
  if (outstanding(event.clock)) host_learns(event.clock, &Waits::event);
}

void Timeline::wait_stream(int stream) {
  check_alive();
  const std::lock_guard lock(mutex_);
  if (outstanding(clocks_[stream])) host_learns(clocks_[stream], &Waits::stream);
}

void Timeline::wait_device() {
  check_alive();
  const std::lock_guard lock(mutex_);
  Clock everything{};
  for (const Clock& clock : clocks_) join(everything, clock);
  if (outstanding(everything)) host_learns(everything, &Waits::device);
}

void Timeline::wait_copy() {
  check_alive();
  const std::lock_guard lock(mutex_);
  host_learns(clocks_[current], &Waits::copies);
}

void Timeline::wait_value() {
  check_alive();
  const std::lock_guard lock(mutex_);
  host_learns(clocks_[current], &Waits::values);
}

void Timeline::check_alive() const {
  TORCH_CHECK(!broken_, "CUDA error: an illegal memory access was encountered");
}

void Timeline::complain(const std::string& what) {
  constexpr size_t kEnough = 50;
  if (violations_.size() < kEnough) violations_.push_back(what);
}

Memory Timeline::memory() {
  const std::lock_guard lock(mutex_);
  reap();
  return memory_;
}

Waits Timeline::waits() {
  const std::lock_guard lock(mutex_);
  return waits_;
}

int64_t Timeline::launches() {
  const std::lock_guard lock(mutex_);
  return launches_;
}

std::vector<std::string> Timeline::violations() {
  const std::lock_guard lock(mutex_);
  return violations_;
}

void Timeline::reset() {
  const std::lock_guard lock(mutex_);
  broken_ = false;
  for (const Clock& clock : clocks_) host_learns(clock, nullptr);
  for (Clock& clock : clocks_) clock = host_;
  waits_ = {};
  launches_ = 0;
  violations_.clear();
  empty_cache();
  empty_pinned_cache();
  reset_peaks();
  set_memory(size_t{64} << 30, 0);
}

}  // namespace ovi::test::fake
