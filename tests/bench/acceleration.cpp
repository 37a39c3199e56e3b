// SPDX-License-Identifier: Apache-2.0
#include "acceleration.h"

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <utility>

#include "quality.h"
#include "runtime/device.h"
#include "runtime/error.h"
#include "sampling/magnitude_file.h"

namespace ovi::bench {
namespace {

constexpr std::pair<const char*, Acceleration> kKinds[] = {{"none", Acceleration::kNone},
                                                           {"balanced", Acceleration::kBalanced},
                                                           {"fast", Acceleration::kFast}};

void write(const std::string& path, const at::Tensor& tensor) {
  const at::Tensor whole = tensor.to(at::kCPU).contiguous();
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  file.write(static_cast<const char*>(whole.const_data_ptr()),
             static_cast<std::streamsize>(whole.nbytes()));
  file.close();
  if (!file) throw Error(ErrorKind::kFailed, "Cannot write \"" + path + "\".");
}

}  // namespace

std::optional<Acceleration> acceleration_of(const std::string& name) {
  for (const auto& [known, kind] : kKinds) {
    if (name == known) return kind;
  }
  return std::nullopt;
}

nlohmann::json compare_acceleration(const Generator& generator, const Request& request) {
  nlohmann::json rows = nlohmann::json::array();
  ClipKeeper truth;
  for (const auto& [name, kind] : kKinds) {
    Request wanted = request;
    wanted.acceleration = kind;
    wanted.pixel_format = PixelFormat::kRgb;
    wanted.sample_format = SampleFormat::kF32;
    ClipKeeper clip;
    ClipKeeper& kept = kind == Acceleration::kNone ? truth : clip;
    const GenerationStats stats = generator.generate(wanted, kept, nullptr);
    rows.push_back({{"kind", name},
                    {"steps", stats.steps},
                    {"full_steps", stats.step_counts.full},
                    {"guidance_reused_steps", stats.step_counts.guidance_reused},
                    {"reused_steps", stats.step_counts.reused},
                    {"summary", stats.acceleration},
                    {"denoise_seconds", stats.denoise},
                    {"frames_psnr", decibels(psnr(kept.frames(), truth.frames()))},
                    {"audio_snr", decibels(snr(kept.samples(), truth.samples()))}});
  }
  return rows;
}

void print_comparison(const nlohmann::json& comparison) {
  for (const nlohmann::json& row : comparison) {
    std::printf("  %-9s %10.3f s denoising, frames %s, audio %s: %s\n",
                row["kind"].get<std::string>().c_str(), row["denoise_seconds"].get<double>(),
                shown(row["frames_psnr"]).c_str(), shown(row["audio_snr"]).c_str(),
                row["summary"].get<std::string>().c_str());
  }
}

void calibrate(const Generator& generator, Request request, const std::string& path) {
  request.acceleration = Acceleration::kNone;
  MagnitudeMeter meter;
  Instruments instruments;
  instruments.meter = &meter;
  ClipKeeper unused;
  generator.generate(request, unused, nullptr, instruments);
  const LoadedModel& model = generator.model();
  std::ostringstream about;
  about << request.steps << " steps, shift " << request.shift << ", video guidance "
        << request.video_guidance_scale << ", audio guidance " << request.audio_guidance_scale
        << ", " << precision_name(model.dtype()) << " on " << model.device().str();
  write_magnitudes(path, model.folder().spec.name, meter.ratios(), about.str());
}

void save_clip(const Generator& generator, const Request& request, const std::string& path) {
  std::filesystem::create_directories(path);
  Instruments instruments;
  instruments.observe = [&](const char* name, const at::Tensor& tensor) {
    const std::string_view stage = name;
    if (stage == "video_latents" || stage == "audio_latents" || stage == "audio") {
      write(path + "/" + name + ".f32", tensor.to(at::kFloat));
    }
  };
  ClipKeeper clip;
  generator.generate(request, clip, nullptr, instruments);
  write(path + "/frames.rgb", clip.frames());
}

}  // namespace ovi::bench
