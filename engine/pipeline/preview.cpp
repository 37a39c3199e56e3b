// SPDX-License-Identifier: Apache-2.0
#include "pipeline/preview.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/addmm.h>
#include <ATen/ops/avg_pool2d.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/eye.h>
#include <ATen/ops/linalg_solve_ex.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <array>
#include <tuple>

namespace ovi {
namespace {

constexpr int64_t kOutputs = 3 * kPreviewPixels * kPreviewPixels;
// Of the latents' mean variance. Small beside what a latent says of its pixels, large beside
// directions in which the pictures hardly differ.
constexpr double kRidge = 1e-3;

constexpr int64_t kTestPictures = 4, kTestSide = 128;  // pixels
constexpr int64_t kPatchSide = 16;

// A value in 0..1 that depends on all of its arguments: the same pictures everywhere.
double chance(uint32_t picture, uint32_t row, uint32_t column, uint32_t colour) {
  uint32_t x =
      picture * 0x9E3779B1u ^ row * 0x85EBCA77u ^ column * 0xC2B2AE3Du ^ colour * 0x27D4EB2Fu;
  x = (x ^ (x >> 15)) * 0x2C1B3C6Du;
  x = (x ^ (x >> 12)) * 0x297A2D39u;
  return static_cast<double>(x ^ (x >> 15)) / 4294967295.0;
}

// Squares of any colour; the odd pictures go from one colour to the next without edges, as most
// of a photograph does.
float test_pixel(int64_t picture, int64_t colour, int64_t row, int64_t column) {
  const auto corner = [&](int64_t i, int64_t k) {
    return chance(static_cast<uint32_t>(picture), static_cast<uint32_t>(i),
                  static_cast<uint32_t>(k), static_cast<uint32_t>(colour));
  };
  const int64_t side = picture < kTestPictures / 2 ? kPatchSide : 2 * kPatchSide;
  const int64_t i = row / side, k = column / side;
  if (picture % 2 == 0) return static_cast<float>(2 * corner(i, k) - 1);
  const double y = static_cast<double>(row % side) / static_cast<double>(side),
               x = static_cast<double>(column % side) / static_cast<double>(side);
  const double above = corner(i, k) * (1 - x) + corner(i, k + 1) * x,
               below = corner(i + 1, k) * (1 - x) + corner(i + 1, k + 1) * x;
  return static_cast<float>(2 * (above * (1 - y) + below * y) - 1);
}

at::Tensor test_picture(int64_t picture) {
  at::Tensor image = at::empty({1, 3, kTestSide, kTestSide}, at::TensorOptions().dtype(at::kFloat));
  float* to = image.mutable_data_ptr<float>();
  for (int64_t colour = 0; colour < 3; ++colour) {
    for (int64_t row = 0; row < kTestSide; ++row) {
      for (int64_t column = 0; column < kTestSide; ++column) {
        *to++ = test_pixel(picture, colour, row, column);
      }
    }
  }
  return image;
}

}  // namespace

int64_t preview_frame(int64_t latent) {
  return std::max<int64_t>(video_vae::kTemporalFactor * latent - 2, 0);
}

PreviewMap::PreviewMap(const at::Tensor& weight, const at::Tensor& bias, const c10::Device& device)
    : weight_(weight.t().to(at::kFloat).contiguous().to(device)),
      bias_(bias.unsqueeze(1).to(at::kFloat).to(device)) {}

at::Tensor PreviewMap::operator()(const at::Tensor& latents) const {
  constexpr int64_t k = kPreviewPixels;
  const int64_t rows = latents.size(1), columns = latents.size(2);
  at::Tensor pixels = at::addmm(bias_, weight_, latents.reshape({latents.size(0), -1}));
  pixels = pixels.nan_to_num(0.0).clamp_(-1, 1).add_(1).mul_(127.5).round_().to(at::kByte);
  return pixels.view({3, k, k, rows, columns})
      .permute({3, 1, 4, 2, 0})
      .reshape({k * rows, k * columns, 3});
}

PreviewFit PreviewFit::of_test_pictures(const VideoVaeEncoder& encoder, const c10::Device& device,
                                        const Cancel* cancel) {
  PreviewFit fit;
  for (int64_t i = 0; i < kTestPictures; ++i) {
    const at::Tensor image = test_picture(i).to(device);
    fit.add(encoder.encode(image, cancel).squeeze(2).squeeze(0), image);
  }
  return fit;
}

void PreviewFit::add(const at::Tensor& latents, const at::Tensor& image) {
  constexpr int64_t k = kPreviewPixels;
  const int64_t rows = latents.size(1), columns = latents.size(2);
  const at::Tensor small = at::avg_pool2d(image, {kPreviewFactor, kPreviewFactor})
                               .view({3, rows, k, columns, k})
                               .permute({0, 2, 4, 1, 3})
                               .reshape({kOutputs, -1});
  const at::Tensor x = latents.reshape({latents.size(0), -1}).cpu().to(at::kDouble);
  const at::Tensor y = small.cpu().to(at::kDouble);
  if (count_ == 0) {
    const auto options = x.options();
    x_ = at::zeros({x.size(0)}, options);
    y_ = at::zeros({kOutputs}, options);
    xx_ = at::zeros({x.size(0), x.size(0)}, options);
    xy_ = at::zeros({x.size(0), kOutputs}, options);
  }
  // Not in place: a copy of this fit shares the sums.
  count_ += x.size(1);
  x_ = x_ + x.sum(1);
  y_ = y_ + y.sum(1);
  xx_ = xx_ + x.mm(x.t());
  xy_ = xy_ + x.mm(y.t());
}

PreviewMap PreviewFit::solve(const c10::Device& device) const {
  const auto count = static_cast<double>(count_);
  const at::Tensor x = x_ / count, y = y_ / count;
  const at::Tensor covariance = xx_ / count - x.outer(x);
  const double ridge = std::max(kRidge * covariance.diagonal().mean().item<double>(), 1e-12);
  // Where the weights are damaged there is a map that gives grey, and no exception: the stages
  // say what is wrong.
  const at::Tensor weight = std::get<0>(at::linalg_solve_ex(
      covariance + ridge * at::eye(x.size(0), x.options()), xy_ / count - x.outer(y)));
  return PreviewMap(weight, y - weight.t().mv(x), device);
}

}  // namespace ovi
