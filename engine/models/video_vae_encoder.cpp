// SPDX-License-Identifier: Apache-2.0
#include "models/video_vae_encoder.h"

#include <ATen/ops/constant_pad_nd.h>
#include <ATen/ops/zeros.h>

#include <string>

#include "models/video_vae_latents.h"

namespace ovi {
namespace video_vae {
namespace {

std::vector<DownStage> load_stages(const Weights& weights, int64_t in) {
  std::vector<DownStage> stages;
  int64_t factor = kPatch;
  for (int64_t i = 0; i < weights.count(); ++i) {
    stages.emplace_back(weights.at(i), stages.empty() ? in : stages.back().out_channels());
    if (stages.back().halves()) factor *= 2;
  }
  if (factor != kSpatialFactor)
    throw Error(ErrorKind::kFormat,
                weights.path() + " is not Wan 2.2's video VAE: its encoder makes one latent of " +
                    std::to_string(factor) + " pixels a side, not of " +
                    std::to_string(kSpatialFactor) + ".",
                weights.full_name("*"));
  return stages;
}

}  // namespace

DownStage::DownStage(const Weights& weights, int64_t in) {
  const Weights parts = weights.at("downsamples");
  const int64_t count = parts.count();
  for (int64_t i = 0; i < count; ++i) {
    const Weights part = parts.at(i);
    const int64_t channels = blocks_.empty() ? in : out_channels();
    if (part.has_any_below("resample")) {
      downsample_.emplace(part.at("resample.1"), channels, /*stride=*/2, /*padding=*/0);
      if (part.has_any_below("time_conv")) temporal_factor_ = 2;
    } else {
      blocks_.emplace_back(part, channels, Span::kImage);
    }
  }
  if (blocks_.empty()) parts.get("0.residual.2.weight", {kAny, kAny, 3, 3, 3});  // names it
}

at::Tensor DownStage::operator()(const at::Tensor& x, const Cancel* cancel) const {
  at::Tensor y = x;
  for (const ResidualBlock& block : blocks_) {
    if (cancel) cancel->check();
    y = block(y, nullptr);
  }
  // One row and one column of zeros after the picture, none before it.
  if (downsample_) y = (*downsample_)(at::constant_pad_nd(y, {0, 0, 0, 1, 0, 1}));
  return y.add_(shortcut(x));
}

// The channels of 2x2 pixels (and of the zero frame before the image, where the
// stage halves time) in the order channel, frame, row, column, averaged in as many
// equal groups as there are output channels.
at::Tensor DownStage::shortcut(const at::Tensor& x) const {
  const int64_t side = downsample_ ? 2 : 1;
  const int64_t rows = x.size(1) / side, columns = x.size(2) / side, channels = x.size(3);
  const at::Tensor pixels = x.view({rows, side, columns, side, channels}).permute({0, 2, 4, 1, 3});
  at::Tensor gathered =
      at::zeros({rows, columns, channels, temporal_factor_, side, side}, x.options());
  gathered.select(3, temporal_factor_ - 1).copy_(pixels);
  return gathered.view({1, rows, columns, out_channels(), -1}).mean(-1);
}

}  // namespace video_vae

using video_vae::Span;

VideoVaeEncoder::VideoVaeEncoder(const Weights& weights)
    : conv_in_(weights.at("encoder.conv1"), Span::kImage, kAny,
               3 * video_vae::kPatch * video_vae::kPatch),
      stages_(video_vae::load_stages(weights.at("encoder.downsamples"), conv_in_.out_channels())),
      middle1_(weights.at("encoder.middle.0"), stages_.back().out_channels(), Span::kImage),
      attention_(weights.at("encoder.middle.1"), middle1_.out_channels()),
      middle2_(weights.at("encoder.middle.2"), middle1_.out_channels(), Span::kImage),
      head_(weights.at("encoder.head"), Span::kImage, 2 * video_vae::kLatentChannels,
            middle2_.out_channels()),
      to_mean_(weights.at("conv1"), 2 * video_vae::kLatentChannels,
               2 * video_vae::kLatentChannels) {
  to_mean_.keep_outputs(video_vae::kLatentChannels);
}

at::Tensor VideoVaeEncoder::encode(const at::Tensor& image, const Cancel* cancel) const {
  const at::Tensor frame = image.dim() == 5 && image.size(2) == 1 ? image.squeeze(2) : image;
  constexpr int64_t factor = video_vae::kSpatialFactor, patch = video_vae::kPatch;
  if (frame.dim() != 4 || frame.size(0) != 1 || frame.size(1) != 3 || frame.size(2) < factor ||
      frame.size(3) < factor || frame.size(2) % factor || frame.size(3) % factor)
    throw Error(ErrorKind::kFailed,
                "The video VAE encodes one RGB image with sides that are "
                "multiples of 16 pixels.",
                "VideoVaeEncoder::encode: got " + c10::str(image.sizes()));

  const int64_t rows = frame.size(2) / patch, columns = frame.size(3) / patch;
  const auto window = conv_in_.open(1, rows, columns, nullptr);
  // Pixels become channels in the order colour, column, row.
  window.chunk.view({rows, columns, 3, patch, patch})
      .copy_(frame.reshape({3, rows, patch, columns, patch}).permute({1, 3, 0, 4, 2}));
  at::Tensor x = conv_in_.run(window, nullptr);
  for (const video_vae::DownStage& stage : stages_) x = stage(x, cancel);
  if (cancel) cancel->check();
  x = attention_(middle1_(x, nullptr));
  if (cancel) cancel->check();
  x = head_(middle2_(x, nullptr), nullptr);
  // [1, h, w, 48] -> [1, 48, 1, h, w]
  return video_vae::normalise_latents(to_mean_(x)).permute({0, 3, 1, 2}).unsqueeze(2).contiguous();
}

}  // namespace ovi
