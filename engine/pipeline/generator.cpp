// SPDX-License-Identifier: Apache-2.0
#include "pipeline/generator.h"

#include <c10/core/InferenceMode.h>

#include <deque>
#include <limits>
#include <optional>
#include <random>

#include "pipeline/first_frame.h"
#include "runtime/device.h"
#include "runtime/error.h"
#include "runtime/host_copies.h"
#include "runtime/stopwatch.h"

namespace ovi {
namespace {

constexpr int64_t kDefaultHeight = 512, kDefaultWidth = 992;  // text only, before scaling
constexpr int64_t kPixelsPerLatent = 16;
constexpr int64_t kFramesPerLatent = 4;  // the first latent is one frame
constexpr int64_t kSamplesPerLatent = 512;
constexpr int64_t kMiB = 1 << 20;

int64_t choose_seed(int64_t wished) {
  if (wished >= 0) return wished;
  std::random_device entropy;
  std::uniform_int_distribution<int64_t> any(0, std::numeric_limits<int64_t>::max());
  return any(entropy);
}

// A stage's progress with the time that is left, from the time so far.
class StageProgress {
 public:
  StageProgress(ClipSink& sink, Stage stage, int64_t total)
      : sink_(sink), stage_(stage), total_(total) {
    sink_.progress(stage_, 0, total_, -1.0);
  }
  /// Does nothing where `done` is no news.
  void at(int64_t done) { at(done, static_cast<double>(done) / static_cast<double>(total_)); }
  /// `share` of the stage's work is done, where its parts are not alike.
  void at(int64_t done, double share) {
    if (done <= done_) return;
    done_ = done;
    const double so_far = watch_.seconds();
    const bool known = so_far >= kFirstEstimate || done == total_;
    const double left = so_far / share * (1.0 - share);
    sink_.progress(stage_, done, total_, known ? left : -1.0);
  }
  void finish() { at(total_); }

 private:
  static constexpr double kFirstEstimate = 0.25;  // seconds; before that it would be a guess

  ClipSink& sink_;
  Stage stage_;
  int64_t total_, done_ = 0;
  Stopwatch watch_;
};

}  // namespace

ClipPlan Generator::plan(const Request& request, std::vector<Warning>* warnings) const {
  check_request(request);
  const VariantSpec& spec = model_->folder().spec;
  ClipPlan plan;
  if (request.has_image()) {
    plan.size = frame_size_from_image(request.image_height, request.image_width, spec.area);
  } else {
    const bool wished = request.height > 0;
    plan.size = frame_size_from_request(wished ? request.height : kDefaultHeight,
                                        wished ? request.width : kDefaultWidth, spec.area);
  }
  plan.frames = 1 + kFramesPerLatent * (spec.video_latents - 1);
  plan.samples = kSamplesPerLatent * spec.audio_latents;
  if (warnings) *warnings = check_prompt(request, spec, model_->tokenizer());
  return plan;
}

void Generator::load(ClipSink& sink, const Cancel* cancel) const {
  std::optional<StageProgress> progress;
  model_->load(
      [&](int64_t done, int64_t total) {
        if (!progress) progress.emplace(sink, Stage::kLoad, total / kMiB + 1);
        progress->at(done / kMiB);
      },
      cancel);
  if (!progress) progress.emplace(sink, Stage::kLoad, 1);  // it was there already
  progress->finish();
}

GenerationStats Generator::generate(const Request& request, ClipSink& sink, const Cancel* cancel,
                                    const Instruments& instruments) const {
  const c10::InferenceMode inference;
  const Stopwatch whole;
  const ClipPlan plan = this->plan(request, nullptr);
  const Turn::Holder turn(model_->turn, cancel);
  LoadedModel& model = *model_;
  const VariantSpec& spec = model.folder().spec;
  const c10::Device device = model.device();
  const auto observe = [&](const char* name, const at::Tensor& tensor) {
    if (instruments.observe) instruments.observe(name, tensor);
  };
  GenerationStats stats;
  stats.seed = choose_seed(request.seed);
  const StepPolicy policy = step_policy(request, model.magnitudes());
  stats.steps = policy.steps();
  stats.step_counts = policy.counts();
  stats.acceleration = policy.summary(request.steps);
  reset_peak_memory(device);

  Stopwatch watch;
  const auto lap = [&] {
    synchronize(device);
    return watch.lap();
  };

  load(sink, cancel);
  stats.load = lap();

  const bool guided = needs_negative_pass(request);
  StageProgress encoding(sink, Stage::kEncode,
                         1 + (guided ? 2 : 0) + (request.has_image() ? 1 : 0));
  int64_t encoded = 0;
  const auto embed = [&](const std::string& text) {
    at::Tensor embedding = model.texts.embed(text, model.tokenizer(), model.text_encoder(), cancel);
    encoding.at(++encoded);
    return embedding;
  };
  Conditioning conditioning;
  const at::Tensor positive = embed(format_for(spec, request.prompt));
  conditioning.positive = model.fusion().encode_context(positive, positive);
  if (guided) {
    const at::Tensor video = embed(request.video_negative_prompt);
    const at::Tensor audio = embed(request.audio_negative_prompt);
    conditioning.negative = model.fusion().encode_context(video, audio);
  }
  stats.text = lap();
  if (request.has_image()) {
    const at::Tensor image = prepare_first_frame(request.image.to(device), plan.size);
    observe("image", image);
    conditioning.image_latents = model.video_encoder().encode(image, cancel).squeeze(0);
    observe("image_latents", conditioning.image_latents);
    encoding.at(++encoded);
    stats.image = lap();
  }
  encoding.finish();

  Latents noise = instruments.noise;
  if (!noise.video.defined()) {
    noise = make_noise({model.fusion().video_channels(), spec.video_latents,
                        plan.size.height / kPixelsPerLatent, plan.size.width / kPixelsPerLatent},
                       {spec.audio_latents, model.fusion().audio_channels()},
                       static_cast<uint64_t>(stats.seed), model.dtype(), device);
  }
  StageProgress generating(sink, Stage::kGenerate, policy.steps());
  const Latents latents = denoise(
      model.fusion(), conditioning, noise, request, policy,
      [&](int64_t done) { generating.at(done, policy.share_done(done)); }, cancel,
      instruments.meter);
  conditioning = {};
  noise = {};
  observe("video_latents", latents.video);
  observe("audio_latents", latents.audio);
  stats.denoise = lap();

  StageProgress decoding(sink, Stage::kDecode, spec.video_latents);
  const at::Tensor mel = model.audio_decoder().decode(latents.audio.t().unsqueeze(0), cancel);
  const at::Tensor audio = model.vocoder()(mel, cancel).flatten();
  observe("audio", audio);
  const HostCopies copies(device);
  sink.audio(copies.start(pack_samples(audio, request.sample_format)).get());
  stats.audio_decode = lap();

  // A device has the next latent to decode while the frames of this one leave.
  auto stream = model.video_decoder().start(latents.video.unsqueeze(0), cancel);
  std::deque<HostCopy> leaving;
  int64_t frame = 0, latent = 0;
  while (!stream.done() || !leaving.empty()) {
    if (!stream.done()) {
      const at::Tensor video = stream.next();
      observe("video", video);
      leaving.push_back(copies.start(pack_frames(video, request.pixel_format)));
      if (leaving.size() == 1 && !leaving.front().there()) continue;
    }
    const at::Tensor frames = leaving.front().get();
    leaving.pop_front();
    if (frame == 0) stats.first_frame = whole.seconds();
    sink.video(frame, frames);
    frame += frames.size(0);
    decoding.at(++latent);
  }
  stats.video_decode = lap();
  stats.total = whole.seconds();
  stats.peak_device_bytes = peak_device_bytes(device);
  stats.peak_host_bytes = peak_host_bytes();
  return stats;
}

}  // namespace ovi
