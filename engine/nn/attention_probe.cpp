// Trying the attention kernels of a GPU.
// SPDX-License-Identifier: Apache-2.0
#include <ATen/TensorOperators.h>
#include <ATen/detail/CUDAHooksInterface.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/softmax.h>
#include <c10/core/CachingDeviceAllocator.h>
#include <c10/util/Exception.h>

#include <cmath>
#include <cstdlib>

#include "nn/attention.h"
#include "nn/attention_choice.h"
#include "runtime/device.h"
#include "runtime/per_device.h"

namespace ovi::nn {
namespace {

// Half of a 720x720 clip's tokens, and like these no multiple of a tile.
constexpr int64_t kTokens = 7502, kHeads = 24, kHeadDim = 128;
constexpr int64_t kCheckedTokens = 32;  // at each end of the queries
constexpr int kTimedRuns = 3;
constexpr double kTolerance = 0.02;  // bfloat16 keeps 0.004 of the weights and of the result

at::Tensor both_ends(const at::Tensor& x) {
  return at::cat(
      {x.narrow(0, 0, kCheckedTokens), x.narrow(0, x.size(0) - kCheckedTokens, kCheckedTokens)});
}

// softmax(q k^T / sqrt(d)) v in float32, from the definition.
at::Tensor truth_of(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v) {
  const auto heads_first = [](const at::Tensor& x) { return x.to(at::kFloat).transpose(0, 1); };
  const at::Tensor scores =
      at::matmul(heads_first(q), heads_first(k).transpose(1, 2)) / std::sqrt(double{kHeadDim});
  return at::matmul(at::softmax(scores, -1), heads_first(v)).transpose(0, 1).flatten(1);
}

AttentionChoice choose_for(const c10::Device& device) {
  const char* wish = secure_getenv("OVI_ATTENTION");
  AttentionFacts facts;
  facts.wish = wish ? wish : "";
  const at::CUDAHooksInterface& cuda = at::detail::getCUDAHooks();
  if (cuda.hasCuDNN()) facts.cudnn_version = cuda.versionRuntimeCuDNN();

  AttentionChoice choice = [&] {
    const at::Generator random = make_generator(device, 0);
    const auto draw = [&] {
      return at::randn({kTokens, kHeads, kHeadDim}, random,
                       at::TensorOptions().device(device).dtype(at::kBFloat16));
    };
    const at::Tensor q = draw() * 4, k = draw(), v = draw();  // * 4: some keys matter more
    const at::Tensor truth = truth_of(both_ends(q), k, v);
    Trial trial;
    trial.tolerance = kTolerance;
    trial.timed_runs = kTimedRuns;
    trial.error = [&](const at::Tensor& out) { return relative_error(both_ends(out), truth); };
    trial.synchronize = [&] { synchronize(device); };
    return choose_attention(facts, [&](AttentionKernel kernel) {
      return try_out([&] { return attention_by(kernel, q, k, v); }, trial);
    });
  }();
  at::getDeviceAllocator(device.type())->emptyCache();
  if (!choice.warning.empty()) TORCH_WARN(choice.warning);
  return choice;
}

PerDevice<AttentionChoice>& choices() {
  static PerDevice<AttentionChoice> made;
  return made;
}

}  // namespace

AttentionKernel attention_kernel_of(const c10::Device& device) {
  if (!device.is_cuda()) return AttentionKernel::kGeneral;
  return choices().get(device, choose_for).kernel;
}

const AttentionChoice* known_attention_choice(const c10::Device& device) {
  return choices().known(device);
}

}  // namespace ovi::nn
