// Trying a way to compute something on a device before it is relied on: is it right, and
// how long does it take?
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/core/Tensor.h>

#include <functional>
#include <string>

namespace ovi {

struct Verdict {
  bool good = false;
  double error = 0;     // as Trial::error says; meaningless when it threw
  double seconds = 0;   // the fastest run, when asked for and good
  std::string problem;  // why it is not good: a sentence's part, such as "is 0.3 off"
};

/// How candidates are judged.
struct Trial {
  /// Distance of a result from the truth; must stay within `tolerance`.
  std::function<double(const at::Tensor& result)> error;
  double tolerance = 0;
  int timed_runs = 0;  // after the first, which is judged
  /// Waits for the device, between timed runs.
  std::function<void()> synchronize;
  /// Seconds on any clock; empty: the wall's.
  std::function<double()> now;
};

/// Runs `way` as `trial` says. A way that throws, or whose result is not a number, is not
/// good. Throws what `trial` itself does, and c10::OutOfMemoryError, which says nothing
/// about the way.
Verdict try_out(const std::function<at::Tensor()>& way, const Trial& trial);

/// |result - truth| / |truth|, Euclidean, in float64 on the host.
double relative_error(const at::Tensor& result, const at::Tensor& truth);

}  // namespace ovi
