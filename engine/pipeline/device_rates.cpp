// SPDX-License-Identifier: Apache-2.0
#include "pipeline/device_rates.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/add.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/gelu.h>
#include <ATen/ops/linear.h>
#include <c10/core/InferenceMode.h>

#include <algorithm>
#include <vector>

#include "kernels/float8_rows.h"
#include "nn/attention.h"
#include "nn/convolution.h"
#include "nn/float8_product.h"
#include "runtime/stopwatch.h"

namespace ovi {
namespace {

constexpr double kEnough = 0.35;  // seconds of tries
constexpr size_t kMostTries = 100, kMostCopies = 16;
constexpr size_t kBeyondCaches = size_t{128} << 20;  // bytes

class Probe {
 public:
  Probe(const c10::Device& device, const Cancel* cancel) : device_(device), cancel_(cancel) {}

  /// Normal values: with zeros a GPU would draw less power, and run faster, than it can.
  at::Tensor values(std::vector<int64_t> shape, at::ScalarType dtype) const {
    return at::empty(shape, at::TensorOptions().dtype(dtype).device(device_)).normal_();
  }

  /// `amount` a second, of which one call of `run` does so much; it is given 0, 1, 2 ... The mean:
  /// what other programs take of the machine is in it, as it will be in a clip.
  template <typename Run>
  double rate(double amount, Run run) const {
    run(0);
    synchronize(device_);
    const Stopwatch whole;
    size_t tries = 0;
    do {
      if (cancel_) cancel_->check();
      run(++tries);
      synchronize(device_);
    } while (whole.seconds() < kEnough && tries < kMostTries);
    return amount * static_cast<double>(tries) / std::max(whole.seconds(), 1e-9);
  }

  /// The tensor and as many of its copies as no cache holds: a model never finds its next weights
  /// and activations in one.
  static std::vector<at::Tensor> copies_of(const at::Tensor& tensor) {
    std::vector<at::Tensor> copies{tensor};
    while (copies.size() < kMostCopies && copies.size() * tensor.nbytes() < kBeyondCaches)
      copies.push_back(tensor.clone());
    return copies;
  }

  double convolution(std::vector<int64_t> input, std::vector<int64_t> kernel,
                     at::ScalarType dtype) const {
    const auto layout =
        input.size() == 5 ? at::MemoryFormat::ChannelsLast3d : at::MemoryFormat::ChannelsLast;
    const bool sound = input.size() == 4 && input[2] == 1;
    at::Tensor x = values(input, dtype), weight = values(kernel, dtype);
    if (!sound) {
      x = x.contiguous(layout);
      weight = weight.contiguous(layout);
    }
    std::vector<int64_t> padding, ones(kernel.size() - 2, 1);
    for (size_t i = 2; i < kernel.size(); ++i) padding.push_back(kernel[i] / 2);
    double operations = 2 * static_cast<double>(weight.numel());
    for (size_t i = 2; i < input.size(); ++i) operations *= static_cast<double>(input[i]);
    const std::vector<at::Tensor> inputs = copies_of(x), kernels = copies_of(weight);
    return rate(operations, [&](size_t i) {
      nn::convolve(inputs[i % inputs.size()], kernels[i % kernels.size()], {}, ones, padding, ones);
    });
  }

 private:
  c10::Device device_;
  const Cancel* cancel_;
};

double matmul_rate(const Probe& probe, const c10::Device& device, const Arithmetic& arithmetic,
                   int64_t rows, int64_t dim, int64_t ffn) {
  const double operations = 2.0 * static_cast<double>(rows * dim) * static_cast<double>(ffn);
  const at::Tensor x = probe.values({rows, dim}, arithmetic.dtype);
  const at::Tensor weight = probe.values({ffn, dim}, arithmetic.dtype);
  constexpr int64_t kMultiple = 16;
  if (!arithmetic.float8_matrices || dim % kMultiple != 0 || ffn % kMultiple != 0) {
    const std::vector<at::Tensor> weights = Probe::copies_of(weight);
    return probe.rate(operations, [&](size_t i) { at::linear(x, weights[i % weights.size()]); });
  }
  const kernels::Float8Rows w = kernels::to_float8(weight);
  const nn::Float8Product product = nn::float8_product_of(device);
  return probe.rate(operations, [&](size_t) {
    const kernels::Float8Rows rows8 = kernels::to_float8(x);
    nn::float8_product(product, rows8.values, rows8.factors, w.values, w.factors.view({1, -1}), {});
  });
}

}  // namespace

DeviceRates measure_rates(const c10::Device& device, const Arithmetic& arithmetic,
                          const ProbeShapes& shapes, const Cancel* cancel) {
  const c10::InferenceMode inference;
  const Stopwatch watch;
  const Probe probe(device, cancel);
  const bool cpu = device.is_cpu();
  const auto most = [&](int64_t value, int64_t on_cpu, int64_t on_gpu) {
    return std::clamp<int64_t>(value, 1, cpu ? on_cpu : on_gpu);
  };
  DeviceRates rates;
  rates.matmul = matmul_rate(probe, device, arithmetic, most(shapes.tokens, 512, 16384), shapes.dim,
                             shapes.ffn);
  {
    constexpr int64_t kHead = 128;
    const int64_t heads = std::max<int64_t>(shapes.dim / kHead, 1);
    const int64_t length = most(shapes.tokens, 1024, 16384);
    const at::Tensor q = probe.values({length, heads, kHead}, arithmetic.dtype);
    rates.attention = probe.rate(4.0 * static_cast<double>(length * length * heads * kHead),
                                 [&](size_t) { nn::attention(q, q, q); });
  }
  {
    // An activation, and a sum: what lies between the products, into new memory each time.
    const at::Tensor one =
        probe.values({most(shapes.tokens, 1024, 16384), shapes.ffn}, arithmetic.dtype);
    const std::vector<at::Tensor> all = Probe::copies_of(one);
    rates.bytes = probe.rate(5.0 * static_cast<double>(one.nbytes()), [&](size_t i) {
      const at::Tensor& x = all[i % all.size()];
      at::add(at::gelu(x, "tanh"), x);
    });
  }
  const int64_t side = cpu ? 48 : 256;
  const int64_t c = shapes.frame_channels, p = shapes.picture_channels, s = shapes.sound_channels;
  rates.frame_convolution =
      probe.convolution({1, c, 4, side, side}, {c, c, 3, 3, 3}, shapes.decode);
  rates.picture_convolution = probe.convolution({1, p, side, side}, {p, p, 3, 3}, at::kFloat);
  rates.sound_convolution =
      probe.convolution({1, s, 1, cpu ? 4096 : 65536}, {s, s, 1, 7}, at::kFloat);
  rates.seconds = watch.seconds();
  return rates;
}

}  // namespace ovi
