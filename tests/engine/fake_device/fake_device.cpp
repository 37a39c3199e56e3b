// SPDX-License-Identifier: Apache-2.0
#include "fake_device.h"

#include <c10/core/DeviceType.h>

#include <mutex>

#include "registration.h"
#include "timeline.h"

namespace ovi::test::fake {

c10::Device device() {
  static std::once_flag once;
  std::call_once(once, [] {
    c10::register_privateuse1_backend("fake");
    register_memory();
    register_operators();
    register_streams();
  });
  return c10::Device(c10::kPrivateUse1, 0);
}

void reset() {
  device();
  Timeline::get().reset();
}

void set_memory(size_t total, size_t held_by_others) {
  Timeline::get().set_memory(total, held_by_others);
}

void break_down() { Timeline::get().break_down(); }

Memory memory() { return Timeline::get().memory(); }
Waits waits() { return Timeline::get().waits(); }
int64_t launches() { return Timeline::get().launches(); }
std::vector<std::string> violations() { return Timeline::get().violations(); }

}  // namespace ovi::test::fake
