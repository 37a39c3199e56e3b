// SPDX-License-Identifier: Apache-2.0
#include "pipeline/clip_work.h"

#include <memory>
#include <string>

#include "pipeline/denoise.h"
#include "weights/manifest.h"
#include "weights/safetensors_layout.h"
#include "weights/weights.h"

namespace ovi {
namespace {

constexpr double kUsualTokens = 150;  // of a prompt and both negatives
constexpr double kTexts = 3, kContext = 512;
constexpr double kFloat = 4;  // bytes
constexpr double kSide = 16;  // pixels a latent, each way

Weights shapes_of(const TensorSource& source) {
  // Never owns it: only shapes are looked at, within one call.
  const std::shared_ptr<const TensorSource> borrowed(std::shared_ptr<void>(), &source);
  return Weights(borrowed, Placement());
}

double size_of(at::ScalarType dtype) { return static_cast<double>(c10::elementSize(dtype)); }

/// Convolutions of frames, each after a norm that is written where it reads. `e`: bytes of an
/// element.
class Convolutions {
 public:
  explicit Convolutions(double e) : e_(e) {}

  /// At `places` outputs; `single`: one frame, which meets the last tap in time alone.
  void add(const Weights& conv, double places, bool single) {
    const std::vector<int64_t> shape = conv.shape("weight");
    const double out = static_cast<double>(shape[0]), in = static_cast<double>(shape[1]);
    double taps = 1;
    for (size_t i = 2; i < shape.size(); ++i) {
      if (!(single && shape.size() == 5 && i == 2)) taps *= static_cast<double>(shape[i]);
    }
    work.convolution += 2 * out * in * taps * places;
    work.bytes += (2 * in + 2 * out) * places * e_;
  }

  void residual(const Weights& block, double places, bool single) {
    add(block.at("residual.2"), places, single);
    add(block.at("residual.6"), places, single);
    work.bytes += 3 * static_cast<double>(channels(block)) * places * e_;
    if (block.has_any_below("shortcut")) {
      const std::vector<int64_t> shape = block.shape("shortcut.weight");
      work.matmul += 2 * static_cast<double>(shape[0] * shape[1]) * places;
    }
  }

  void middle(const Weights& middle, double places) {
    residual(middle.at(0), places, true);
    const double c = static_cast<double>(middle.at(1).shape("proj.weight")[0]);
    work.matmul += 8 * places * c * c;
    work.attention += 4 * places * places * c;
    residual(middle.at(2), places, true);
  }

  static int64_t channels(const Weights& block) { return block.shape("residual.2.weight")[0]; }

  Work work;

 private:
  double e_;
};

/// One picture, in float32.
Work encode_work(const Weights& encoder, double height, double width) {
  Convolutions count(kFloat);
  double places = height * width * kSide * kSide / 4;  // two by two pixels are one place
  count.add(encoder.at("conv1"), places, true);
  const Weights stages = encoder.at("downsamples");
  for (int64_t s = 0; s < stages.count(); ++s) {
    const Weights parts = stages.at(s).at("downsamples");
    for (int64_t p = 0; p < parts.count(); ++p) {
      const Weights part = parts.at(p);
      if (part.has("residual.2.weight")) {
        count.residual(part, places, true);
      } else {
        places /= 4;
        count.add(part.at("resample.1"), places, true);
      }
    }
  }
  count.middle(encoder.at("middle"), places);
  count.add(encoder.at("head.2"), places, true);
  return count.work;
}

/// One latent: the clip's first gives one frame, any other four.
Work decode_work(const Weights& decoder, double height, double width, bool first, double e) {
  Convolutions count(e);
  double area = height * width, frames = 1;
  count.add(decoder.at("conv1"), area, first);
  // Others have a past, which makes the window one of three frames.
  count.residual(decoder.at("middle").at(0), area, first);
  const double c = static_cast<double>(decoder.at("middle").at(1).shape("proj.weight")[0]);
  count.work.matmul += 8 * area * c * c;
  count.work.attention += 4 * area * area * c;
  count.residual(decoder.at("middle").at(2), area, first);
  const Weights stages = decoder.at("upsamples");
  for (int64_t s = 0; s < stages.count(); ++s) {
    const Weights parts = stages.at(s).at("upsamples");
    for (int64_t p = 0; p < parts.count(); ++p) {
      const Weights part = parts.at(p);
      if (part.has("residual.2.weight")) {
        count.residual(part, frames * area, first);
        continue;
      }
      if (!first && part.has_any_below("time_conv")) {
        count.add(part.at("time_conv"), frames * area, false);
        frames *= 2;
      }
      area *= 4;
      count.add(part.at("resample.1"), frames * area, true);
    }
  }
  count.add(decoder.at("head.2"), frames * area, first);
  // Pixels in float32: moved, scaled, rounded, packed.
  count.work.bytes += frames * area * 12 * 6 * kFloat;
  return count.work;
}

/// Convolutions over time by their tensors' names, each at as many places as `length` says;
/// `spread`: bytes of an output that are moved around it.
template <typename Length>
Work sound_work(const TensorSource& source, Length length) {
  Work work;
  for (const TensorInfo& tensor : source.tensors()) {
    if (tensor.shape.size() != 3 || tensor.shape[2] > 64) continue;
    const double places = length(tensor.name);
    if (places == 0) continue;
    work.convolution += 2 * static_cast<double>(elements_of(tensor)) * places;
    // Around each: a norm or an activation at twice the rate, and what it adds to.
    work.bytes += 10 * static_cast<double>(tensor.shape[0]) * places * kFloat;
  }
  return work;
}

Work audio_vae_work(const TensorSource& source, double latents) {
  return sound_work(source, [latents](const std::string& name) -> double {
    if (!name.starts_with("decoder.")) return 0;
    const bool late = name.starts_with("decoder.up.0.") || name.starts_with("decoder.conv_out") ||
                      name.find(".upsample.") != std::string::npos;
    return late ? 2 * latents : latents;
  });
}

Work vocoder_work(const TensorSource& source, double mel_frames) {
  // The stages' lengths, by their kernels, which are twice their rates.
  std::vector<double> lengths;
  double length = mel_frames;
  for (size_t i = 0;; ++i) {
    const std::string name = "generator.ups." + std::to_string(i) + ".0";
    const TensorInfo* kernel = source.find(name + ".parametrizations.weight.original1");
    if (!kernel) kernel = source.find(name + ".weight_v");
    if (!kernel || kernel->shape.size() != 3) break;
    lengths.push_back(length);
    length *= static_cast<double>(kernel->shape[2]) / 2;
  }
  lengths.push_back(length);
  const auto number_after = [](const std::string& name, size_t at) {
    size_t number = 0;
    for (; at < name.size() && name[at] >= '0' && name[at] <= '9'; ++at)
      number = 10 * number + static_cast<size_t>(name[at] - '0');
    return number;
  };
  return sound_work(source, [&](const std::string& name) -> double {
    constexpr std::string_view kUps = "generator.ups.", kBlocks = "generator.resblocks.";
    if (name.find("filter") != std::string::npos || name.ends_with("original0")) return 0;
    if (name.starts_with("generator.conv_pre.")) return mel_frames;
    if (name.starts_with("generator.conv_post.")) return lengths.back();
    if (name.starts_with(kUps)) {
      const size_t i = number_after(name, kUps.size());
      return i < lengths.size() ? lengths[i] : 0;
    }
    if (!name.starts_with(kBlocks)) return 0;
    const size_t stage = number_after(name, kBlocks.size()) / 3 + 1;
    return stage < lengths.size() ? lengths[stage] : 0;
  });
}

Work text_work(const TensorSource& source, at::ScalarType dtype) {
  Work work;
  for (const TensorInfo& tensor : source.tensors()) {
    if (tensor.shape.size() != 2 || block_of(tensor.name) < 0) continue;
    const double elements = static_cast<double>(elements_of(tensor));
    work.matmul += 2 * elements * kUsualTokens;
    work.bytes += kTexts * elements * size_of(dtype);  // few tokens: reading weights is the work
  }
  return work;
}

}  // namespace

Work& Work::operator+=(const Work& other) {
  matmul += other.matmul;
  attention += other.attention;
  convolution += other.convolution;
  bytes += other.bytes;
  return *this;
}

Work Work::operator*(double times) const {
  return {matmul * times, attention * times, convolution * times, bytes * times};
}

Work denoise_work(const TensorSource& fusion, const VariantSpec& spec, const FrameSize& size,
                  const Request& request, const StepPolicy::Counts& steps, at::ScalarType dtype) {
  const Weights root = shapes_of(fusion);
  const std::vector<int64_t> ffn = root.shape("video_model.blocks.0.ffn.0.weight", 2);
  const double f = static_cast<double>(ffn[0]), d = static_cast<double>(ffn[1]);
  const int64_t layers = root.at("video_model").at("blocks").count();
  const double video =
      static_cast<double>(spec.video_latents * (size.height / 32) * (size.width / 32));
  const double audio = static_cast<double>(spec.audio_latents);
  const double e = size_of(dtype);
  // Norms, rotations, gates and sums read or write a token some ten times here and there.
  const auto self = [&](double n) { return Work{8 * n * d * d, 4 * n * n * d, 0, 11 * n * d * e}; };
  const auto rest = [&](double n, double other) {
    // q and o; keys and values of the other stream; the feed-forward network.
    return Work{4 * n * d * d + 4 * other * d * d + 4 * n * d * f, 4 * n * (kContext + other) * d,
                0, ((16 * n + 4 * other) * d + 2 * n * f) * e};
  };
  Work selves = self(video), block = selves;
  selves += self(audio);
  block += self(audio);
  block += rest(video, audio);
  block += rest(audio, video);

  const double depth = static_cast<double>(layers);
  const Work positive = block * depth;
  Work full = positive;
  if (needs_negative_pass(request)) {
    const bool skips = request.slg_layer > 0 && request.slg_layer < layers;
    full += block * (depth - (skips ? 1 : 0));
    full += selves * -1;  // the first self-attention is shared
  }
  Work all = full * static_cast<double>(steps.full);
  all += positive * static_cast<double>(steps.guidance_reused);
  return all;
}

ClipWork clip_work(const ModelSources& sources, const VariantSpec& spec, const FrameSize& size,
                   const Request& request, const StepPolicy::Counts& steps, at::ScalarType dtype,
                   at::ScalarType decode) {
  const double height = static_cast<double>(size.height) / kSide;
  const double width = static_cast<double>(size.width) / kSide;
  const Weights video_vae = shapes_of(*sources.video_vae);
  ClipWork work;
  work.text = text_work(*sources.text_encoder, dtype);
  if (request.has_image()) work.image = encode_work(video_vae.at("encoder"), height, width);
  work.denoise = denoise_work(*sources.fusion, spec, size, request, steps, dtype);
  const double latents = static_cast<double>(spec.audio_latents);
  work.sound = audio_vae_work(*sources.audio_vae, latents);
  work.sound += vocoder_work(*sources.vocoder, 2 * latents);
  const Weights decoder = video_vae.at("decoder");
  work.video = decode_work(decoder, height, width, true, size_of(decode));
  work.video += decode_work(decoder, height, width, false, size_of(decode)) *
                static_cast<double>(spec.video_latents - 1);
  return work;
}

}  // namespace ovi
