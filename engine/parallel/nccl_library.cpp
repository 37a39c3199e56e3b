// libovii2v-nccl, opened when GPUs are to talk to each other.
// SPDX-License-Identifier: Apache-2.0
#include <dlfcn.h>

#include <filesystem>
#include <string>

#include "parallel/backend.h"
#include "parallel/nccl_door.h"
#include "runtime/cuda_library.h"
#include "runtime/error.h"

namespace ovi::parallel {
namespace {

constexpr const char* kLibrary = "libovii2v-nccl.so";

struct NcclLibrary {
  MakeNccl make = nullptr;
  std::string why;
};

std::filesystem::path engine_folder() {
  Dl_info info{};
  if (dladdr(reinterpret_cast<void*>(&nccl_backend), &info) == 0 || !info.dli_fname) return {};
  return std::filesystem::path(info.dli_fname).parent_path();
}

NcclLibrary open_once() {
  open_cuda_library();  // what it needs of LibTorch, from where LibTorch lies
  NcclLibrary nccl;
  const std::filesystem::path beside = engine_folder() / kLibrary;
  std::error_code ignored;
  // In a build tree the run path knows the library's folder.
  const std::string path = std::filesystem::exists(beside, ignored) ? beside.string() : kLibrary;
  void* library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library) nccl.make = reinterpret_cast<MakeNccl>(dlsym(library, kMakeNcclSymbol));
  if (!nccl.make) nccl.why = dlerror();
  return nccl;
}

}  // namespace

BackendPtr nccl_backend(const StorePtr& store, int64_t rank, int64_t size,
                        const c10::Device& device) {
  static const NcclLibrary nccl = open_once();
  if (!nccl.make) {
    throw Error(ErrorKind::kLibraryInit,
                "Several GPUs need libovii2v-nccl.so beside the engine, which cannot be opened: it "
                "is built where LibTorch has CUDA and nccl.h is found. Install it, or set one "
                "device.",
                nccl.why);
  }
  return BackendPtr::reclaim(nccl.make(store, static_cast<int>(rank), static_cast<int>(size),
                                       static_cast<int>(device.index())));
}

}  // namespace ovi::parallel
