// SPDX-License-Identifier: Apache-2.0
#include <ATen/core/CachingHostAllocator.h>
#include <c10/core/CachingDeviceAllocator.h>
#include <c10/util/Exception.h>

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

Timeline& started_timeline() {
  TORCH_CHECK(Timeline::get().started(), "Invalid device argument: the fake device is not started");
  return Timeline::get();
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
  bool initialized() override { return Timeline::get().started(); }
  void emptyCache(c10::MempoolId_t) override { started_timeline().empty_cache(); }
  void recordStream(const c10::DataPtr& data, c10::Stream stream) override {
    Timeline::get().record_stream(data.get(), static_cast<int>(stream.id()));
  }
  c10::CachingDeviceAllocator::DeviceStats getDeviceStats(c10::DeviceIndex) override {
    const Memory memory = started_timeline().memory();
    c10::CachingDeviceAllocator::DeviceStats stats;
    stats.allocated_bytes[0].current = static_cast<int64_t>(memory.used);
    stats.allocated_bytes[0].peak = static_cast<int64_t>(memory.peak);
    stats.active_bytes[0] = stats.requested_bytes[0] = stats.allocated_bytes[0];
    stats.reserved_bytes[0].current = static_cast<int64_t>(memory.reserved);
    return stats;
  }
  void resetAccumulatedStats(c10::DeviceIndex) override {}
  void resetPeakStats(c10::DeviceIndex) override { started_timeline().reset_peaks(); }
  std::pair<size_t, size_t> getMemoryInfo(c10::DeviceIndex) override {
    return {started_timeline().free_bytes(), Timeline::get().total_bytes()};
  }
};

class PinnedMemory final : public at::HostAllocator {
 public:
  c10::DataPtr allocate(size_t bytes) override {
    return allocate_block(bytes, Kind::kPinned, c10::kCPU);
  }
  void copy_data(void* to, const void* from, size_t bytes) const override {
    default_copy_data(to, from, bytes);
  }
  // Who used it is known from the copies.
  bool record_event(void*, void*, c10::Stream) override { return true; }
  void empty_cache() override { started_timeline().empty_pinned_cache(); }
  at::HostStats get_stats() override { return {}; }
  void reset_accumulated_stats() override {}
  void reset_peak_stats() override {}
};

}  // namespace

at::HostAllocator& pinned_memory() {
  static PinnedMemory* memory = new PinnedMemory;
  return *memory;
}

void register_memory() {
  static DeviceMemory* memory = new DeviceMemory;
  c10::SetAllocator(c10::kPrivateUse1, memory, /*priority=*/255);
  at::setHostAllocator(c10::kPrivateUse1, &pinned_memory(), /*priority=*/255);
}

}  // namespace ovi::test::fake
