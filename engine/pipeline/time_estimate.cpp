// SPDX-License-Identifier: Apache-2.0
#include "pipeline/time_estimate.h"

#include <algorithm>

#include "nn/prepare.h"
#include "pipeline/clip_work.h"
#include "pipeline/denoise.h"
#include "pipeline/generator.h"
#include "runtime/threads.h"
#include "weights/weights.h"

namespace ovi {
namespace {

/// Between convolutions of frames lie windows, copies of a past and enlargements that are not
/// counted: measured, frames took a quarter longer than their convolutions and norms say.
constexpr double kAroundFrames = 1.25;

/// The largest channels whose convolutions are most of the work: those of the last stage.
ProbeShapes shapes_of(const ModelSources& sources, const VariantSpec& spec, const FrameSize& size,
                      at::ScalarType decode) {
  ProbeShapes shapes;
  const Weights fusion(sources.fusion, {});
  const std::vector<int64_t> ffn = fusion.shape("video_model.blocks.0.ffn.0.weight", 2);
  shapes.ffn = ffn[0];
  shapes.dim = ffn[1];
  shapes.tokens = spec.video_latents * (size.height / 32) * (size.width / 32);
  const Weights vae(sources.video_vae, {});
  // The last stage of the decoder has its channels, and so has its head.
  shapes.frame_channels = vae.shape("decoder.head.2.weight", 5)[1];
  shapes.picture_channels = vae.shape("encoder.conv1.weight", 5)[0];
  const Weights vocoder(sources.vocoder, {});
  const char* first =
      vocoder.has("generator.conv_pre.bias") ? "generator.conv_pre.bias" : "conv_pre.bias";
  shapes.sound_channels = std::max<int64_t>(vocoder.shape(first, 1)[0] / 8, 1);
  shapes.decode = decode;
  return shapes;
}

}  // namespace

TimeEstimate estimate_time(const std::shared_ptr<LoadedModel>& model, const Request& request,
                           const Cancel* cancel) {
  const ClipPlan plan = Generator(model).plan(request, nullptr);
  const VariantSpec& spec = model->folder().spec;
  model->stage_needs(clip_extent(spec, plan.size));  // opens the files
  const Arithmetic arithmetic = model->arithmetic();
  const at::ScalarType decode = model->decode_dtype();
  const StepPolicy policy = step_policy(request, model->magnitudes());
  const ClipWork work = clip_work(model->sources(), spec, plan.size, request, policy.counts(),
                                  arithmetic.dtype, decode);
  TimeEstimate estimate;
  estimate.steps = policy.steps();
  const ProbeShapes shapes = shapes_of(model->sources(), spec, plan.size, decode);
  // Where clips are made, so that plans of convolutions are kept for one thread.
  on_lasting_thread(model->device(), [&] {
    nn::prepare(model->device(), arithmetic);
    estimate.rates = measure_rates(model->device(), arithmetic, shapes, cancel);
  });
  const DeviceRates& rates = estimate.rates;
  const auto seconds = [&](const Work& one, double convolution) {
    return one.matmul / rates.matmul + one.attention / rates.attention +
           one.convolution / convolution + one.bytes / rates.bytes;
  };
  estimate.text = seconds(work.text, rates.picture_convolution);
  estimate.image = kAroundFrames * seconds(work.image, rates.picture_convolution);
  estimate.denoise = seconds(work.denoise, rates.frame_convolution);
  estimate.sound = seconds(work.sound, rates.sound_convolution);
  estimate.video = kAroundFrames * seconds(work.video, rates.frame_convolution);
  return estimate;
}

}  // namespace ovi
