// SPDX-License-Identifier: Apache-2.0
#include "models/video_vae_decoder.h"

#include <ATen/ops/empty.h>

#include <algorithm>
#include <string>
#include <utility>

#include "models/video_vae_latents.h"
#include "nn/limits.h"
#include "parallel/share.h"

namespace ovi {
namespace video_vae {
namespace {

constexpr int64_t kColours = 3;

std::vector<UpStage> load_stages(const Weights& weights, int64_t in) {
  std::vector<UpStage> stages;
  int64_t size = kPatch, frames = 1;
  for (int64_t i = 0; i < weights.count(); ++i) {
    stages.emplace_back(weights.at(i), stages.empty() ? in : stages.back().out_channels());
    if (stages.back().doubles_size()) size *= 2;
    frames *= stages.back().temporal_factor();
  }
  if (size != kSpatialFactor || frames != kTemporalFactor)
    throw Error(ErrorKind::kFormat,
                weights.path() + " is not Wan 2.2's video VAE: its decoder makes " +
                    std::to_string(frames) + " frames of " + std::to_string(size) +
                    " pixels a side of one latent, not " + std::to_string(kTemporalFactor) +
                    " of " + std::to_string(kSpatialFactor) + ".",
                weights.full_name("*"));
  return stages;
}

// [T, H, W, 12] -> [1, 3, T, 2H, 2W]; channels hold colour, column, row.
at::Tensor to_pixels(const at::Tensor& x) {
  const int64_t frames = x.size(0), rows = x.size(1), columns = x.size(2);
  at::Tensor pixels =
      at::empty({kColours, frames, rows, kPatch, columns, kPatch}, x.options().dtype(at::kFloat));
  pixels.copy_(
      x.view({frames, rows, columns, kColours, kPatch, kPatch}).permute({3, 0, 1, 5, 2, 4}));
  return nn::clamp_numbers_(pixels, 1).view({1, kColours, frames, rows * kPatch, columns * kPatch});
}

}  // namespace

Upsample::Upsample(const Weights& weights, int64_t channels)
    : conv_(weights.at("resample.1"), channels, /*stride=*/1, /*padding=*/1) {
  if (weights.has_any_below("time_conv"))
    time_conv_.emplace(weights.at("time_conv"), Span::kClip, 2 * channels, channels);
}

at::Tensor Upsample::operator()(const at::Tensor& x, bool first_chunk, History& history,
                                const parallel::Columns& shared) const {
  const int64_t rows = x.size(1), channels = x.size(3);
  int64_t columns = x.size(2);
  int64_t frames = x.size(0), copies = 1;
  at::Tensor y = x.unsqueeze(1);  // [T, copies, H, W, C]
  if (time_conv_ && !first_chunk) {
    // Its channels are two frames. The clip's first frame is never shown to it.
    const CausalConv::Window window = time_conv_->open(frames, rows, columns, &history);
    at::Tensor chunk = window.chunk;
    chunk.copy_(x);
    copies = 2;
    y = time_conv_->run(window, &history)
            .view({frames, rows, columns, copies, channels})
            .permute({0, 3, 1, 2, 4});
  }
  if (!shared.whole()) {
    y = shared.with_neighbours(y.reshape({frames * copies, rows, columns, channels}))
            .unflatten(0, {frames, copies});
    columns = y.size(3);
  }
  at::Tensor big = at::empty({frames, copies, rows, 2, columns, 2, channels}, x.options());
  big.copy_(y.unsqueeze(3).unsqueeze(5));
  y.reset();
  big = big.view({frames * copies, rows * 2, columns * 2, channels});
  return shared.without_neighbours(conv_(std::move(big)), 2);
}

UpStage::UpStage(const Weights& weights, int64_t in) {
  const Weights parts = weights.at("upsamples");
  const int64_t count = parts.count();
  for (int64_t i = 0; i < count; ++i) {
    const Weights part = parts.at(i);
    if (part.has_any_below("resample") && !blocks_.empty())
      upsample_.emplace(part, out_channels());
    else
      blocks_.emplace_back(part, blocks_.empty() ? in : out_channels());
  }
  if (blocks_.empty()) parts.get("0.residual.2.weight", {kAny, kAny, 3, 3, 3});  // names it
  if (!upsample_) return;

  // The shortcut numbers its outputs channel, frame, row, column and lets each
  // input channel fill as many in a row as it takes to use them up.
  const int64_t spread = out_channels() * temporal_factor() * 4;
  const int64_t repeats = spread % in_channels() == 0 ? spread / in_channels() : 0;
  channels_hold_column_ = repeats == 1;
  channels_hold_row_ = repeats == 1 || repeats == 2;
  channels_hold_frame_ = temporal_factor() == 2 && (channels_hold_row_ || repeats == 4);
  if (!channels_hold_row_ && repeats != 4 && repeats != 4 * temporal_factor())
    throw Error(ErrorKind::kFormat,
                weights.path() + " is not Wan 2.2's video VAE: a decoder stage turns " +
                    std::to_string(in_channels()) + " channels into " +
                    std::to_string(out_channels()) + ".",
                weights.full_name("upsamples"));
}

at::Tensor UpStage::operator()(at::Tensor x, bool first_chunk, StageHistory& history,
                               const parallel::Columns& columns, const Cancel* cancel) const {
  if (!upsample_) return blocks(std::move(x), history, columns, cancel);
  return enlarge(blocks(x, history, columns, cancel), x, first_chunk, history, columns, cancel);
}

at::Tensor UpStage::blocks(at::Tensor x, StageHistory& history, const parallel::Columns& columns,
                           const Cancel* cancel) const {
  for (size_t i = 0; i < blocks_.size(); ++i) {
    if (cancel) cancel->check();
    x = blocks_[i](x, &history.blocks[i], columns);
  }
  return x;
}

at::Tensor UpStage::enlarge(at::Tensor y, const at::Tensor& x, bool first_chunk,
                            StageHistory& history, const parallel::Columns& columns,
                            const Cancel* cancel) const {
  if (!upsample_) return y;
  if (cancel) cancel->check();
  y = (*upsample_)(y, first_chunk, history.time, columns);
  add_shortcut(y, x, first_chunk);
  return y;
}

void UpStage::add_shortcut(at::Tensor& y, const at::Tensor& x, bool first_chunk) const {
  const int64_t frames = x.size(0), rows = x.size(1), columns = x.size(2);
  const int64_t out_frames = y.size(0) / frames;
  // [T, H, W, C, frame, row, column] -> [T, frame, H, row, W, column, C]
  at::Tensor repeated = x.view({frames, rows, columns, out_channels(), channels_hold_frame_ ? 2 : 1,
                                channels_hold_row_ ? 2 : 1, channels_hold_column_ ? 2 : 1})
                            .permute({0, 4, 1, 5, 2, 6, 3});
  // Of the first chunk's two frames only the second is shown.
  if (first_chunk && channels_hold_frame_) repeated = repeated.narrow(1, 1, 1);
  y.view({frames, out_frames, rows, 2, columns, 2, out_channels()}).add_(repeated);
}

}  // namespace video_vae

VideoVaeDecoder::VideoVaeDecoder(const Weights& weights)
    : dtype_(weights.placement().dtype),
      device_(weights.placement().device),
      from_latent_(weights.at("conv2"), video_vae::kLatentChannels, video_vae::kLatentChannels),
      conv_in_(weights.at("decoder.conv1"), video_vae::Span::kClip, kAny,
               video_vae::kLatentChannels),
      middle1_(weights.at("decoder.middle.0"), conv_in_.out_channels()),
      attention_(weights.at("decoder.middle.1"), middle1_.out_channels()),
      middle2_(weights.at("decoder.middle.2"), middle1_.out_channels()),
      stages_(video_vae::load_stages(weights.at("decoder.upsamples"), middle2_.out_channels())),
      head_(weights.at("decoder.head"), video_vae::Span::kClip,
            video_vae::kColours * video_vae::kPatch * video_vae::kPatch,
            stages_.back().out_channels()) {}

VideoVaeDecoder::Stream VideoVaeDecoder::start(const at::Tensor& latents, const Cancel* cancel,
                                               parallel::Columns columns, int64_t strips) const {
  if (latents.dim() != 5 || latents.size(0) != 1 || latents.size(1) != video_vae::kLatentChannels ||
      latents.numel() == 0)
    throw Error(ErrorKind::kFailed, "The video VAE decodes latents of shape [1, 48, F, h, w].",
                "VideoVaeDecoder::start: got " + c10::str(latents.sizes()));
  const at::Tensor frames = latents.squeeze(0).permute({1, 2, 3, 0}).to(device_);
  return Stream(*this, video_vae::denormalise_latents(frames).to(dtype_).contiguous(),
                std::move(columns), strips, cancel);
}

at::Tensor VideoVaeDecoder::decode(const at::Tensor& latent, bool first_chunk,
                                   video_vae::DecoderHistory& history,
                                   const parallel::Columns& columns, const Cancel* cancel) const {
  const auto window =
      conv_in_.open(latent.size(0), latent.size(1), latent.size(2), &history.conv_in);
  at::Tensor chunk = window.chunk;
  chunk.copy_(from_latent_(latent));
  at::Tensor x = conv_in_.run(window, &history.conv_in);
  if (cancel) cancel->check();
  x = attention_(middle1_(x, &history.middle1));
  if (cancel) cancel->check();
  x = columns.own(middle2_(x, &history.middle2));
  const size_t before_last = stages_.size() - 2;
  for (size_t i = 0; i < before_last; ++i)
    x = stages_[i](std::move(x), first_chunk, history.stages[i], columns, cancel);
  at::Tensor y = stages_[before_last].blocks(x, history.stages[before_last], columns, cancel);
  if (history.strips.size() > 1) {
    x = finish_strips(std::move(y), std::move(x), latent.size(2), first_chunk, history.strips,
                      cancel);
  } else {
    x = columns.collect(
        finish(std::move(y), std::move(x), first_chunk, history.strips.front(), columns, cancel));
  }
  return x.defined() ? video_vae::to_pixels(x) : x;
}

at::Tensor VideoVaeDecoder::finish(at::Tensor y, at::Tensor x, bool first_chunk,
                                   video_vae::StripHistory& history,
                                   const parallel::Columns& columns, const Cancel* cancel) const {
  y = stages_[stages_.size() - 2].enlarge(std::move(y), x, first_chunk, history.before_last,
                                          columns, cancel);
  x.reset();
  y = stages_.back()(std::move(y), first_chunk, history.last, columns, cancel);
  if (cancel) cancel->check();
  return head_(y, &history.head, columns);
}

// A convolution at the edge of what is there sees zeros beyond it, so each makes one column more
// wrong there, now and in later chunks. These are of the margin, and are cut off.
at::Tensor VideoVaeDecoder::finish_strips(at::Tensor y, at::Tensor x, int64_t width,
                                          bool first_chunk,
                                          std::vector<video_vae::StripHistory>& history,
                                          const Cancel* cancel) const {
  constexpr int64_t kColumn = 2;  // the dimension
  const int64_t margin = strip_margin(static_cast<int64_t>(stages_.back().block_count()));
  const std::vector<parallel::Share> strips =
      parallel::shares(width, static_cast<int64_t>(history.size()));
  at::Tensor made;
  for (size_t i = 0; i < strips.size(); ++i) {
    const parallel::Share& own = strips[i];
    const int64_t begin = std::max<int64_t>(own.first - margin, 0);
    const int64_t end = std::min(own.end() + margin, width);
    const auto cut = [&](const at::Tensor& all) {
      const int64_t scale = all.size(kColumn) / width;
      return all.narrow(kColumn, begin * scale, (end - begin) * scale).contiguous();
    };
    const at::Tensor frames = finish(cut(y), cut(x), first_chunk, history[i], {}, cancel);
    const int64_t scale = frames.size(kColumn) / (end - begin);
    if (!made.defined()) {
      made = at::empty({frames.size(0), frames.size(1), width * scale, frames.size(3)},
                       frames.options());
    }
    made.narrow(kColumn, own.first * scale, own.count * scale)
        .copy_(frames.narrow(kColumn, (own.first - begin) * scale, own.count * scale));
  }
  return made;
}

int64_t VideoVaeDecoder::strip_margin(int64_t blocks) {
  // Convolutions of 3x3, at the size of the last stage: of the upsampling, two a block, the head's.
  constexpr int64_t kScale = video_vae::kSpatialFactor / video_vae::kPatch;
  return (1 + 2 * blocks + 1 + kScale - 1) / kScale;
}

VideoVaeDecoder::Stream::Stream(const VideoVaeDecoder& decoder, at::Tensor latents,
                                parallel::Columns columns, int64_t strips, const Cancel* cancel)
    : decoder_(&decoder),
      cancel_(cancel),
      latents_(std::move(latents)),
      columns_(std::move(columns)) {
  for (const video_vae::UpStage& stage : decoder.stages_)
    history_.stages.push_back({std::vector<video_vae::ResidualHistory>(stage.block_count()), {}});
  const video_vae::StripHistory strip{{}, std::move(history_.stages.back()), {}};
  history_.stages.pop_back();
  const int64_t width = latents_.size(2);
  const bool divisible = columns_.whole() && !decoder.stages_.back().doubles_size();
  history_.strips.assign(divisible ? std::clamp<int64_t>(strips, 1, width) : 1, strip);
}

at::Tensor VideoVaeDecoder::Stream::next() {
  if (done())
    throw Error(ErrorKind::kFailed, "All frames of this clip have been decoded.",
                "VideoVaeDecoder::Stream::next");
  const int64_t index = next_;
  // Until this latent is through, the memory of the ones before it is half changed.
  next_ = latents_.size(0);
  try {
    at::Tensor frames =
        decoder_->decode(latents_.narrow(0, index, 1), index == 0, history_, columns_, cancel_);
    next_ = index + 1;
    if (done()) history_ = {};
    return frames;
  } catch (...) {
    history_ = {};
    throw;
  }
}

}  // namespace ovi
