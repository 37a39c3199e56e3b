// SPDX-License-Identifier: Apache-2.0
#include "runtime/cuda_driver.h"

#include <dlfcn.h>

namespace ovi {
namespace {

class Driver {
 public:
  Driver() : library_(dlopen("libcuda.so.1", RTLD_NOW | RTLD_LOCAL)) {
    const auto init = find<int(unsigned)>("cuInit");
    started_ = init && init(0) == 0;
  }
  ~Driver() {
    if (library_) dlclose(library_);
  }
  Driver(const Driver&) = delete;
  Driver& operator=(const Driver&) = delete;

  /// Calls a function that returns 0 when it has an answer.
  template <typename... Args>
  bool ask(const char* name, Args... args) const {
    const auto function = find<int(Args...)>(name);
    return started_ && function && function(args...) == 0;
  }

 private:
  template <typename Function>
  Function* find(const char* name) const {
    return library_ ? reinterpret_cast<Function*>(dlsym(library_, name)) : nullptr;
  }

  void* library_;
  bool started_ = false;
};

}  // namespace

CudaDriver ask_cuda_driver() {
  const Driver driver;
  CudaDriver found;
  if (!driver.ask("cuDriverGetVersion", &found.version)) found.version = 0;
  if (!driver.ask("cuDeviceGetCount", &found.devices)) found.devices = 0;
  return found;
}

int compute_capability(int index) {
  constexpr int kMajor = 75, kMinor = 76;  // CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_*
  const Driver driver;
  int device = 0, major = 0, minor = 0;
  const bool known = driver.ask("cuDeviceGet", &device, index) &&
                     driver.ask("cuDeviceGetAttribute", &major, kMajor, device) &&
                     driver.ask("cuDeviceGetAttribute", &minor, kMinor, device);
  return known ? 10 * major + minor : 0;
}

}  // namespace ovi
