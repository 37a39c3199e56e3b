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

// cuDNN compiles its attention with NVRTC, which it opens by its bare name: where the loader
// does not look, as beside a LibTorch from a wheel, it must be open already.
void open_nvrtc(void* torch) {
  Dl_info info{};
  const void* runtime = dlsym(torch, "cudaRuntimeGetVersion");
  std::vector<std::filesystem::path> folders = {torch_folder()};
  if (runtime && dladdr(runtime, &info) != 0 && info.dli_fname) {
    const std::filesystem::path beside = std::filesystem::path(info.dli_fname).parent_path();
    // Of CUDA 13 all libraries of a wheel lie together, of CUDA 12 each in a folder of its own.
    folders.push_back(beside);
    folders.push_back(beside.parent_path().parent_path() / "cuda_nvrtc" / "lib");
  }
  for (const std::filesystem::path& file : nvrtc_files(folders)) {
    dlopen(file.c_str(), RTLD_NOW | RTLD_GLOBAL);  // without it attention takes another way
  }
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
  void* torch = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  library.torch = torch != nullptr;
  if (library.torch) {
    open_nvrtc(torch);
  } else {
    library.why = dlerror();
  }
  return library;
}

}  // namespace

const CudaLibrary& open_cuda_library() {
  static const CudaLibrary library = open_once();
  return library;
}

std::vector<std::filesystem::path> nvrtc_files(const std::vector<std::filesystem::path>& folders) {
  std::vector<std::filesystem::path> builtins, compilers;
  for (const std::filesystem::path& folder : folders) {
    std::error_code ignored;
    for (const auto& entry : std::filesystem::directory_iterator(folder, ignored)) {
      const std::string name = entry.path().filename().string();
      if (name.find(".so") == std::string::npos || name.find(".alt.") != std::string::npos)
        continue;
      if (name.starts_with("libnvrtc-builtins")) {
        builtins.push_back(entry.path());
      } else if (name.starts_with("libnvrtc.") || name.starts_with("libnvrtc-")) {
        compilers.push_back(entry.path());
      }
    }
  }
  builtins.insert(builtins.end(), compilers.begin(), compilers.end());
  return builtins;
}

}  // namespace ovi
