// SPDX-License-Identifier: Apache-2.0
#include "kernels/kernel_check.h"

#include <c10/core/InferenceMode.h>
#include <c10/util/Exception.h>

#include "runtime/device.h"
#include "runtime/error.h"
#include "runtime/per_device.h"
#include "runtime/trial.h"

namespace ovi::kernels {
namespace {

// Set on the thread that is trying the kernels, which must run meanwhile.
thread_local bool trying = false;

std::map<Kernel, std::string> try_all(const c10::Device& device) {
  const c10::InferenceMode inference;
  struct Trying {
    Trying() { trying = true; }
    ~Trying() { trying = false; }
  };
  std::map<Kernel, std::string> faults;
  synchronize(device);  // what fails now is not the kernels' doing
  try {
    const Trying now;
    for (const at::ScalarType dtype : {at::kBFloat16, at::kFloat})
      faults.merge(faults_of(kernel_cases(device, dtype, kSmallCase)));
    synchronize(device);
  } catch (const c10::OutOfMemoryError&) {
    throw;
  } catch (const c10::Error& error) {
    // After an invalid access no more of this process runs on the GPU.
    throw Error(ErrorKind::kFailed,
                "A fused kernel has brought " + device.str() +
                    " down. Set OVI_FUSED_KERNELS=0 and start again: LibTorch's own kernels "
                    "compute the same, slower.",
                error.what_without_backtrace());
  }
  for (const auto& [kernel, problem] : faults) {
    TORCH_WARN("The fused kernel ", name_of(kernel), " ", problem, " on ", device.str(),
               " and is not used; LibTorch's own kernels are, which is slower.");
  }
  return faults;
}

PerDevice<std::map<Kernel, std::string>>& all_faults() {
  static PerDevice<std::map<Kernel, std::string>> found;
  return found;
}

}  // namespace

std::map<Kernel, std::string> faults_of(const std::vector<KernelCase>& cases) {
  std::map<Kernel, std::string> faults;
  for (const KernelCase& one : cases) {
    const std::vector<at::Tensor> expected = one.twin();
    std::vector<at::Tensor> got;
    Trial trial;
    trial.tolerance = one.tolerance;
    trial.error = [&](const at::Tensor&) { return largest_difference(got, expected); };
    const Verdict verdict = try_out(
        [&] {
          got = one.fused();
          return got.at(0);
        },
        trial);
    if (!verdict.good) faults.emplace(one.kernel, verdict.problem + " in \"" + one.name + "\"");
  }
  return faults;
}

bool is_trusted(Kernel kernel, const c10::Device& device) {
  if (trying) return true;
  return !all_faults().get(device, try_all).contains(kernel);
}

std::map<std::string, std::string> kernel_states(const CudaKernels& kernels,
                                                 const std::map<Kernel, std::string>* faults) {
  std::map<std::string, std::string> states;
  for (const Kernel kernel : kAllKernels) {
    std::string& state = states[name_of(kernel)];
    if (!kernels.table) {
      state = kernels.why.empty() ? "turned off by OVI_FUSED_KERNELS=0" : kernels.why;
    } else if (!faults) {
      state = "not tried";
    } else if (const auto fault = faults->find(kernel); fault != faults->end()) {
      state = fault->second;
    } else {
      state = "used";
    }
  }
  return states;
}

std::map<std::string, std::string> known_kernel_states(const c10::Device& device) {
  return kernel_states(cuda_kernels(), all_faults().known(device));
}

void try_fused_kernels(const c10::Device& device) {
  if (!device.is_cpu() && cuda_kernels().table) is_trusted(Kernel::kLayerNorm, device);
}

}  // namespace ovi::kernels
