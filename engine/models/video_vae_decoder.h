// Wan 2.2's video VAE, latents to frames, one latent at a time.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/core/Tensor.h>

#include <optional>
#include <vector>

#include "models/video_vae_layers.h"
#include "parallel/columns.h"
#include "runtime/cancel.h"
#include "weights/weights.h"

namespace ovi {

namespace video_vae {

/// Twice the size, and twice the frames where the stage has a temporal convolution.
class Upsample {
 public:
  /// Takes `resample.1` and, where it is there, `time_conv`, for `channels` channels.
  Upsample(const Weights& weights, int64_t channels);

  /// [T, H, W, C] -> [T or 2T, 2H, 2W, C]. The clip's first chunk keeps its one frame.
  /// W are the columns that are here.
  at::Tensor operator()(const at::Tensor& x, bool first_chunk, History& history,
                        const parallel::Columns& columns = {}) const;

  int64_t temporal_factor() const { return time_conv_ ? 2 : 1; }

 private:
  FrameConv conv_;
  std::optional<CausalConv> time_conv_;
};

struct StageHistory {
  std::vector<ResidualHistory> blocks;
  History time;
};

/// Residual blocks, then Upsample; the input, each value repeated, is added at the end.
class UpStage {
 public:
  UpStage(const Weights& weights, int64_t in);

  /// [T, H, W, in] -> [T or 2T, 2H, 2W, out], or [T, H, W, out] for the last stage, which is
  /// enlarge() of blocks(). W are the columns that are here.
  at::Tensor operator()(at::Tensor x, bool first_chunk, StageHistory& history,
                        const parallel::Columns& columns, const Cancel* cancel) const;

  /// [T, H, W, in] -> [T, H, W, out]
  at::Tensor blocks(at::Tensor x, StageHistory& history, const parallel::Columns& columns,
                    const Cancel* cancel) const;
  /// Of `y` from blocks(x).
  at::Tensor enlarge(at::Tensor y, const at::Tensor& x, bool first_chunk, StageHistory& history,
                     const parallel::Columns& columns, const Cancel* cancel) const;

  bool doubles_size() const { return upsample_.has_value(); }
  int64_t temporal_factor() const { return upsample_ ? upsample_->temporal_factor() : 1; }
  int64_t in_channels() const { return blocks_.front().in_channels(); }
  int64_t out_channels() const { return blocks_.back().out_channels(); }
  size_t block_count() const { return blocks_.size(); }

 private:
  void add_shortcut(at::Tensor& y, const at::Tensor& x, bool first_chunk) const;

  std::vector<ResidualBlock> blocks_;
  std::optional<Upsample> upsample_;
  // Of frame, row and column: which of them the shortcut's input channels tell apart.
  bool channels_hold_frame_ = false, channels_hold_row_ = false, channels_hold_column_ = false;
};

/// What is remembered of one strip of the frames, in the last stage and on the way to it.
struct StripHistory {
  StageHistory before_last, last;
  History head;
};

/// All that one clip's decoding remembers between two chunks.
struct DecoderHistory {
  History conv_in;
  ResidualHistory middle1, middle2;
  std::vector<StageHistory> stages;  // but the last
  std::vector<StripHistory> strips;
};

}  // namespace video_vae

/// Decodes a clip latent by latent: the first gives one frame, each other four.
class VideoVaeDecoder {
 public:
  /// Takes `decoder.*` and `conv2.*` of Wan2.2_VAE.pth. Throws Error(kFormat) when a
  /// tensor is missing or the model is not one of 48 channels and 16x16x4 pixels.
  explicit VideoVaeDecoder(const Weights& weights);

  /// One clip on its way. Belongs to one thread; the decoder must outlive it. Any
  /// number of streams may be open.
  class Stream {
   public:
    /// Of no latents: done.
    Stream() = default;
    /// True when every latent has been decoded (or decoding failed).
    bool done() const { return !decoder_ || next_ == latents_.size(0); }

    /// The frames of the next latent: [1, 3, 1 or 4, 16h, 16w], float32, clamped to
    /// -1..1. What is remembered between latents is freed with the last one.
    /// Polls the cancel flag once a block: throws Error(kCancelled). After a throw,
    /// and after the last latent, the stream is done and throws Error(kFailed).
    /// Of columns on several ranks: of all on rank 0, undefined on the others.
    at::Tensor next();

   private:
    friend class VideoVaeDecoder;
    Stream(const VideoVaeDecoder& decoder, at::Tensor latents, parallel::Columns columns,
           int64_t strips, const Cancel* cancel);

    const VideoVaeDecoder* decoder_ = nullptr;
    const Cancel* cancel_ = nullptr;
    at::Tensor latents_;  // [F, h, w, 48], no longer normalised
    parallel::Columns columns_;
    int64_t next_ = 0;
    video_vae::DecoderHistory history_;
  };

  /// latents: normalised, [1, 48, F, h, w], F >= 1. `cancel` may be null and must
  /// outlive the stream. `columns`, of this width: the ranks that decode the clip together, all
  /// from the same latents. What is as small as the latents, of which attention sees the whole,
  /// each does for itself; then each has its columns, and before a convolution borrows one of
  /// each neighbour. `strips`: in how many the last stage, where frames are largest, makes them
  /// where all columns are here, one after the other, each with as many columns more as its
  /// convolutions look at.
  Stream start(const at::Tensor& latents, const Cancel* cancel = nullptr,
               parallel::Columns columns = {}, int64_t strips = 1) const;

  /// Columns of latents beyond a strip's own, at each side, with a last stage of `blocks`.
  static int64_t strip_margin(int64_t blocks);

 private:
  /// Frames [T, H, W, 12] from the last stage but one on: of its input x and its blocks(x), y.
  at::Tensor finish(at::Tensor y, at::Tensor x, bool first_chunk, video_vae::StripHistory& history,
                    const parallel::Columns& columns, const Cancel* cancel) const;
  /// The same strip by strip; `width`: of the latents.
  at::Tensor finish_strips(at::Tensor y, at::Tensor x, int64_t width, bool first_chunk,
                           std::vector<video_vae::StripHistory>& history,
                           const Cancel* cancel) const;
  at::Tensor decode(const at::Tensor& latent, bool first_chunk, video_vae::DecoderHistory& history,
                    const parallel::Columns& columns, const Cancel* cancel) const;

  at::ScalarType dtype_;
  c10::Device device_;
  video_vae::PointwiseConv from_latent_;
  video_vae::CausalConv conv_in_;
  video_vae::ResidualBlock middle1_;
  video_vae::FrameAttention attention_;
  video_vae::ResidualBlock middle2_;
  std::vector<video_vae::UpStage> stages_;
  video_vae::Head head_;
};

}  // namespace ovi
