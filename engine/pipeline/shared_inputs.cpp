// SPDX-License-Identifier: Apache-2.0
#include "pipeline/shared_inputs.h"

#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/tensor.h>

#include <utility>

namespace ovi {
namespace {

// A step as bits: what of it is done.
constexpr int64_t kBlocks = 1, kNegative = 2, kKeepResiduals = 4, kKeepGuidance = 8;

int64_t bits_of(const StepWork& work) {
  return (work.blocks ? kBlocks : 0) | (work.negative ? kNegative : 0) |
         (work.keep_residuals ? kKeepResiduals : 0) | (work.keep_guidance ? kKeepGuidance : 0);
}

StepWork work_of(int64_t bits) {
  const auto has = [&](int64_t bit) { return (bits & bit) != 0; };
  return {has(kBlocks), has(kNegative), has(kKeepResiduals), has(kKeepGuidance)};
}

}  // namespace

at::Tensor SharedInputs::from_first(at::Tensor own, at::IntArrayRef shape,
                                    at::ScalarType dtype) const {
  at::Tensor shared = made_here()
                          ? own.to(dtype).contiguous()
                          : at::empty(shape, at::TensorOptions().dtype(dtype).device(device_));
  group_->broadcast(shared, 0);
  return shared;
}

std::vector<int64_t> SharedInputs::from_first(std::vector<int64_t> own) const {
  const auto size = static_cast<int64_t>(own.size());
  const at::Tensor shared =
      from_first(at::tensor(own, at::kLong).to(device_), {size}, at::kLong).to(at::kCPU);
  const int64_t* values = shared.const_data_ptr<int64_t>();
  own.assign(values, values + size);
  return own;
}

StepPolicy SharedInputs::policy(StepPolicy own) const {
  if (!group_) return own;
  std::vector<int64_t> bits;
  for (int64_t step = 0; step < own.steps(); ++step) bits.push_back(bits_of(own.at(step)));
  std::vector<StepWork> work;
  for (const int64_t step : from_first(std::move(bits))) work.push_back(work_of(step));
  own.follow(std::move(work));
  return own;
}

std::vector<at::Tensor> SharedInputs::texts(std::vector<at::Tensor> own, int64_t count,
                                            at::ScalarType dtype) const {
  if (!group_) return own;
  std::vector<int64_t> sizes;  // tokens of each, then their width
  for (const at::Tensor& text : own) sizes.push_back(text.size(0));
  if (!own.empty()) sizes.push_back(own[0].size(1));
  sizes.resize(static_cast<size_t>(count + 1));
  sizes = from_first(std::move(sizes));
  const int64_t width = sizes.back();
  sizes.pop_back();
  int64_t tokens = 0;
  for (const int64_t size : sizes) tokens += size;
  const at::Tensor all =
      from_first(made_here() ? at::cat(own, 0) : at::Tensor(), {tokens, width}, dtype);
  return all.split_with_sizes(sizes, 0);
}

at::Tensor SharedInputs::image_latents(at::Tensor own, at::IntArrayRef shape) const {
  return group_ ? from_first(std::move(own), shape, at::kFloat) : own;
}

Latents SharedInputs::noise(Latents own, at::IntArrayRef video, at::IntArrayRef audio) const {
  if (!group_) return own;
  return {from_first(std::move(own.video), video, at::kFloat),
          from_first(std::move(own.audio), audio, at::kFloat)};
}

}  // namespace ovi
