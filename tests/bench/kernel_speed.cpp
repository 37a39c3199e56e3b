// SPDX-License-Identifier: Apache-2.0
#include "kernel_speed.h"

#include <ATen/core/Tensor.h>
#include <c10/core/InferenceMode.h>

#include <algorithm>
#include <cstdio>
#include <string>

#include "kernels/kernel_check.h"
#include "runtime/device.h"
#include "runtime/error.h"
#include "runtime/stopwatch.h"

namespace ovi::bench {
namespace {

double fastest(const std::function<std::vector<at::Tensor>()>& run, const c10::Device& device,
               int runs) {
  double best = 0;
  for (int i = 0; i < runs; ++i) {
    synchronize(device);
    const Stopwatch watch;
    run();
    synchronize(device);
    best = i == 0 ? watch.seconds() : std::min(best, watch.seconds());
  }
  return best;
}

nlohmann::json speed(double seconds, int64_t bytes) {
  return {{"seconds", seconds}, {"gb_per_second", static_cast<double>(bytes) / 1e9 / seconds}};
}

}  // namespace

nlohmann::json measure_kernels(const c10::Device& device, const kernels::CaseSize& size, int runs) {
  const c10::InferenceMode inference;
  if (device.is_cuda() && !kernels::cuda_kernels().table) {
    const std::string& why = kernels::cuda_kernels().why;
    throw Error(ErrorKind::kFailed,
                why.empty() ? "The fused kernels are turned off. Do not set OVI_FUSED_KERNELS=0."
                            : "The fused kernels are not there. Build where nvcc is found.",
                why);
  }
  nlohmann::json rows = nlohmann::json::array();
  for (const at::ScalarType dtype : {at::kBFloat16, at::kFloat}) {
    for (const kernels::KernelCase& one : kernels::kernel_cases(device, dtype, size)) {
      // An operation whose kernel is not trusted computes what the twin does.
      const bool trusted = device.is_cpu() || kernels::is_trusted(one.kernel, device);
      const double difference = kernels::largest_difference(one.fused(), one.twin());
      rows.push_back({{"kernel", kernels::name_of(one.kernel)},
                      {"name", one.name},
                      {"dtype", precision_name(dtype)},
                      {"runs_on", device.is_cpu() ? "host" : "gpu"},
                      {"bytes", one.bytes},
                      {"fused", speed(fastest(one.fused, device, runs), one.bytes)},
                      {"twin", speed(fastest(one.twin, device, runs), one.bytes)},
                      {"difference", difference},
                      {"allowed", one.tolerance},
                      {"right", trusted && difference <= one.tolerance}});
    }
  }
  return rows;
}

void print_kernels(const nlohmann::json& measured) {
  std::printf("%-32s %-5s %10s %8s %10s %8s %8s\n", "kernel", "", "ms", "GB/s", "twin, ms", "GB/s",
              "differ");
  for (const nlohmann::json& row : measured) {
    const auto number = [&](const char* which, const char* what) {
      return row[which][what].get<double>();
    };
    std::printf("%-32s %-5s %10.3f %8.1f %10.3f %8.1f %8.1g%s\n",
                row["name"].get<std::string>().c_str(), row["dtype"].get<std::string>().c_str(),
                number("fused", "seconds") * 1e3, number("fused", "gb_per_second"),
                number("twin", "seconds") * 1e3, number("twin", "gb_per_second"),
                row["difference"].get<double>(), row["right"].get<bool>() ? "" : "  WRONG");
  }
  if (!measured.empty() && measured[0]["runs_on"] == "host") {
    std::printf("No GPU: the kernels' bodies on the host, in one thread, beside their twins.\n");
  }
}

bool all_right(const nlohmann::json& measured) {
  return std::all_of(measured.begin(), measured.end(),
                     [](const nlohmann::json& row) { return row["right"].get<bool>(); });
}

}  // namespace ovi::bench
