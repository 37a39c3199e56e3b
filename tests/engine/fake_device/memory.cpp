// SPDX-License-Identifier: Apache-2.0
#include <c10/core/CachingDeviceAllocator.h>

#include <cstring>

#include "pinned_memory.h"
#include "registration.h"
#include "timeline.h"

namespace ovi::test::fake {
namespace {

void free_block(void* block) { Timeline::get().release(static_cast<Block*>(block)); }

c10::DataPtr allocate_block(size_t bytes, Kind kind, c10::Device place) {
  if (bytes == 0) return {nullptr, place};
  Block* block = Timeline::get().allocate(bytes, kind);
  return {block->data.get(), block, &free_block, place};
}

class DeviceMemory final : public c10::DeviceAllocator {
 public:
  c10::DataPtr allocate(size_t bytes) override {
    return allocate_block(bytes, Kind::kDevice, c10::Device(c10::kPrivateUse1, 0));
  }
  void copy_data(void* to, const void* from, size_t bytes) const override {
    const uint64_t time = Timeline::get().launch();
    Timeline::get().touch(from, bytes, false, time, "a resize");
    Timeline::get().touch(to, bytes, true, time, "a resize");
    std::memcpy(to, from, bytes);
  }
  bool initialized() override { return true; }
  void emptyCache(c10::MempoolId_t) override { Timeline::get().empty_cache(); }
  void recordStream(const c10::DataPtr& data, c10::Stream stream) override {
    Timeline::get().record_stream(data.get(), static_cast<int>(stream.id()));
  }
  c10::CachingDeviceAllocator::DeviceStats getDeviceStats(c10::DeviceIndex) override {
    const Memory memory = Timeline::get().memory();
    c10::CachingDeviceAllocator::DeviceStats stats;
    stats.allocated_bytes[0].current = static_cast<int64_t>(memory.used);
    stats.allocated_bytes[0].peak = static_cast<int64_t>(memory.peak);
    stats.active_bytes[0] = stats.requested_bytes[0] = stats.allocated_bytes[0];
    stats.reserved_bytes[0].current = static_cast<int64_t>(memory.reserved);
    return stats;
  }
  void resetAccumulatedStats(c10::DeviceIndex) override {}
  void resetPeakStats(c10::DeviceIndex) override { Timeline::get().reset_peaks(); }
  std::pair<size_t, size_t> getMemoryInfo(c10::DeviceIndex) override {
    return {Timeline::get().free_bytes(), Timeline::get().total_bytes()};
  }
};

class PinnedMemory final : public c10::Allocator {
 public:
  c10::DataPtr allocate(size_t bytes) override {
    return allocate_block(bytes, Kind::kPinned, c10::kCPU);
  }
  void copy_data(void* to, const void* from, size_t bytes) const override {
    default_copy_data(to, from, bytes);
  }
};

}  // namespace

c10::Allocator& pinned_memory() {
  static PinnedMemory* memory = new PinnedMemory;
  return *memory;
}

void register_memory() {
  static DeviceMemory* memory = new DeviceMemory;
  c10::SetAllocator(c10::kPrivateUse1, memory, /*priority=*/255);
}

}  // namespace ovi::test::fake
