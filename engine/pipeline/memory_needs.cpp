// Every sum names what is alive at the stage's fullest moment.
// SPDX-License-Identifier: Apache-2.0
#include "pipeline/memory_needs.h"

#include <algorithm>
#include <string>

#include "kernels/float8_rows.h"
#include "models/video_vae_decoder.h"
#include "parallel/split.h"
#include "pipeline/text_embeddings.h"
#include "weights/weights.h"

namespace ovi {
namespace {

constexpr int64_t kSide = 16;  // pixels a latent

}  // namespace

ClipExtent clip_extent(const VariantSpec& spec, const FrameSize& size) {
  return {spec.video_latents, size.height / kSide, size.width / kSide, spec.audio_latents};
}

namespace activations {
namespace {

constexpr int64_t kTextLength = 512;  // tokens of a prompt at most, and of its padding
constexpr int64_t kTexts = 3;         // the prompt and two negative ones
constexpr int64_t kPasses = 2;        // guided and unguided
constexpr int64_t kFloat = 4;         // bytes

Weights shapes_of(const TensorSource& source) {
  // Never owns it: only shapes are looked at, within one call.
  const std::shared_ptr<const TensorSource> borrowed(std::shared_ptr<void>(), &source);
  return Weights(borrowed, Placement());
}

int64_t size_of(at::ScalarType dtype) { return static_cast<int64_t>(c10::elementSize(dtype)); }

// What the rank with the most of them has.
int64_t shared_out(int64_t count, int64_t ranks) { return (count + ranks - 1) / ranks; }

}  // namespace

int64_t text_encoder(const TensorSource& source, at::ScalarType dtype) {
  const Weights block = shapes_of(source).at("blocks").at(0);
  const int64_t inner = block.shape("attn.q.weight", 2)[0], dim = block.shape("attn.q.weight")[1];
  const int64_t ffn = block.shape("ffn.fc1.weight", 2)[0];
  const int64_t heads = block.shape("pos_embedding.embedding.weight", 2)[1];
  const int64_t n = kTextLength, scores = heads * n * n;
  const int64_t e = size_of(dtype), wide = e < kFloat ? kFloat : 0;
  // The bias as it is looked up and turned, the scores, and their softmax, which is float32
  // and of float32; queries, keys, values and their result.
  const int64_t attention = scores * (3 * e + wide + kFloat) + (6 * n * inner + n * dim) * e;
  const int64_t mlp = (scores + 4 * n * ffn + 2 * n * dim) * e;
  // The states of all texts, and buckets of 64 bits.
  return 2 * kTexts * n * dim * e + std::max(attention, mlp) + kTexts * n * n * 8 +
         2 * n * dim * kFloat;
}

int64_t embeddings(const TensorSource& text_encoder, at::ScalarType dtype) {
  const int64_t dim = shapes_of(text_encoder).shape("token_embedding.weight", 2)[1];
  return static_cast<int64_t>(TextEmbeddings::kKept) * kTextLength * dim * size_of(dtype);
}

int64_t fusion(const TensorSource& source, const Arithmetic& arithmetic, const ClipExtent& clip,
               int64_t between_steps, const Portions& portions) {
  const Weights root = shapes_of(source);
  const Weights video = root.at("video_model"), audio = root.at("audio_model");
  const int64_t dim = video.shape("text_embedding.0.weight", 2)[0];
  const int64_t audio_dim = audio.shape("text_embedding.0.weight", 2)[0];
  const int64_t ffn = video.shape("blocks.0.ffn.0.weight", 2)[0];
  const int64_t depth = video.at("blocks").count();
  const int64_t channels = video.shape("patch_embedding.weight", 5)[1];
  const int64_t all_tokens = clip.video_latents * (clip.height / 2) * (clip.width / 2);
  const int64_t e = size_of(arithmetic.dtype);
  // The fullest step of a clip that ranks share is one of two passes.
  const parallel::Division share =
      clip.ranks > 1 ? parallel::division_of(clip.ranks) : parallel::Division{1, kPasses};
  const int64_t tokens = shared_out(all_tokens, share.sequence_ranks);
  // Keys and values of every block's text, or of one at a time, and the embedded texts they are
  // made from.
  const int64_t blocks_keys = portions.keeps_text_keys ? depth : 1;
  const int64_t contexts = kPasses * (2 * blocks_keys + 1) * kTextLength * (dim + audio_dim) * e;
  // The streams of all passes, what each block's branches see of one another, and what an
  // accelerated step remembers: what the passes' blocks added and began with.
  const int64_t streams =
      (2 * share.passes + 3) * (tokens * dim + clip.audio_latents * audio_dim) * e;
  // Of one branch: its normed input, queries twice (turned and plain), keys, values, both
  // attentions' results; or, of what is computed at once, the hidden layer before and after its
  // activation, its input and its result. A text is longer than a tiny clip.
  const int64_t rows = portion_of(tokens, portions.rows);
  const int64_t attention = std::max(tokens, kTextLength) * dim * 7 * e;
  int64_t mlp = rows * (2 * ffn + 2 * dim) * e;
  int64_t norm = 0;
  if (arithmetic.float8_matrices) {
    // Beside what becomes 8-bit rows and what it becomes, a slice of it in float32; a norm
    // has all its rows in float32 before and after.
    const auto slice = [](int64_t elements) {
      return 2 * std::min(elements, kernels::twin::kFloat8Slice) * kFloat;
    };
    mlp = rows * (ffn * (e + 1) + 2 * dim * e) + slice(rows * ffn);
    norm = tokens * dim * (2 * kFloat + e + 1) + slice(tokens * dim);
  }
  // Latents in float32: the schedulers' memory and the velocities of all passes.
  const int64_t latents = 10 * channels * clip.video_latents * clip.height * clip.width * kFloat;
  const int64_t rotations = (tokens + clip.audio_latents) * 128 * kFloat;
  int64_t shared = 0, exchange = 0;
  if (clip.ranks > 1) {
    // Velocities of all passes, as tokens and as latents, as they are handed over; rotations of
    // the other kind of step, and of all tokens while a rank's are cut out of them.
    shared = 6 * channels * clip.video_latents * clip.height * clip.width * kFloat +
             (all_tokens + tokens) * 128 * kFloat;
    // Queries, keys and values of a rank's rows, as they are sent and received, of its heads, and
    // with them the block's input; or what all ranks see of the sound's queries, as it comes and
    // in float32, weighed.
    const int64_t heads_share = shared_out(all_tokens * dim, share.sequence_ranks);
    exchange = std::max((10 * std::max(tokens * dim, heads_share)) * e,
                        tokens * dim * 5 * e + share.sequence_ranks * clip.audio_latents *
                                                   audio_dim * (e + 2 * kFloat));
  }
  return contexts + streams + std::max({attention, mlp, norm, exchange, between_steps}) + latents +
         rotations + shared;
}

int64_t preview_decoder(const TensorSource& source, at::ScalarType dtype, const ClipExtent& clip) {
  const int64_t e = size_of(dtype), pixels = clip.height * clip.width * kSide * kSide;
  // The larger variant is fullest in its last blocks, at a quarter of the frame's size a side:
  // hidden layers of a frame and of the one before it, both frames, what the block before them
  // gave and this one gives, and what goes into a hidden layer.
  if (source.find("decoder.1.conv.0.weight")) return (2 * 512 + 5 * 128) * (pixels / 16) * e;
  // The other one in its last convolutions, at half of it: an enlarged frame of 64 channels and
  // the result of a convolution, as the library gives it and as it is kept.
  return 3 * 64 * (pixels / 4) * e;
}

int64_t video_encoder(const TensorSource& source, at::ScalarType dtype, const ClipExtent& clip) {
  const int64_t channels = shapes_of(source).shape("encoder.conv1.weight", 5)[0];
  const int64_t pixels = clip.height * clip.width * kSide * kSide;
  // The first stage is the largest, at half the size a side: its input, the block's input, a
  // normed copy and the result of a convolution.
  const int64_t stage = 4 * (pixels / 4) * channels * size_of(dtype);
  // The picture in bytes and float32, resized and padded.
  return stage + 4 * pixels * 3 * kFloat;
}

int64_t workspaces(const c10::Device& device) {
  // LibTorch keeps one of cuBLAS and one of cuBLASLt for each stream that computes, which are the
  // video's and the sound's, each of the size that NVIDIA's cublasSetWorkspace() recommends for
  // Hopper; other GPUs have less. What cuDNN takes is said nowhere, and is left to the margin.
  constexpr int64_t kWorkspace = int64_t{32} << 20, kLibraries = 2, kStreams = 2;
  return device.is_cuda() ? kWorkspace * kLibraries * kStreams : 0;
}

int64_t video_decoder(const TensorSource& source, at::ScalarType dtype, const ClipExtent& clip,
                      const Portions& portions) {
  const Weights decoder = shapes_of(source).at("decoder");
  const Weights stages = decoder.at("upsamples");
  int64_t frames = 1, area = clip.height * clip.width;
  int64_t in = decoder.shape("conv1.weight", 5)[0];
  int64_t history = 4 * 2 * area * in, most = 0;  // elements; four convolutions in the middle
  // From here on of a rank's columns with one more of each neighbour, which counts most where
  // the pictures are as small as the latents, and of what is put together with those.
  const int64_t columns = shared_out(clip.width, std::min(clip.ranks, clip.width));
  const int64_t copies = clip.ranks > 1 ? 1 : 0;
  if (clip.ranks > 1) area = clip.height * std::min(columns + 2, clip.width);
  const int64_t depth = stages.count();
  const int64_t strips = clip.ranks > 1 ? 1 : std::min(portions.strips, clip.width);
  int64_t all_strips = 1;  // as many times one strip's columns as all together have
  int64_t cut_from = 0;    // elements of what strips are cut from
  for (int64_t s = 0; s < depth; ++s) {
    const Weights parts = stages.at(s).at("upsamples");
    int64_t stage_input = frames * area * in;
    const int64_t stage_in = in;
    int64_t out = in;
    for (int64_t p = 0; p < parts.count(); ++p) {
      const Weights part = parts.at(p);
      if (part.has("residual.2.weight")) {
        out = part.shape("residual.2.weight", 5)[0];
        history += all_strips * 2 * area * (in + out);
        // The stage's input, where it is needed again and is not the block's, which comes next;
        // a window, whose two earlier frames are the history's, and the convolution's result as
        // the library gives it and as it is kept.
        const int64_t again = p > 0 && s + 1 < depth ? stage_input : 0;
        most = std::max(most, cut_from + again +
                                  area * (frames * in + frames * std::max(in, out) +
                                          (2 + 2 * copies) * frames * out));
        in = out;
        continue;
      }
      if (strips > 1 && s + 2 == depth) {
        const int64_t margin =
            VideoVaeDecoder::strip_margin(stages.at(depth - 1).at("upsamples").count());
        const int64_t strip = std::min(shared_out(clip.width, strips) + 2 * margin, clip.width);
        cut_from = frames * area * (stage_in + out);
        area = area / clip.width * strip;
        stage_input = frames * area * stage_in;
        all_strips = strips;
      }
      stage_input += frames * area * out;  // and what the blocks made of it
      if (part.has_any_below("time_conv")) {
        history += all_strips * 2 * area * out;
        frames *= 2;
      }
      area *= 4;
      // The enlarged frames and their convolution, or its two forms.
      most = std::max(most, cut_from + stage_input + (2 + 3 * copies) * frames * area * out);
    }
  }
  history += all_strips * 2 * area * in;  // of the head
  most = std::max(most, cut_from + area * (2 * frames + 2) * in);
  const int64_t pixels = frames * clip.height * clip.width * kSide * kSide * 3;
  if (strips > 1) most += pixels;  // of the strips that are made
  const int64_t latents = 48 * clip.video_latents * clip.height * clip.width;
  // After the last stage only its pixels are there: as they come from the ranks and side by side;
  // in float32, scaled, rounded, packed.
  const int64_t collected = 2 * copies * pixels * size_of(dtype);
  // LibTorch's allocator gives multiples of 512 bytes, for some hundred tensors.
  constexpr int64_t kRounding = int64_t{64} << 10;
  return kRounding + size_of(dtype) * history +
         std::max(size_of(dtype) * most, 5 * pixels * kFloat + collected) + 3 * latents * kFloat;
}

int64_t sound(const TensorSource& audio_vae, const TensorSource& vocoder, const ClipExtent& clip) {
  const int64_t mel_frames = 2 * clip.audio_latents;
  const int64_t width = shapes_of(audio_vae).shape("decoder.conv_in.weight", 3)[0];
  // The vocoder halves its channels while it lengthens time by four, twice, then by two:
  // from the second stage on its activations are as large as ever.
  const Weights root = shapes_of(vocoder);
  const std::string first =
      root.has("generator.conv_pre.bias") ? "generator.conv_pre.bias" : "conv_pre.bias";
  const int64_t channels = root.shape(first, 1)[0];
  const int64_t widest = mel_frames * channels * 4;
  // A stage's input, the sum of its three blocks, one block's input and result, and in it
  // activations at twice the rate: padded, lengthened, turned, shortened.
  return kFloat * std::max(16 * widest, 8 * mel_frames * width);
}

}  // namespace activations
}  // namespace ovi
