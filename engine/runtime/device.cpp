// SPDX-License-Identifier: Apache-2.0
#include "runtime/device.h"

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/Context.h>
#include <ATen/EmptyTensor.h>
#include <ATen/core/CachingHostAllocator.h>
#include <ATen/detail/CUDAHooksInterface.h>
#include <c10/core/CachingDeviceAllocator.h>
#include <c10/core/impl/VirtualGuardImpl.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <new>
#include <string_view>

#include "runtime/cuda_library.h"
#include "runtime/error.h"

namespace ovi {
namespace {

// The first GPUs with 8-bit floats: Ada, compute capability 8.9.
constexpr int kFloat8Capability = 89;

int64_t cuda_devices() { return at::detail::getCUDAHooks().deviceCount(); }

c10::Device used_cuda_device(int64_t index) {
  [[maybe_unused]] static const bool done = (set_up_cuda(), true);
  return c10::Device(c10::kCUDA, static_cast<c10::DeviceIndex>(index));
}

[[noreturn]] void no_such_device(const std::string& name, const std::string& why,
                                 const std::string& without) {
  throw Error(ErrorKind::kNotFound,
              "No device \"" + name + "\": " + why + " Set " + without + " to run without a GPU.");
}

constexpr const char* kNoCudaLibrary =
    "LibTorch's CUDA library cannot be opened. Run examples/setup.sh, or install a CUDA build of "
    "LibTorch with all its nvidia packages";

c10::Device cuda_device(const std::string& name, int64_t index, const std::string& without) {
  const CudaLibrary& library = open_cuda_library();
  if (!library.driver) no_such_device(name, "no NVIDIA driver is installed.", without);
  if (!library.torch) {
    throw Error(ErrorKind::kLibraryInit, std::string(kNoCudaLibrary) + ", or set " + without + ".",
                library.why);
  }
  const int64_t count = cuda_devices();
  if (index >= count) {
    const std::string why = count == 0 ? unusable_gpus() : "";
    no_such_device(
        name, why.empty() ? "this machine has " + std::to_string(count) + " CUDA device(s)." : why,
        without);
  }
  return used_cuda_device(index);
}

std::string cuda_version(int version) {
  return std::to_string(version / 1000) + "." + std::to_string(version % 1000 / 10);
}

// LibTorch starts a device with its first operation; before that its allocator knows no
// device and refuses every question.
c10::DeviceAllocator* allocator_of(const c10::Device& device) {
  at::globalContext().lazyInitDevice(device.type());
  return at::getDeviceAllocator(device.type());
}

}  // namespace

c10::Device find_device(const std::string& name, const std::string& without) {
  if (name == "cpu") return c10::kCPU;
  if (name.empty() || name == "auto") {
    const CudaLibrary& library = open_cuda_library();
    return library.torch && cuda_devices() > 0 ? used_cuda_device(0) : c10::Device(c10::kCPU);
  }
  if (name == "cuda") return cuda_device(name, 0, without);
  const std::string prefix = "cuda:";
  if (name.starts_with(prefix)) {
    int64_t index = -1;
    const char *begin = name.data() + prefix.size(), *end = name.data() + name.size();
    const auto [stop, error] = std::from_chars(begin, end, index);
    if (error == std::errc() && stop == end && index >= 0 && index < 128) {
      return cuda_device(name, index, without);
    }
  }
  throw Error(ErrorKind::kSettings,
              "Unknown device \"" + name + "\"; use auto, cpu, cuda or cuda:N with N from 0.");
}

std::string unusable_gpus() {
  const CudaLibrary& library = open_cuda_library();
  if (!library.driver) return "";
  const CudaDriver driver = ask_cuda_driver();
  if (driver.devices == 0) return "";
  if (!library.torch) return std::string(kNoCudaLibrary) + " (" + library.why + ").";
  if (cuda_devices() > 0) return "";
  return why_unusable(driver, static_cast<int>(at::detail::getCUDAHooks().versionCUDART()));
}

std::string why_unusable(const CudaDriver& driver, int needed) {
  if (driver.version < needed) {
    return "the NVIDIA driver knows CUDA " + cuda_version(driver.version) +
           ", and this LibTorch needs " + cuda_version(needed) +
           ". Update the driver, or build with a LibTorch for an older CUDA.";
  }
  return "LibTorch cannot use the " + std::to_string(driver.devices) +
         " GPU(s) that the NVIDIA driver has. See what nvidia-smi says.";
}

Arithmetic arithmetic_of(Precision precision, const c10::Device& device) {
  switch (precision) {
    case Precision::kFp32:
      return at::kFloat;
    case Precision::kBf16:
      return at::kBFloat16;
    case Precision::kFp8:
      if (device.is_cuda()) check_float8(compute_capability(device.index()), device.str());
      return {at::kBFloat16, /*float8=*/true};
    case Precision::kAuto:
      break;
  }
  return device.is_cpu() ? at::kFloat : at::kBFloat16;
}

void check_float8(int capability, const std::string& device) {
  if (capability == 0 || capability >= kFloat8Capability) return;
  throw Error(ErrorKind::kSettings,
              "precision=fp8 needs a GPU with 8-bit floats (compute capability 8.9 or later: Ada, "
              "Hopper, Blackwell), and " +
                  device + " has " + std::to_string(capability / 10) + "." +
                  std::to_string(capability % 10) + ". Set precision=bf16.");
}

std::string precision_name(const Arithmetic& arithmetic) {
  if (arithmetic.float8_matrices) return "fp8";
  return arithmetic.dtype == at::kBFloat16 ? "bf16" : "fp32";
}

void set_up_cuda() {
  // The older of LibTorch's two ways to say it sets the newer one's flags, too; the newer
  // one leaves the older one's, and LibTorch throws where they differ.
  at::globalContext().setAllowTF32CuDNN(false);
  at::globalContext().setAllowTF32CuBLAS(false);
  const char* benchmark = secure_getenv("OVI_CUDNN_BENCHMARK");
  at::globalContext().setBenchmarkCuDNN(benchmark && std::string_view(benchmark) == "1");
}

at::Generator make_generator(const c10::Device& device, uint64_t seed) {
  at::Generator generator = device.is_cpu() ? at::detail::createCPUGenerator()
                                            : at::globalContext()
                                                  .getAcceleratorHooksInterface(device.type())
                                                  .getNewGenerator(device.index());
  generator.set_current_seed(seed);
  return generator;
}

void synchronize(const c10::Device& device) {
  if (!device.is_cpu())
    c10::impl::VirtualGuardImpl(device.type()).synchronizeDevice(device.index());
}

uint64_t peak_device_bytes(const c10::Device& device) {
  if (device.is_cpu()) return 0;
  const auto stats = allocator_of(device)->getDeviceStats(device.index());
  return stats.allocated_bytes[0].peak;
}

void reset_peak_memory(const c10::Device& device) {
  if (!device.is_cpu()) allocator_of(device)->resetPeakStats(device.index());
}

DeviceMemory device_memory(const c10::Device& device) {
  auto* allocator = allocator_of(device);
  const auto [free, total] = allocator->getMemoryInfo(device.index());
  const auto stats = allocator->getDeviceStats(device.index());
  const int64_t unused = stats.reserved_bytes[0].current - stats.allocated_bytes[0].current;
  return {static_cast<int64_t>(free) + std::max<int64_t>(unused, 0), static_cast<int64_t>(total)};
}

void release_unused_memory(const c10::Device& device) {
  if (!device.is_cpu()) allocator_of(device)->emptyCache();
}

void release_unused_pinned_memory(const c10::Device& device) {
  if (!device.is_cpu()) at::getHostAllocator(device.type())->empty_cache();
}

at::Tensor pinned_bytes(int64_t bytes, const c10::Device& device) {
  try {
    at::Allocator* allocator = at::globalContext().getPinnedMemoryAllocator(device.type());
    return at::detail::empty_generic({bytes}, allocator, c10::DispatchKeySet(c10::DispatchKey::CPU),
                                     at::kByte, std::nullopt);
  } catch (const c10::Error&) {
    return {};
  } catch (const std::bad_alloc&) {
    return {};
  }
}

}  // namespace ovi
