// SPDX-License-Identifier: Apache-2.0
#include "kernels/kernel_cases.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/ones_like.h>
#include <ATen/ops/polar.h>
#include <ATen/ops/rand.h>
#include <ATen/ops/randn.h>

#include <algorithm>
#include <cmath>

#include "kernels/channel_norm.h"
#include "kernels/float8_rows.h"
#include "kernels/gated_add.h"
#include "kernels/layer_norm.h"
#include "kernels/pack_pixels.h"
#include "kernels/rms_norm_rope.h"
#include "kernels/snake.h"
#include "runtime/device.h"

namespace ovi::kernels {
namespace {

constexpr int64_t kWidth = 3072, kInnerWidth = 14336, kHeads = 24;
constexpr int64_t kVaeChannels = 256, kSoundChannels = 96;
constexpr int64_t kFrames = 4;  // of a latent
constexpr double kEps = 1e-6;

using Tensors = std::vector<at::Tensor>;

Tensors list(const Float8Rows& rows) { return {rows.values, rows.factors}; }
Tensors list(const TurnedAndPlain& both) { return {both.turned, both.plain}; }

class Cases {
 public:
  Cases(const c10::Device& device, at::ScalarType dtype, const CaseSize& size)
      : device_(device), dtype_(dtype), size_(size), random_(make_generator(device, 0)) {}

  std::vector<KernelCase> all() {
    layer_norms();
    products();
    heads();
    convolutional();
    sound();
    return std::move(cases_);
  }

 private:
  at::Tensor draw(at::IntArrayRef shape) { return draw_float(shape).to(dtype_); }
  at::Tensor draw_float(at::IntArrayRef shape) {
    return at::randn(shape, random_, at::TensorOptions().device(device_));
  }
  static int64_t bytes_of(std::initializer_list<at::Tensor> tensors) {
    int64_t bytes = 0;
    for (const at::Tensor& t : tensors) bytes += static_cast<int64_t>(t.nbytes());
    return bytes;
  }
  // Of values rounded once, by both, from sums in another order; of 8 bits a step apart.
  double rounding() const { return dtype_ == at::kBFloat16 ? 1.0 / 64 : 1e-4; }
  static constexpr double kFloat8Step = 1.0 / 7;

  // `fused` on a GPU, `host` on a CPU.
  template <typename Fused, typename Host, typename Twin>
  void add(Kernel kernel, const char* name, int64_t bytes, double tolerance, Fused fused, Host host,
           Twin twin) {
    KernelCase made{kernel, name, bytes, {}, twin, tolerance};
    if (device_.is_cpu())
      made.fused = host;
    else
      made.fused = fused;
    cases_.push_back(std::move(made));
  }

  void layer_norms() {
    const at::Tensor x = draw({size_.tokens, kWidth}), y = draw({size_.tokens, kWidth});
    const at::Tensor time = draw({2, 6, kWidth});  // vectors lie strided, as in a model
    const TimeRows rows{size_.tokens / 31};
    const RowScale scale = modulated(time.select(1, 0), time.select(1, 1), rows);
    const at::Tensor gate = time.select(1, 2);
    const int64_t token_bytes = bytes_of({x});
    add(
        Kernel::kLayerNorm, "layer_norm, modulated", 2 * token_bytes, rounding(),
        [=] { return Tensors{layer_norm(x, scale, kEps)}; },
        [=] { return Tensors{host::layer_norm(x, scale, kEps)}; },
        [=] { return Tensors{twin::layer_norm(x, scale, kEps)}; });
    add(
        Kernel::kLayerNorm, "layer_norm to 8 bits", token_bytes + x.numel(), kFloat8Step,
        [=] { return list(layer_norm_float8(x, scale, kEps)); },
        [=] { return list(host::layer_norm_float8(x, scale, kEps)); },
        [=] { return list(twin::layer_norm_float8(x, scale, kEps)); });
    const auto summed = [&](auto norm) {
      return [=, sum = x.clone()] { return Tensors{norm(sum), sum}; };
    };
    add(Kernel::kLayerNorm, "x += y * gate, layer_norm", 4 * token_bytes, rounding(),
        summed([=](at::Tensor s) { return add_gated_layer_norm_(s, y, gate, scale, kEps); }),
        summed([=](at::Tensor s) { return host::add_gated_layer_norm_(s, y, gate, scale, kEps); }),
        summed([=](at::Tensor s) { return twin::add_gated_layer_norm_(s, y, gate, scale, kEps); }));
    const RowScale one = affine(time[0][3], time[0][4]), other = affine(time[1][3], time[1][4]);
    const auto both = [&](auto norms) {
      return [=, sum = x.clone()] {
        const Both<at::Tensor> made = norms(sum, one, other);
        return Tensors{made.first, made.second, sum};
      };
    };
    add(Kernel::kLayerNorm, "x += y * gate, two layer_norms", 5 * token_bytes, rounding(),
        both([=](at::Tensor s, const RowScale& a, const RowScale& b) {
          return add_gated_layer_norms_(s, y, gate, rows, a, b, kEps);
        }),
        both([=](at::Tensor s, const RowScale& a, const RowScale& b) {
          return host::add_gated_layer_norms_(s, y, gate, rows, a, b, kEps);
        }),
        both([=](at::Tensor s, const RowScale& a, const RowScale& b) {
          return twin::add_gated_layer_norms_(s, y, gate, rows, a, b, kEps);
        }));
    const auto added = [&](auto add_to) {
      return [=, sum = x.clone()] {
        add_to(sum);
        return Tensors{sum};
      };
    };
    add(Kernel::kGatedAdd, "x += y * gate", 3 * token_bytes, rounding(),
        added([=](at::Tensor s) { add_gated_(s, y, gate, rows); }),
        added([=](at::Tensor s) { host::add_gated_(s, y, gate, rows); }),
        added([=](at::Tensor s) { twin::add_gated_(s, y, gate, rows); }));
  }

  void products() {
    const at::Tensor x = draw({size_.tokens, kWidth}),
                     inner = draw({size_.tokens, dtype_ == at::kBFloat16 ? kInnerWidth : kWidth});
    add(
        Kernel::kFloat8Rows, "rows to 8 bits", bytes_of({x}) + x.numel(), kFloat8Step,
        [=] { return list(to_float8(x)); }, [=] { return list(host::to_float8(x)); },
        [=] { return list(twin::to_float8(x)); });
    add(
        Kernel::kFloat8Rows, "gelu to 8 bits", bytes_of({inner}) + inner.numel(), kFloat8Step,
        [=] { return list(gelu_to_float8(inner)); },
        [=] { return list(host::gelu_to_float8(inner)); },
        [=] { return list(twin::gelu_to_float8(inner)); });
  }

  void heads() {
    const at::Tensor x = draw({size_.tokens, kWidth}), weight = draw({kWidth});
    const at::Tensor angle = at::rand({size_.tokens, 1, kWidth / kHeads / 2}, random_,
                                      at::TensorOptions().device(device_));
    const at::Tensor turn = at::polar(at::ones_like(angle), angle * 6.28f);
    add(
        Kernel::kRmsNormRope, "rms_norm, rope", 2 * bytes_of({x}) + bytes_of({turn}), rounding(),
        [=] { return Tensors{rms_norm_rope(x, weight, kEps, kHeads, turn)}; },
        [=] { return Tensors{host::rms_norm_rope(x, weight, kEps, kHeads, turn, false).turned}; },
        [=] { return Tensors{twin::rms_norm_rope(x, weight, kEps, kHeads, turn)}; });
    add(
        Kernel::kRmsNormRope, "rms_norm, with and without rope",
        3 * bytes_of({x}) + bytes_of({turn}), rounding(),
        [=] { return list(rms_norm_with_and_without_rope(x, weight, kEps, kHeads, turn)); },
        [=] { return list(host::rms_norm_rope(x, weight, kEps, kHeads, turn, true)); },
        [=] { return list(twin::rms_norm_with_and_without_rope(x, weight, kEps, kHeads, turn)); });
  }

  void convolutional() {
    const at::Tensor x = draw({kFrames, size_.pixels / 2, size_.pixels / 2, kVaeChannels});
    const at::Tensor gain = draw({kVaeChannels}).to(at::kFloat), out = at::empty_like(x);
    const at::Tensor twin_out = at::empty_like(x);
    // The twin rounds bfloat16 after every operation.
    add(
        Kernel::kChannelNorm, "channel norm, silu", 2 * bytes_of({x}),
        dtype_ == at::kBFloat16 ? 1.0 / 16 : rounding(),
        [=] {
          channel_norm_silu(x, gain, out);
          return Tensors{out};
        },
        [=] {
          host::channel_norm_silu(x, gain, out);
          return Tensors{out};
        },
        [=] {
          twin::channel_norm_silu(x, gain, twin_out);
          return Tensors{twin_out};
        });
    const at::Tensor video = draw({3, kFrames, size_.pixels, size_.pixels}) * 0.5;
    constexpr double kOneInAMeanOf100 = 1.0 / 16;
    for (const auto& [pixels, name] :
         {std::pair{Pixels::kRgb, "pixels to RGB"}, std::pair{Pixels::kI420, "pixels to I420"},
          std::pair{Pixels::kNv12, "pixels to NV12"}}) {
      const Pixels to = pixels;
      add(
          Kernel::kPackPixels, name, bytes_of({video, twin::pack_pixels(video, to)}),
          kOneInAMeanOf100, [=] { return Tensors{pack_pixels(video, to)}; },
          [=] { return Tensors{host::pack_pixels(video, to)}; },
          [=] { return Tensors{twin::pack_pixels(video, to)}; });
    }
  }

  void sound() {
    const at::Tensor sound = draw({1, kSoundChannels, size_.samples});
    const at::Tensor alpha = draw_float({kSoundChannels, 1}).abs() + 0.1f,
                     beta = draw_float({kSoundChannels, 1}).abs() + 0.1f;
    std::array<double, 12> taps{};
    for (int i = 0; i < 12; ++i) taps[i] = std::exp(-std::abs(i - 5.5)) * 0.4;
    add(
        Kernel::kSnake, "snake between resamplers", 2 * bytes_of({sound}), rounding() * 4,
        [=] { return Tensors{anti_aliased_snake(sound, alpha, beta, taps)}; },
        [=] { return Tensors{host::anti_aliased_snake(sound, alpha, beta, taps)}; },
        [=] { return Tensors{twin::anti_aliased_snake(sound, alpha, beta, taps)}; });
  }

  c10::Device device_;
  at::ScalarType dtype_;
  CaseSize size_;
  at::Generator random_;
  std::vector<KernelCase> cases_;
};

}  // namespace

std::vector<KernelCase> kernel_cases(const c10::Device& device, at::ScalarType dtype,
                                     const CaseSize& size) {
  return Cases(device, dtype, size).all();
}

double largest_difference(const std::vector<at::Tensor>& got,
                          const std::vector<at::Tensor>& expected) {
  double largest = 0;
  for (size_t i = 0; i < expected.size(); ++i) {
    const at::Tensor truth = expected[i].to(at::kFloat);
    const at::Tensor off = (got.at(i).to(at::kFloat) - truth).abs();
    const at::Tensor size = truth.abs();
    const double worst = (off / (size + size.mean() + 1e-30)).max().item<double>();
    if (!(worst <= largest)) largest = worst;  // also a NaN
    if (std::isnan(largest)) return largest;
  }
  return largest;
}

}  // namespace ovi::kernels
