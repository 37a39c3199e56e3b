// SPDX-License-Identifier: Apache-2.0
#include "precision.h"

#include <cstdio>
#include <memory>
#include <string_view>
#include <utility>

#include "quality.h"

namespace ovi::bench {
namespace {

constexpr std::pair<const char*, Precision> kPrecisions[] = {
    {"fp32", Precision::kFp32}, {"bf16", Precision::kBf16}, {"fp8", Precision::kFp8}};

struct Clip {
  ClipKeeper kept;
  at::Tensor video_latents, audio_latents;
};

}  // namespace

std::optional<Precision> precision_of(const std::string& name) {
  for (const auto& [known, precision] : kPrecisions) {
    if (name == known) return precision;
  }
  return std::nullopt;
}

nlohmann::json compare_precision(const LoadedModel& prepared, const c10::Device& device,
                                 Request request) {
  request.pixel_format = PixelFormat::kRgb;
  request.sample_format = SampleFormat::kF32;
  nlohmann::json rows = nlohmann::json::array();
  Clip truth;
  for (const auto& [name, precision] : kPrecisions) {
    const auto model =
        std::make_shared<LoadedModel>(prepared.folder(), device, arithmetic_of(precision, device));
    model->set_sources(prepared.sources(), prepared.made_up());
    Clip clip;
    Clip& made = precision == Precision::kFp32 ? truth : clip;
    Instruments instruments;
    instruments.observe = [&](const char* stage, const at::Tensor& tensor) {
      if (std::string_view(stage) == "video_latents") made.video_latents = tensor.clone();
      if (std::string_view(stage) == "audio_latents") made.audio_latents = tensor.clone();
    };
    // The noise of fp32 for all: another dtype draws other numbers.
    if (&made != &truth) {
      instruments.noise = make_noise(truth.video_latents.sizes(), truth.audio_latents.sizes(),
                                     static_cast<uint64_t>(request.seed), at::kFloat, device);
    }
    const GenerationStats stats =
        Generator(model).generate(request, made.kept, nullptr, instruments);
    rows.push_back({{"precision", name},
                    {"denoise_seconds", stats.denoise},
                    {"video_latents_snr", decibels(snr(made.video_latents, truth.video_latents))},
                    {"audio_latents_snr", decibels(snr(made.audio_latents, truth.audio_latents))},
                    {"frames_psnr", decibels(psnr(made.kept.frames(), truth.kept.frames()))},
                    {"audio_snr", decibels(snr(made.kept.samples(), truth.kept.samples()))}});
  }
  return rows;
}

void print_precision(const nlohmann::json& comparison) {
  for (const nlohmann::json& row : comparison) {
    std::printf("  %-5s %10.3f s denoising, frames %s, audio %s; latents %s and %s\n",
                row["precision"].get<std::string>().c_str(), row["denoise_seconds"].get<double>(),
                shown(row["frames_psnr"]).c_str(), shown(row["audio_snr"]).c_str(),
                shown(row["video_latents_snr"]).c_str(), shown(row["audio_latents_snr"]).c_str());
  }
}

}  // namespace ovi::bench
