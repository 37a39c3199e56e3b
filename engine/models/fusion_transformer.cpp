// SPDX-License-Identifier: Apache-2.0
#include "models/fusion_transformer.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/constant_pad_nd.h>
#include <ATen/ops/conv1d.h>
#include <ATen/ops/cos.h>
#include <ATen/ops/gelu.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/outer.h>
#include <ATen/ops/pow.h>
#include <ATen/ops/silu.h>
#include <ATen/ops/sin.h>
#include <ATen/ops/tensor.h>

#include <algorithm>

#include "runtime/error.h"
#include "runtime/pacer.h"

namespace ovi {
namespace {

constexpr int64_t kTextLength = 512;  // prompts are padded to this and attended whole
constexpr int64_t kHeadDim = 128;     // of the published checkpoints
constexpr int64_t kPatch = 2;         // pixels of latent per video token, both ways
constexpr int64_t kConvPadding = 3;   // audio embedding, kernel 7

// [rows, dim]: cosines first, then sines, in float64 (timesteps reach 1000).
at::Tensor sinusoid(const std::vector<double>& positions, int64_t dim) {
  const auto options = at::TensorOptions().dtype(at::kDouble);
  const int64_t half = dim / 2;
  const at::Tensor rates = at::pow(10000.0, -at::arange(half, options) / static_cast<double>(half));
  const at::Tensor angle = at::outer(at::tensor(positions, options), rates);
  return at::cat({at::cos(angle), at::sin(angle)}, 1);
}

int64_t heads_of(const Weights& weights, int64_t dim, const FusionOptions& options) {
  const int64_t heads = options.num_heads.value_or(dim / kHeadDim);
  if (heads < 1 || dim % heads != 0 || (dim / heads) % 2 != 0) {
    throw Error(ErrorKind::kFormat,
                weights.path() + ": " + std::to_string(heads) +
                    " attention heads do not fit a width of " + std::to_string(dim) +
                    ". Set fusion.num_heads in ovi.json beside the model's folders.",
                weights.full_name("blocks.0"));
  }
  return heads;
}

}  // namespace

FusionTransformer::Backbone::Backbone(const Weights& weights, const FusionOptions& options,
                                      const Portions& portions) {
  dim = weights.shape("text_embedding.0.weight", 2)[0];
  heads = heads_of(weights, dim, options);
  text_in = nn::Linear(weights.at("text_embedding.0"), dim);
  text_out = nn::Linear(weights.at("text_embedding.2"), dim, dim);
  time_in = nn::Linear(weights.at("time_embedding.0"), dim);
  time_out = nn::Linear(weights.at("time_embedding.2"), dim, dim);
  time_projection = nn::Linear(weights.at("time_projection.1"), 6 * dim, dim);
  const Weights block_weights = weights.at("blocks");
  const int64_t depth = block_weights.count();
  blocks.reserve(depth);
  for (int64_t i = 0; i < depth; ++i) {
    blocks.emplace_back(block_weights.at(i), dim, heads, portions.rows);
  }
  head_modulation = weights.get("head.modulation", {1, 2, dim});
  head_norm = nn::LayerNorm(dim);
  head = nn::Linear(weights.at("head.head"), kAny, dim);
}

at::Tensor FusionTransformer::Backbone::embed_text(const at::Tensor& text) const {
  const at::Tensor padded = at::constant_pad_nd(text, {0, 0, 0, kTextLength - text.size(0)});
  return text_out(at::gelu(text_in(padded), "tanh"));
}

std::pair<at::Tensor, at::Tensor> FusionTransformer::Backbone::embed_times(
    const std::vector<double>& timesteps) const {
  const at::Tensor position =
      sinusoid(timesteps, time_in.in_features()).to(head_modulation.options());
  const at::Tensor e = time_out(at::silu(time_in(position)));
  return {e, time_projection(at::silu(e)).unflatten(1, {6, dim})};
}

at::Tensor FusionTransformer::Backbone::output(const FusionStream& stream,
                                               const at::Tensor& time) const {
  const at::Tensor modulation = head_modulation + time.unsqueeze(1);
  return head(
      head_norm.modulated(stream.x, modulation.select(1, 0), modulation.select(1, 1), stream.rows)
          .values);
}

FusionTransformer::FusionTransformer(const Weights& weights, const FusionOptions& options,
                                     const Portions& portions)
    : block_hooks_(weights.block_hooks()),
      video_(weights.at("video_model"), options, portions),
      audio_(weights.at("audio_model"), options, portions),
      audio_stream_(weights.placement().device),
      audio_rope_scaling_(options.audio_rope_scaling),
      keeps_text_keys_(portions.keeps_text_keys) {
  if (video_.blocks.empty() || video_.blocks.size() != audio_.blocks.size()) {
    throw Error(ErrorKind::kFormat,
                weights.path() + ": video and audio need the same number of blocks, found " +
                    std::to_string(video_.blocks.size()) + " and " +
                    std::to_string(audio_.blocks.size()) + ". Download the checkpoint again.");
  }
  if (video_.dim != audio_.dim) {
    throw Error(ErrorKind::kFormat,
                weights.path() + ": the video half is " + std::to_string(video_.dim) +
                    " wide and the audio half " + std::to_string(audio_.dim) +
                    ": they are not of one model. Take both halves from one place.");
  }
  const Weights video = weights.at("video_model"), audio = weights.at("audio_model");
  const at::Tensor patch =
      video.get("patch_embedding.weight", {video_.dim, kAny, 1, kPatch, kPatch});
  video_.channels = patch.size(1);
  video_patch_weight_ = patch.flatten(1);
  video_patch_bias_ = video.get("patch_embedding.bias", {video_.dim});
  constexpr int64_t kernel = 2 * kConvPadding + 1;
  audio_conv_weight_ = audio.get("patch_embedding.0.weight", {audio_.dim, kAny, kernel});
  audio_conv_bias_ = audio.get("patch_embedding.0.bias", {audio_.dim});
  audio_.channels = audio_conv_weight_.size(1);
  audio_w1_ = audio.get("patch_embedding.2.w1.weight", {kAny, audio_.dim, kernel});
  const int64_t hidden = audio_w1_.size(0);
  audio_w2_ = audio.get("patch_embedding.2.w2.weight", {audio_.dim, hidden, kernel});
  audio_w3_ = audio.get("patch_embedding.2.w3.weight", {hidden, audio_.dim, kernel});
}

std::vector<FusionTransformer::Context> FusionTransformer::encode_contexts(
    const std::vector<Texts>& texts, const Cancel* cancel) const {
  std::vector<Context> contexts;
  for (const Texts& t : texts) {
    contexts.push_back({{}, {}, {video_.embed_text(t.video), audio_.embed_text(t.audio)}});
  }
  if (!keeps_text_keys_) return contexts;
  for (int64_t i = 0; i < num_blocks(); ++i) {
    if (cancel) cancel->check();
    const BlockScope here(block_hooks_, i);
    for (Context& context : contexts) {
      context.video.push_back(video_.blocks[i].keys_of_text(context.embedded.video));
      context.audio.push_back(audio_.blocks[i].keys_of_text(context.embedded.audio));
    }
  }
  for (Context& context : contexts) context.embedded = {};
  return contexts;
}

int64_t FusionTransformer::video_tokens(int64_t frames, int64_t height, int64_t width) {
  return frames * (height / kPatch) * (width / kPatch);
}

FusionTransformer::Positions FusionTransformer::positions(int64_t frames, int64_t height,
                                                          int64_t width,
                                                          int64_t audio_length) const {
  parallel::Layout all;
  all.video = parallel::Sequence(video_tokens(frames, height, width));
  all.audio = parallel::Sequence(audio_length);
  return positions(frames, height, width, all);
}

FusionTransformer::Positions FusionTransformer::positions(int64_t frames, int64_t height,
                                                          int64_t width,
                                                          const parallel::Layout& layout) const {
  Positions p{frames, height / kPatch, width / kPatch, {}, {}, layout.video, layout.audio};
  const c10::Device device = video_patch_weight_.device();
  p.video = nn::rope_table_3d(video_.dim / video_.heads, frames, p.rows, p.columns, device);
  p.video.rotations = p.video_tokens.own_rows(p.video.rotations);
  p.audio = nn::rope_table_1d(audio_.dim / audio_.heads, p.audio_tokens.length(),
                              audio_rope_scaling_, device);
  return p;
}

at::Tensor FusionTransformer::embed_video(const at::Tensor& video, const Positions& p) const {
  // A convolution whose stride is its kernel is a linear layer over patches.
  const at::Tensor patches =
      video.reshape({video_.channels, p.frames, p.rows, kPatch, p.columns, kPatch})
          .permute({1, 2, 4, 0, 3, 5})
          .reshape({p.frames * p.rows * p.columns, -1});
  return at::linear(p.video_tokens.own_rows(patches), video_patch_weight_, video_patch_bias_);
}

at::Tensor FusionTransformer::embed_audio(const at::Tensor& audio) const {
  const auto conv = [](const at::Tensor& x, const at::Tensor& weight,
                       const std::optional<at::Tensor>& bias = std::nullopt) {
    return at::conv1d(x, weight, bias, 1, kConvPadding);
  };
  const at::Tensor x = at::silu(conv(audio.t().unsqueeze(0), audio_conv_weight_, audio_conv_bias_));
  at::Tensor gated;
  // Its large kernels come and go as blocks do: streamed_with() says how.
  {
    const BlockScope here(block_hooks_, num_blocks());
    gated = at::silu(conv(x, audio_w1_)).mul_(conv(x, audio_w3_));
  }
  const BlockScope here(block_hooks_, num_blocks() + 1);
  return conv(gated, audio_w2_).squeeze(0).t().contiguous();
}

at::Tensor FusionTransformer::unpatchify(const at::Tensor& tokens, const Positions& p) const {
  return tokens.view({p.frames, p.rows, p.columns, kPatch, kPatch, -1})
      .permute({5, 0, 1, 3, 2, 4})
      .reshape({-1, p.frames, p.rows * kPatch, p.columns * kPatch})
      .contiguous();  // of one row or column reshape() makes a view
}

std::vector<FusionTransformer::Time> FusionTransformer::embed_times(
    const std::vector<double>& timesteps, bool first_frame_is_clean) const {
  std::vector<double> video_timesteps;
  for (const double timestep : timesteps) {
    if (first_frame_is_clean) video_timesteps.push_back(0.0);
    video_timesteps.push_back(timestep);
  }
  const auto [video, video_projected] = video_.embed_times(video_timesteps);
  const auto [audio, audio_projected] = audio_.embed_times(timesteps);
  const int64_t rows = first_frame_is_clean ? 2 : 1;
  std::vector<Time> times;
  for (int64_t i = 0; i < static_cast<int64_t>(timesteps.size()); ++i) {
    times.push_back({video.narrow(0, rows * i, rows), video_projected.narrow(0, rows * i, rows),
                     audio.narrow(0, i, 1), audio_projected.narrow(0, i, 1)});
  }
  return times;
}

std::vector<FusionTransformer::Velocity> FusionTransformer::forward(
    const at::Tensor& video, const at::Tensor& audio, const Time& time, const Positions& positions,
    const std::vector<Pass>& passes, const Cancel* cancel) const {
  std::vector<Velocity> velocities;
  for (const auto& tokens : forward_tokens(video, audio, time, positions, passes, cancel)) {
    velocities.push_back(velocity(tokens, positions));
  }
  return velocities;
}

std::vector<parallel::Split::Tokens> FusionTransformer::forward_tokens(
    const at::Tensor& video, const at::Tensor& audio, const Time& time, const Positions& positions,
    const std::vector<Pass>& passes, const Cancel* cancel) const {
  if (cancel) cancel->check();
  const at::ScalarType dtype = video_patch_weight_.scalar_type();
  struct Streams {
    FusionStream video, audio;
  };
  const int64_t clean =
      time.first_frame_is_clean() ? positions.rows * positions.columns : 0;  // of all tokens
  const parallel::Share& own = positions.video_tokens.own();
  const nn::TimeRows video_rows = nn::TimeRows{clean}.from(own.first, own.count);
  std::vector<Streams> streams(1);
  streams[0].video = {embed_video(video.to(dtype), positions), time.video_projected, video_rows,
                      &positions.video, &positions.video_tokens};
  streams[0].audio = {embed_audio(audio.to(dtype)),
                      time.audio_projected,
                      {},
                      &positions.audio,
                      &positions.audio_tokens};

  const auto any = [&](auto member) {
    return std::any_of(passes.begin(), passes.end(), [&](const Pass& p) { return p.*member; });
  };
  const bool run_blocks =
      !std::all_of(passes.begin(), passes.end(), [](const Pass& p) { return p.reuse; });
  // Blocks work in place: where their sum is wanted, what they began with is kept.
  Residual embedded;
  if (any(&Pass::keep) || any(&Pass::reuse)) {
    embedded = {streams[0].video.x, streams[0].audio.x};
    if (run_blocks) embedded = {embedded.video.clone(), embedded.audio.clone()};
  }

  // What the side makes must not leave it: the sound's rows are seen later, and are few.
  const auto look_at_themselves = [&](int64_t i, Streams& s) {
    SeenStream seen;
    audio_stream_.both(
        [&] { audio_.blocks[i].self_attention_(s.audio); },
        [&] { seen = video_.blocks[i].self_attention_(s.video, audio_.blocks[i]); });
    return seen;
  };
  // Block 0 is never skipped, and no prompt has been seen before its self-attention.
  if (run_blocks) {
    const BlockScope here(block_hooks_, 0);
    look_at_themselves(0, streams[0]);
  }
  streams.resize(passes.size(), streams[0]);
  for (size_t p = 1; p < passes.size(); ++p) {
    if (passes[p].reuse) continue;
    streams[p].video.x = streams[0].video.x.clone();
    streams[p].audio.x = streams[0].audio.x.clone();
  }

  Pacer pacer(video_patch_weight_.device());
  for (int64_t i = 0; run_blocks && i < num_blocks(); ++i) {
    const BlockScope here(block_hooks_, i);
    for (size_t p = 0; p < passes.size(); ++p) {
      if (passes[p].reuse) continue;
      if (cancel) cancel->check();
      if (i > 0 && i == passes[p].skip_block) continue;
      FusionStream &v = streams[p].video, &a = streams[p].audio;
      const FusionBranch &video_block = video_.blocks[i], &audio_block = audio_.blocks[i];
      SeenStream video_seen =
          i > 0 ? look_at_themselves(i, streams[p])
                : SeenStream{video_block.as_queries(v), audio_block.as_keys(v)};
      // Both look at the other as it is now.
      const AttentionKeys audio_keys = video_block.keys_of(a, video_block.as_keys(a)),
                          video_keys = audio_block.keys_of(v, video_seen.by_other);
      video_seen.by_other = {};
      const Context& text = *passes[p].context;
      const AttentionKeys audio_text = text.audio.empty()
                                           ? audio_block.keys_of_text(text.embedded.audio)
                                           : text.audio[i],
                          video_text = text.video.empty()
                                           ? video_block.keys_of_text(text.embedded.video)
                                           : text.video[i];
      audio_stream_.both(
          [&] {
            audio_block.cross_attention_and_ffn_(a, audio_block.as_queries(a), audio_text,
                                                 video_keys);
          },
          [&] {
            video_block.cross_attention_and_ffn_(v, std::move(video_seen.by_itself), video_text,
                                                 audio_keys);
          });
      pacer.mark();
    }
  }

  for (size_t p = 0; p < passes.size(); ++p) {
    auto& [v, a] = streams[p];
    if (passes[p].reuse) {
      v.x = embedded.video + passes[p].reuse->video;
      a.x = embedded.audio + passes[p].reuse->audio;
    }
    if (passes[p].keep) *passes[p].keep = {v.x - embedded.video, a.x - embedded.audio};
  }

  std::vector<parallel::Split::Tokens> velocities;
  for (const Streams& s : streams) {
    velocities.push_back({video_.output(s.video, time.video), audio_.output(s.audio, time.audio)});
  }
  return velocities;
}

}  // namespace ovi
