// SPDX-License-Identifier: Apache-2.0
#include <ATen/Context.h>
#include <ATen/detail/PrivateUse1HooksInterface.h>
#include <c10/core/impl/DeviceGuardImplInterface.h>

#include "generator.h"
#include "pinned_memory.h"
#include "registration.h"
#include "timeline.h"

namespace ovi::test::fake {
namespace {

const c10::Device kDevice(c10::kPrivateUse1, 0);

c10::Stream stream_of(int id) { return c10::Stream(c10::Stream::UNSAFE, kDevice, id); }

class Guard final : public c10::impl::DeviceGuardImplInterface {
 public:
  c10::DeviceType type() const override { return c10::kPrivateUse1; }
  c10::DeviceIndex deviceCount() const noexcept override { return 1; }
  c10::Device exchangeDevice(c10::Device) const override { return kDevice; }
  c10::Device getDevice() const override { return kDevice; }
  void setDevice(c10::Device device) const override {
    TORCH_CHECK(device.index() <= 0, "there is one fake device");
  }
  void uncheckedSetDevice(c10::Device) const noexcept override {}

  c10::Stream getStream(c10::Device) const override {
    return stream_of(timeline().current_stream());
  }
  c10::Stream getDefaultStream(c10::Device) const override { return stream_of(0); }
  c10::Stream getStreamFromGlobalPool(c10::Device, bool) const override {
    return stream_of(timeline().next_stream());
  }
  c10::Stream getNewStream(c10::Device, int) const override {
    return stream_of(timeline().next_stream());
  }
  c10::Stream exchangeStream(c10::Stream stream) const override {
    return stream_of(timeline().exchange_stream(static_cast<int>(stream.id())));
  }
  // Whoever asks is about to launch what LibTorch does not know of.
  void* getStreamNativeHandle(const c10::Stream stream) const override {
    timeline().launch_unknown(static_cast<int>(stream.id()));
    return nullptr;
  }

  void record(void** event, const c10::Stream& stream, const c10::DeviceIndex,
              const c10::EventFlag) const override {
    if (!*event) *event = new Event;
    timeline().record(*static_cast<Event*>(*event), static_cast<int>(stream.id()));
  }
  void block(void* event, const c10::Stream& stream) const override {
    if (event) timeline().block(*static_cast<Event*>(event), static_cast<int>(stream.id()));
  }
  bool queryEvent(void* event) const override {
    return !event || timeline().query(*static_cast<Event*>(event));
  }
  void synchronizeEvent(void* event) const override {
    if (event) timeline().wait_event(*static_cast<Event*>(event));
  }
  void destroyEvent(void* event, const c10::DeviceIndex) const noexcept override {
    delete static_cast<Event*>(event);
  }

  bool queryStream(const c10::Stream& stream) const override {
    return timeline().query_stream(static_cast<int>(stream.id()));
  }
  void synchronizeStream(const c10::Stream& stream) const override {
    timeline().wait_stream(static_cast<int>(stream.id()));
  }
  void synchronizeDevice(const c10::DeviceIndex) const override { timeline().wait_device(); }
  void recordDataPtrOnStream(const c10::DataPtr& data, const c10::Stream& stream) const override {
    timeline().record_stream(data.get(), static_cast<int>(stream.id()));
  }

 private:
  static Timeline& timeline() { return Timeline::get(); }
};

class Hooks final : public at::PrivateUse1HooksInterface {
 public:
  bool isBuilt() const override { return true; }
  bool isAvailable() const override { return true; }
  bool hasPrimaryContext(c10::DeviceIndex) const override { return true; }
  void init() const override { Timeline::get().start(); }
  c10::DeviceIndex deviceCount() const override { return 1; }
  c10::DeviceIndex getCurrentDevice() const override { return 0; }
  c10::DeviceIndex exchangeDevice(c10::DeviceIndex) const override { return 0; }
  c10::DeviceIndex maybeExchangeDevice(c10::DeviceIndex) const override { return 0; }
  void setCurrentDevice(c10::DeviceIndex) const override {}

  bool isPinnedPtr(const void* data) const override { return Timeline::get().is_pinned(data); }
  c10::Allocator* getPinnedMemoryAllocator() const override { return &pinned_memory(); }
  c10::Device getDeviceFromPtr(void*) const override { return kDevice; }

  const at::Generator& getDefaultGenerator(c10::DeviceIndex) const override {
    static const auto* generator = new at::Generator(getNewGenerator(0));
    return *generator;
  }
  at::Generator getNewGenerator(c10::DeviceIndex) const override {
    return at::make_generator<Generator>();
  }
};

}  // namespace

void register_streams() {
  static Guard* guard = new Guard;
  c10::impl::registerDeviceGuard(c10::kPrivateUse1, guard);
  static Hooks* hooks = new Hooks;
  at::RegisterPrivateUse1HooksInterface(hooks);
}

}  // namespace ovi::test::fake
