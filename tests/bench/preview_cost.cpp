// SPDX-License-Identifier: Apache-2.0
#include "preview_cost.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/randn.h>
#include <c10/core/InferenceMode.h>

#include <algorithm>
#include <cstdio>
#include <functional>
#include <limits>

#include "pipeline/preview.h"
#include "runtime/device.h"
#include "runtime/host_copies.h"
#include "runtime/stopwatch.h"
#include "sampling/scheduler.h"

namespace ovi::bench {
namespace {

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
          {"share_of_clip", each / clip_seconds}};
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
}

}  // namespace ovi::bench
