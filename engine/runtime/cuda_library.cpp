// SPDX-License-Identifier: Apache-2.0
#include "runtime/cuda_library.h"

#include <c10/core/Device.h>
#include <dlfcn.h>

#include <filesystem>

namespace ovi {
namespace {

// The folder that LibTorch was loaded from: its CUDA library lies beside it.
std::filesystem::path torch_folder() {
  Dl_info info{};
  std::string (c10::Device::*anchor)() const = &c10::Device::str;
  void* address = nullptr;
  static_assert(sizeof(anchor) >= sizeof(address));
  __builtin_memcpy(&address, &anchor, sizeof(address));
  if (dladdr(address, &info) == 0 || info.dli_fname == nullptr) return {};
  return std::filesystem::path(info.dli_fname).parent_path();
}

CudaLibrary open_once() {
  CudaLibrary library;
  // The driver first: without it the 0.4 s and 350 MB of LibTorch's library are for
  // nothing.
  library.driver = dlopen("libcuda.so.1", RTLD_NOW | RTLD_LOCAL) != nullptr;
  if (!library.driver) {
    library.why = dlerror();
    return library;
  }
  const std::string path = (torch_folder() / "libtorch_cuda.so").string();
  library.torch = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL) != nullptr;
  if (!library.torch) library.why = dlerror();
  return library;
}

}  // namespace

const CudaLibrary& open_cuda_library() {
  static const CudaLibrary library = open_once();
  return library;
}

// Asked of the driver itself: LibTorch's own functions for it cannot be linked from here.
int compute_capability(int index) {
  constexpr int kMajor = 75, kMinor = 76;  // CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_*
  void* driver = dlopen("libcuda.so.1", RTLD_NOW | RTLD_LOCAL);
  if (driver == nullptr) return 0;
  const auto init = reinterpret_cast<int (*)(unsigned)>(dlsym(driver, "cuInit"));
  const auto get = reinterpret_cast<int (*)(int*, int)>(dlsym(driver, "cuDeviceGet"));
  const auto ask = reinterpret_cast<int (*)(int*, int, int)>(dlsym(driver, "cuDeviceGetAttribute"));
  int device = 0, major = 0, minor = 0;
  const bool known = init && get && ask && init(0) == 0 && get(&device, index) == 0 &&
                     ask(&major, kMajor, device) == 0 && ask(&minor, kMinor, device) == 0;
  dlclose(driver);
  return known ? 10 * major + minor : 0;
}

}  // namespace ovi
