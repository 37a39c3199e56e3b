// SPDX-License-Identifier: Apache-2.0
#include "preview_cost.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/randn.h>
#include <c10/core/InferenceMode.h>

#include <algorithm>
#include <cstdio>
#include <functional>
#include <limits>

#include "../engine/memory_source.h"
#include "../parity/hashed_weights.h"
#include "pipeline/preview_painter.h"
#include "runtime/device.h"
#include "runtime/host_copies.h"
#include "runtime/stopwatch.h"
#include "sampling/scheduler.h"

namespace ovi::bench {
namespace {

// Multiplications and additions for one latent by taew2_2's decoder: convolutions of a latent's
// 1, 4, 16 and 64 places, as models/tiny_video_decoder.h leaves out what the last frame does not
// need.
constexpr double kDecoderOperations =
    2.0 * (9 * 48 * 256 + 9 * 9 * 256 * 256 + 256 * 256 +
           4 * (9 * 256 * 128 + 9 * 9 * 128 * 128 + 128 * 256) +
           16 * (2 * 9 * 128 * 64 + 18 * 9 * 64 * 64 + 64 * 64) + 64 * (9 * 64 * 64 + 9 * 64 * 12));

double least_seconds(const c10::Device& device, int tries, const std::function<void()>& work) {
  double least = std::numeric_limits<double>::infinity();
  for (int i = 0; i < tries; ++i) {
    synchronize(device);
    const Stopwatch watch;
    work();
    synchronize(device);
    least = std::min(least, watch.seconds());
  }
  return least;
}

}  // namespace

nlohmann::json measure_previews(LoadedModel& model, const ClipPlan& plan, int64_t steps,
                                double clip_seconds) {
  const c10::InferenceMode inference;
  const c10::Device device = model.device();
  const int64_t height = plan.size.height / video_vae::kSpatialFactor,
                width = plan.size.width / video_vae::kSpatialFactor;
  const auto random = [&](at::IntArrayRef shape) { return at::randn(shape).to(device); };
  const at::Tensor latents = random({48, height, width}), velocity = random({48, height, width});
  const at::Tensor image = random({1, 3, plan.size.height, plan.size.width});
  Reading quietly;
  const auto encoder = model.video_encoder(quietly);

  PreviewFit fit;
  const double first = least_seconds(
      device, 3, [&] { fit = PreviewFit::of_test_pictures(*encoder, device, nullptr); });
  const double clip = least_seconds(device, 5, [&] {
    PreviewFit own = fit;
    own.add(latents, image);
    own.solve(device);
  });
  const PreviewMap map = fit.solve(device);
  const HostCopies copies(device);
  const auto scheduler = make_scheduler(Solver::kUnipc, 50, 5.0);
  const double picture = least_seconds(
      device, 100, [&] { copies.start(map(scheduler->clean(7, velocity, latents))).get(); });

  // What it costs does not depend on the values.
  const PreviewPainter by_decoder = painter_of(std::make_shared<const TinyVideoDecoder>(
      Weights(std::make_shared<test::MemorySource>(parity::hashed_preview_decoder(false)),
              {at::kFloat, device, {}})));
  const double decoded = least_seconds(
      device, 5, [&] { copies.start(by_decoder(scheduler->clean(7, velocity, latents))).get(); });

  const double each = clip + picture * static_cast<double>(steps);
  const double latent_values = 48.0 * static_cast<double>(height * width);
  constexpr double kOutputs = 3 * kPreviewPixels * kPreviewPixels;
  return {{"width", kPreviewPixels * width},
          {"height", kPreviewPixels * height},
          {"first_clip_seconds", first},
          {"clip_seconds", clip},
          {"picture_seconds", picture},
          {"picture_mflop", (2 * latent_values + 2 * latent_values * kOutputs) / 1e6},
          {"pictures", steps},
          {"share_of_first_clip", (first + each) / clip_seconds},
          {"share_of_clip", each / clip_seconds},
          {"decoder_picture_seconds", decoded},
          {"decoder_picture_gflop", kDecoderOperations * static_cast<double>(height * width) / 1e9},
          {"decoder_share_of_clip", decoded * static_cast<double>(steps) / clip_seconds}};
}

void print_previews(const nlohmann::json& m) {
  std::printf(
      "  previews      %lldx%lld: %.4f s once, %.4f s a clip, %.6f s (%.2f MFLOP) a picture;"
      " with %lld pictures %.2f %% of the first clip, %.2f %% of each other\n",
      m["width"].get<long long>(), m["height"].get<long long>(),
      m["first_clip_seconds"].get<double>(), m["clip_seconds"].get<double>(),
      m["picture_seconds"].get<double>(), m["picture_mflop"].get<double>(),
      m["pictures"].get<long long>(), 100 * m["share_of_first_clip"].get<double>(),
      100 * m["share_of_clip"].get<double>());
  std::printf(
      "  by a decoder  %.4f s (%.1f GFLOP) a picture; with %lld pictures %.2f %% of a clip\n",
      m["decoder_picture_seconds"].get<double>(), m["decoder_picture_gflop"].get<double>(),
      m["pictures"].get<long long>(), 100 * m["decoder_share_of_clip"].get<double>());
}

}  // namespace ovi::bench
