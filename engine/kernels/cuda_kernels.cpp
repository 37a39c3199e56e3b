// SPDX-License-Identifier: Apache-2.0
#include "kernels/cuda_kernels.h"

#include <c10/core/impl/VirtualGuardImpl.h>
#include <c10/util/Exception.h>
#include <dlfcn.h>

#include <cstdlib>
#include <filesystem>
#include <string_view>

#include "kernels/kernel_check.h"
#include "runtime/error.h"

namespace ovi::kernels {
namespace {

constexpr const char* kLibrary = "libovii2v-cuda.so";

// The folder of the library (or program) that holds the engine.
std::filesystem::path engine_folder() {
  Dl_info info{};
  if (dladdr(reinterpret_cast<void*>(&cuda_kernels), &info) == 0 || !info.dli_fname) return {};
  return std::filesystem::path(info.dli_fname).parent_path();
}

// OVI_FUSED_KERNELS=0: LibTorch's own kernels alone, to compare with them, or should one of
// these bring a GPU down.
bool fused_kernels_wanted() {
  const char* wish = secure_getenv("OVI_FUSED_KERNELS");
  return wish == nullptr || std::string_view(wish) != "0";
}

CudaKernels open_beside_engine() {
  if (!fused_kernels_wanted()) return {};
  const std::filesystem::path beside = engine_folder() / kLibrary;
  std::error_code ignored;
  // In a build tree the run path knows the library's folder.
  return open_cuda_kernels(std::filesystem::exists(beside, ignored) ? beside.string() : kLibrary);
}

}  // namespace

CudaKernels open_cuda_kernels(const std::string& path) {
  CudaKernels kernels;
  void* library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (!library) {
    kernels.why = dlerror();
    return kernels;
  }
  using GetTable = const CudaTable* (*)();
  const auto get_table = reinterpret_cast<GetTable>(dlsym(library, kCudaTableSymbol));
  const CudaTable* table = get_table ? get_table() : nullptr;
  if (table && table->version == kCudaTableVersion && table->bytes == sizeof(CudaTable)) {
    kernels.table = table;
    return kernels;
  }
  kernels.why = table ? path + " is of version " + std::to_string(table->version) +
                            ", the engine needs version " + std::to_string(kCudaTableVersion)
                      : path + " has no function " + kCudaTableSymbol;
  dlclose(library);
  return kernels;
}

const CudaKernels& cuda_kernels() {
  static const CudaKernels kernels = open_beside_engine();
  return kernels;
}

const char* name_of(Kernel kernel) {
  switch (kernel) {
    case Kernel::kChannelNorm:
      return "channel_norm";
    case Kernel::kFloat8Rows:
      return "float8_rows";
    case Kernel::kGatedAdd:
      return "gated_add";
    case Kernel::kLayerNorm:
      return "layer_norm";
    case Kernel::kPackPixels:
      return "pack_pixels";
    case Kernel::kRmsNormRope:
      return "rms_norm_rope";
    case Kernel::kSnake:
      break;
  }
  return "snake";
}

const CudaTable* cuda_table_for(const at::Tensor& x, Kernel kernel) {
  if (x.is_cpu() || !has_kernel_type(x)) return nullptr;
  const CudaKernels& kernels = cuda_kernels();
  if (!kernels.table && !kernels.why.empty()) {
    TORCH_WARN_ONCE("Running without the fused CUDA kernels, which is slower: ", kernels.why,
                    ". Install libovii2v-cuda.so beside the engine (it is built where nvcc is "
                    "found).");
  }
  return kernels.table && is_trusted(kernel, x.device()) ? kernels.table : nullptr;
}

bool has_kernel_type(const at::Tensor& x) {
  return x.scalar_type() == at::kFloat || x.scalar_type() == at::kBFloat16;
}

Element element_of(const at::Tensor& x) {
  return x.scalar_type() == at::kBFloat16 ? Element::kBfloat16 : Element::kFloat;
}

bool rows_aligned(std::initializer_list<at::Tensor> tensors) {
  constexpr uintptr_t kBytes = 16;
  for (const at::Tensor& x : tensors) {
    if (!x.defined()) continue;
    const uintptr_t row = x.size(-1) * x.element_size();
    if (reinterpret_cast<uintptr_t>(x.const_data_ptr()) % kBytes || row % kBytes) return false;
  }
  return true;
}

bool vectors_aligned(const at::Tensor& vectors) {
  return !vectors.defined() ||
         (rows_aligned({vectors}) && vectors.stride(0) * vectors.element_size() % 16 == 0);
}

void* cuda_stream_of(const CudaTable& table, const at::Tensor& x) {
  // The library has a CUDA runtime of its own, with its own idea of the current device.
  check_launch(table, table.use_device(x.device().index()), "select the device");
  const c10::impl::VirtualGuardImpl guard(x.device().type());
  return guard.getStreamNativeHandle(guard.getStream(x.device()));
}

void check_launch(const CudaTable& table, int error, const char* kernel) {
  if (error == 0) return;
  throw Error(ErrorKind::kFailed,
              std::string("A CUDA kernel could not be started (") + table.describe(error) +
                  "). Check the GPU and its driver, or set device=cpu.",
              std::string("kernels: ") + kernel + ", error " + std::to_string(error));
}

}  // namespace ovi::kernels
