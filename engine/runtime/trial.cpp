// SPDX-License-Identifier: Apache-2.0
#include "runtime/trial.h"

#include <ATen/TensorOperators.h>
#include <c10/util/Exception.h>

#include <algorithm>
#include <chrono>
#include <exception>

#include "runtime/decimal.h"

namespace ovi {
namespace {

double wall_clock() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

// LibTorch's messages carry a backtrace below their first line.
std::string first_line(const char* what) {
  const std::string text = what;
  return text.substr(0, text.find('\n'));
}

double judge(const std::function<at::Tensor()>& way, const Trial& trial, Verdict& verdict) {
  try {
    return trial.error(way());
  } catch (const c10::OutOfMemoryError&) {
    throw;  // of the moment, and no property of this way
  } catch (const std::exception& thrown) {
    verdict.problem = "fails (" + first_line(thrown.what()) + ")";
    return 0;
  }
}

}  // namespace

Verdict try_out(const std::function<at::Tensor()>& way, const Trial& trial) {
  Verdict verdict;
  verdict.error = judge(way, trial, verdict);
  if (!verdict.problem.empty()) return verdict;
  if (!(verdict.error <= trial.tolerance)) {  // a NaN is no better than a large one
    verdict.problem = "is off by " + significant(verdict.error, 2);
    return verdict;
  }
  const auto now = trial.now ? trial.now : wall_clock;
  for (int run = 0; run < trial.timed_runs; ++run) {
    trial.synchronize();
    const double begin = now();
    way();
    trial.synchronize();
    const double seconds = now() - begin;
    verdict.seconds = run == 0 ? seconds : std::min(verdict.seconds, seconds);
  }
  verdict.good = true;
  return verdict;
}

double relative_error(const at::Tensor& result, const at::Tensor& truth) {
  const at::Tensor wide = truth.to(at::kCPU).to(at::kDouble);
  const at::Tensor off = result.to(at::kCPU).to(at::kDouble) - wide;
  return (off.norm() / wide.norm()).item<double>();
}

}  // namespace ovi
