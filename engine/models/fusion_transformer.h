// Ovi's fusion transformer: a video and an audio diffusion transformer of equal
// depth, block by block in cross-attention with each other (arXiv 2510.01284).
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <optional>
#include <vector>

#include "models/fusion_block.h"
#include "nn/linear.h"
#include "nn/rope.h"
#include "parallel/split.h"
#include "runtime/block_hooks.h"
#include "runtime/cancel.h"
#include "runtime/portions.h"
#include "runtime/side_stream.h"
#include "weights/weights.h"

namespace ovi {

/// What tensor shapes do not tell. The published checkpoints have the defaults.
struct FusionOptions {
  std::optional<int64_t> num_heads;     // default: dim / 128
  double audio_rope_scaling = 0.19676;  // audio token rate over video latent rate
};

class FusionTransformer {
 public:
  /// `weights`: the root of a checkpoint with video_model.* and audio_model.*.
  FusionTransformer(const Weights& weights, const FusionOptions& options,
                    const Portions& portions = {});

  int64_t num_blocks() const { return static_cast<int64_t>(video_.blocks.size()); }
  int64_t video_channels() const { return video_.channels; }
  int64_t audio_channels() const { return audio_.channels; }
  int64_t text_dim() const { return video_.text_in.in_features(); }

  /// Text embeddings of the two streams, [n, text dim] and [m, text dim] with
  /// n, m <= 512.
  struct Texts {
    at::Tensor video, audio;
  };

  /// A prompt as the blocks see it: its keys and values for every block, made once and used at
  /// every step; or, where they are not kept, what they are made from.
  struct Context {
    std::vector<AttentionKeys> video, audio;
    Texts embedded;  // [512, D] each
  };
  /// One context each. Polls `cancel` (may be null) before each block.
  std::vector<Context> encode_contexts(const std::vector<Texts>& texts,
                                       const Cancel* cancel = nullptr) const;
  Context encode_context(const at::Tensor& video_text, const at::Tensor& audio_text) const {
    return encode_contexts({{video_text, audio_text}}).front();
  }

  /// Positions of a clip: video latents [C, frames, height, width] (height and
  /// width even), audio latents [length, C].
  struct Positions {
    int64_t frames = 0, rows = 0, columns = 0;  // video patches
    nn::RopeTable video, audio;                 // of the tokens that are here
    parallel::Sequence video_tokens, audio_tokens;
  };
  /// All of them here.
  Positions positions(int64_t frames, int64_t height, int64_t width, int64_t audio_length) const;
  /// Those of `layout`, which divides the clip's video_tokens().
  Positions positions(int64_t frames, int64_t height, int64_t width,
                      const parallel::Layout& layout) const;
  static int64_t video_tokens(int64_t frames, int64_t height, int64_t width);

  /// What all blocks together add to the tokens that are here of each stream, [L, D] in the
  /// compute dtype.
  struct Residual {
    at::Tensor video, audio;
  };

  /// One guided or unguided evaluation. Block `skip_block` is left out; 0: none. With `reuse`
  /// no block is run: the embedded latents get that residual, of an earlier evaluation at the
  /// same positions, and `context` is not looked at. `keep` takes the blocks' residual.
  struct Pass {
    const Context* context = nullptr;
    int64_t skip_block = 0;
    Residual* keep = nullptr;
    const Residual* reuse = nullptr;
  };

  /// Predicted velocity, shaped like the latents, in the compute dtype.
  struct Velocity {
    at::Tensor video, audio;
  };

  /// A timestep as the blocks and heads see it: rows [rows, D] and their projections
  /// [rows, 6, D]. One row, or two for a video with a clean first frame: the first is the
  /// frame's.
  struct Time {
    at::Tensor video, video_projected, audio, audio_projected;
    bool first_frame_is_clean() const { return video.size(0) == 2; }
  };

  /// Timesteps in 0..1000, embedded all at once, so that a step needs nothing more of the
  /// host. With a clean first frame its tokens have timestep 0.
  std::vector<Time> embed_times(const std::vector<double>& timesteps,
                                bool first_frame_is_clean) const;

  /// Evaluates all passes at once, block by block: what does not depend on the
  /// prompt (embeddings, the first self-attention) is computed once for all.
  /// video [C, F, h, w], audio [L, C]. Polls `cancel` first and before each block, and never
  /// waits for the device but for a block that lies a few back (runtime/pacer.h).
  std::vector<Velocity> forward(const at::Tensor& video, const at::Tensor& audio, const Time& time,
                                const Positions& positions, const std::vector<Pass>& passes,
                                const Cancel* cancel) const;

  /// The same where `positions` may be of some of the tokens: their velocities, video [own tokens,
  /// channels of a patch]. All ranks of the video's tokens evaluate the same passes.
  std::vector<parallel::Split::Tokens> forward_tokens(const at::Tensor& video,
                                                      const at::Tensor& audio, const Time& time,
                                                      const Positions& positions,
                                                      const std::vector<Pass>& passes,
                                                      const Cancel* cancel) const;
  /// A velocity of all tokens.
  Velocity velocity(const parallel::Split::Tokens& tokens, const Positions& positions) const {
    return {unpatchify(tokens.video, positions), tokens.audio};
  }

 private:
  struct Backbone {
    int64_t dim = 0, heads = 0, channels = 0;
    nn::Linear text_in, text_out;
    nn::Linear time_in, time_out, time_projection;
    std::vector<FusionBranch> blocks;
    at::Tensor head_modulation;  // [1, 2, D]: shift, scale
    nn::LayerNorm head_norm;
    nn::Linear head;

    Backbone(const Weights& weights, const FusionOptions& options, const Portions& portions);
    at::Tensor embed_text(const at::Tensor& text) const;
    /// For each of `timesteps`: e [D] and its projection [6, D].
    std::pair<at::Tensor, at::Tensor> embed_times(const std::vector<double>& timesteps) const;
    /// Final norm, modulation and projection of x [L, D].
    at::Tensor output(const FusionStream& stream, const at::Tensor& time) const;
  };

  at::Tensor embed_video(const at::Tensor& video, const Positions& positions) const;
  at::Tensor embed_audio(const at::Tensor& audio) const;
  at::Tensor unpatchify(const at::Tensor& tokens, const Positions& positions) const;

  std::shared_ptr<BlockHooks> block_hooks_;
  Backbone video_, audio_;
  SideStream audio_stream_;
  double audio_rope_scaling_;
  bool keeps_text_keys_;
  at::Tensor video_patch_weight_, video_patch_bias_;  // [D, 4 C], [D]
  at::Tensor audio_conv_weight_, audio_conv_bias_;    // [D, C, 7], [D]
  at::Tensor audio_w1_, audio_w2_, audio_w3_;         // gated convolutions, no bias
};

}  // namespace ovi
