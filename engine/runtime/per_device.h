// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <c10/core/Device.h>

#include <map>
#include <mutex>
#include <string>

namespace ovi {

/// What is found out about a device once in a process. Any thread; others wait while one
/// finds out, and try again when that throws.
template <typename T>
class PerDevice {
 public:
  template <typename Make>
  const T& get(const c10::Device& device, Make make) {
    const std::lock_guard<std::mutex> lock(mutex_);
    const std::string name = device.str();
    const auto known = found_.find(name);
    return known != found_.end() ? known->second : found_.emplace(name, make(device)).first->second;
  }

  /// What get() has found out so far; null when nothing.
  const T* known(const c10::Device& device) {
    const std::lock_guard<std::mutex> lock(mutex_);
    const auto known = found_.find(device.str());
    return known != found_.end() ? &known->second : nullptr;
  }

 private:
  std::mutex mutex_;
  std::map<std::string, T> found_;
};

}  // namespace ovi
