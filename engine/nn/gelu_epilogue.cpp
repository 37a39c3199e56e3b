// SPDX-License-Identifier: Apache-2.0
#include "nn/gelu_epilogue.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/_addmm_activation.h>
#include <ATen/ops/eye.h>
#include <ATen/ops/gelu.h>
#include <ATen/ops/linspace.h>
#include <ATen/ops/zeros.h>
#include <c10/util/Exception.h>

#include "runtime/per_device.h"
#include "runtime/trial.h"

namespace ovi::nn {
namespace {

// What is wrong with the product in one pass; empty: it is right.
std::string problem_on(const c10::Device& device) {
  // The identity's product shows the function itself, from -6 to 6.
  constexpr int64_t kSize = 256;
  const auto options = at::TensorOptions().device(device).dtype(at::kBFloat16);
  const at::Tensor x = at::linspace(-6, 6, kSize * kSize, options.dtype(at::kFloat))
                           .view({kSize, kSize})
                           .to(at::kBFloat16);
  const at::Tensor identity = at::eye(kSize, options), bias = at::zeros({kSize}, options);
  const at::Tensor truth = at::gelu(x.to(at::kFloat), "tanh");
  // Half a step of bfloat16, and as much as the hardware's approximation of tanh is off.
  constexpr double kHalfStep = 1.0 / 256, kApproximation = 1.5e-3;
  Trial trial;
  trial.tolerance = kApproximation;
  trial.error = [&](const at::Tensor& y) {
    return ((y.to(at::kFloat) - truth).abs() - truth.abs() * kHalfStep).max().item<double>();
  };
  const Verdict verdict = try_out(
      [&] { return at::_addmm_activation(bias, x, identity, 1, 1, /*use_gelu=*/true); }, trial);
  if (!verdict.good) {
    TORCH_WARN("GELU is computed in a pass of its own on ", device.str(),
               ", because LibTorch's matrix product with it ", verdict.problem, ".");
  }
  return verdict.good ? std::string() : verdict.problem;
}

PerDevice<std::string>& problems() {
  static PerDevice<std::string> found;
  return found;
}

}  // namespace

bool has_gelu_epilogue(const c10::Device& device) {
  if (!device.is_cuda()) return false;
  return problems().get(device, problem_on).empty();
}

const std::string* known_gelu_problem(const c10::Device& device) {
  return problems().known(device);
}

}  // namespace ovi::nn
