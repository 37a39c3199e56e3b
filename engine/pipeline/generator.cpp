// SPDX-License-Identifier: Apache-2.0
#include "pipeline/generator.h"

#include <c10/core/InferenceMode.h>
#include <c10/util/Exception.h>

#include <algorithm>
#include <deque>
#include <limits>
#include <new>
#include <optional>
#include <random>
#include <utility>

#include "parallel/columns.h"
#include "parallel/split.h"
#include "pipeline/clip_progress.h"
#include "pipeline/first_frame.h"
#include "pipeline/preview_painter.h"
#include "pipeline/preview_pictures.h"
#include "pipeline/shared_inputs.h"
#include "pipeline/stage_check.h"
#include "runtime/device.h"
#include "runtime/error.h"
#include "runtime/host_copies.h"
#include "runtime/host_memory.h"
#include "runtime/threads.h"
#include "weights/mapping_guard.h"

namespace ovi {
namespace {

constexpr int64_t kLongestFrame = 8192;  // pixels
constexpr int64_t kFramesPerLatent = 4;  // the first latent is one frame
constexpr int64_t kSamplesPerLatent = 512;

int64_t choose_seed(int64_t wished) {
  if (wished >= 0) return wished;
  std::random_device entropy;
  std::uniform_int_distribution<int64_t> any(0, std::numeric_limits<int64_t>::max());
  return any(entropy);
}

// Which memory ended, if any. LibTorch's host allocator and NVIDIA's libraries have no
// exception type of their own.
std::optional<MemoryOf> memory_that_ended(const c10::Error& error) {
  if (dynamic_cast<const c10::OutOfMemoryError*>(&error)) return MemoryOf::kDevice;
  const std::string text = error.what_without_backtrace();
  const auto says = [&](const char* part) { return text.find(part) != std::string::npos; };
  if (says("DefaultCPUAllocator")) return MemoryOf::kHost;
  if (says("CUDA error: out of memory") || says("_STATUS_ALLOC_FAILED")) return MemoryOf::kDevice;
  return std::nullopt;
}

// A clip is at least 32 pixels high and wide; of a very long picture that makes it far larger
// than the variant's, and than a video may be.
void check_shape(const Request& request, const FrameSize& size, int64_t area) {
  if (std::max(size.height, size.width) <= kLongestFrame && size.height * size.width <= 2 * area) {
    return;
  }
  const auto text = [](int64_t width, int64_t height) {
    return std::to_string(width) + "x" + std::to_string(height);
  };
  throw Error(ErrorKind::kSettings,
              (request.has_image()
                   ? "The picture is too long and narrow: of " +
                         text(request.image_width, request.image_height) + " the clip would have "
                   : "Width and height are too different: the clip would have ") +
                  text(size.width, size.height) + " pixels. " +
                  (request.has_image() ? "Crop it." : "Choose them closer to each other."));
}

bool has_no_code_for_the_device(const c10::Error& error) {
  return std::string(error.what_without_backtrace()).find("no kernel image is available") !=
         std::string::npos;
}

}  // namespace

ClipPlan Generator::plan(const Request& request, std::vector<Warning>* warnings) const {
  check_request(request);
  const VariantSpec& spec = model_->folder().spec;
  ClipPlan plan;
  if (request.has_image()) {
    plan.size = frame_size_from_image(request.image_height, request.image_width, spec.area);
  } else {
    const bool wished = request.height > 0;
    plan.size = frame_size_from_request(wished ? request.height : spec.height,
                                        wished ? request.width : spec.width, spec.area);
  }
  check_shape(request, plan.size, spec.area);
  plan.frames = 1 + kFramesPerLatent * (spec.video_latents - 1);
  plan.samples = kSamplesPerLatent * spec.audio_latents;
  if (warnings) {
    const int64_t depth =
        request.slg_layer > 0 && needs_negative_pass(request) ? model_->fusion_depth() : 0;
    if (depth > 0 && request.slg_layer >= depth) {
      warnings->push_back({WarningCode::kSettings, -1,
                           "slg-layer " + std::to_string(request.slg_layer) +
                               " skips nothing: the model has " + std::to_string(depth) +
                               " blocks. Set it to " + std::to_string(depth - 1) +
                               " at most, or 0."});
    }
    std::vector<std::string> files = model_->incomplete_files();
    for (const std::string& lora : model_->lora_warnings()) files.push_back(lora);
    for (Warning& warning :
         check_prompt(request, spec, model_->tokenizer(), warnings->size() + files.size())) {
      warnings->push_back(std::move(warning));
    }
    for (const std::string& file : files) warnings->push_back({WarningCode::kModel, -1, file});
  }
  return plan;
}

GenerationStats Generator::generate(const Request& request, ClipSink& sink, const Cancel* cancel,
                                    const Instruments& instruments,
                                    std::shared_ptr<parallel::Group> group) const {
  if (group && group->size() == 1) group.reset();
  const FaultsTaken faults;
  const Turn::Holder turn(model_->turn, cancel);
  GenerationStats stats;
  on_lasting_thread(model_->device(), [&] {
    const FaultsTaken here;  // that thread is not this one, and blocks signals
    const c10::InferenceMode inference;
    stats = try_plans(request, sink, cancel, instruments, group);
  });
  return stats;
}

GenerationStats Generator::try_plans(const Request& request, ClipSink& sink, const Cancel* cancel,
                                     const Instruments& instruments,
                                     const std::shared_ptr<parallel::Group>& group) const {
  const Stopwatch whole;
  const int64_t seed = choose_seed(request.seed);  // the same in every try
  OnceSink once(sink);
  for (;;) {
    // What failed, for when nothing that failed holds memory any more.
    std::string why;
    MemoryOf ended = MemoryOf::kHost;
    try {
      return make(request, seed, once, cancel, instruments, whole, group);
    } catch (const Error& error) {
      // The files may be put right before the next clip.
      if (error.kind() == ErrorKind::kRead || error.kind() == ErrorKind::kFormat) model_->unload();
      throw;
    } catch (const c10::Error& error) {
      const std::optional<MemoryOf> known = memory_that_ended(error);
      if (!known && has_no_code_for_the_device(error)) {
        throw Error(ErrorKind::kLibraryInit,
                    "This LibTorch has no code for this GPU. Set device=cpu, or build with a "
                    "LibTorch that was made for it: meson setup -Dlibtorch=PATH.",
                    error.what_without_backtrace());
      }
      if (!known) throw;
      ended = *known;
      why = error.what_without_backtrace();
    } catch (const std::bad_alloc& error) {
      why = error.what();
    }
    // The other ranks of a group are somewhere in the middle.
    const bool again = ended == MemoryOf::kDevice && model_->has_poorer_plan() && !group;
    const Error error = model_->out_of_memory(ended, why);
    if (!again) throw error;
    sink.note(std::string(error.what()) + " The clip is begun again with less in it.");
  }
}

GenerationStats Generator::make(const Request& request, int64_t seed, ClipSink& sink,
                                const Cancel* cancel, const Instruments& instruments,
                                const Stopwatch& whole,
                                const std::shared_ptr<parallel::Group>& group) const {
  const ClipPlan plan = this->plan(request, nullptr);
  LoadedModel& model = *model_;
  const VariantSpec& spec = model.folder().spec;
  const c10::Device device = model.device();
  const auto observe = [&](const char* name, const at::Tensor& tensor) {
    if (instruments.observe) instruments.observe(name, tensor);
  };
  const bool guided = needs_negative_pass(request);
  ClipExtent extent = clip_extent(spec, plan.size);
  const SharedInputs shared(group, device);
  if (group) {
    extent.ranks = group->size();
    extent.first_rank = shared.made_here();
  }
  const parallel::Split split(
      group, FusionTransformer::video_tokens(extent.video_latents, extent.height, extent.width),
      extent.audio_latents, guided);
  GenerationStats stats;
  stats.seed = seed;
  const StepPolicy policy = shared.policy(step_policy(request, model.magnitudes()));
  stats.steps = policy.steps();
  stats.step_counts = policy.counts();
  stats.acceleration = policy.summary(request.steps);
  reset_peak_memory(device);

  Stopwatch watch;
  const double read_before = model.seconds_reading();
  double read = read_before;
  // A stage's seconds, without those in which weights were read.
  const auto lap = [&] {
    synchronize(device);
    const double reading = model.seconds_reading() - std::exchange(read, model.seconds_reading());
    return std::max(watch.lap() - reading, 0.0);
  };

  std::vector<std::string> texts = {format_for(spec, request.prompt)};
  if (guided) {
    texts.push_back(request.video_negative_prompt);
    texts.push_back(request.audio_negative_prompt);
  }
  std::shared_ptr<const Umt5Encoder> text_encoder;
  {
    LoadProgress loading(sink, cancel);
    model.prepare(extent, loading.reading);
    if (shared.made_here() && !model.texts.know(texts)) {
      text_encoder = model.text_encoder(loading.reading);
    }
    loading.finish(/*always=*/true);
  }
  stats.memory = model.choice().memory;
  sink.note(model.choice().why);
  for (const std::string& file : model.new_files()) sink.note(file);
  lap();

  Reading quietly;
  quietly.cancel = cancel;
  // A CPU computes with the mapped files themselves, and every device takes the tokens' rows from
  // one: a file that was cut short meanwhile gave zeros. All else is read, which fails at once.
  const auto require_whole = [&](const TensorSource& file) {
    if (device.is_cpu() || &file == model.sources().text_encoder.get()) file.check();
  };
  // At the ends of stages, where the device is waited for anyway.
  const auto require_numbers = [&](const std::string& stage, const at::Tensor& made,
                                   const TensorSource& file, const Arithmetic& arithmetic) {
    require_whole(file);
    if (!all_numbers(made).item<bool>()) throw no_numbers(stage, file, device, arithmetic);
  };
  std::shared_ptr<const FusionTransformer> fusion;
  const auto load_fusion = [&] {
    LoadProgress loading(sink, cancel);
    fusion = model.fusion(loading.reading);
    loading.finish(/*always=*/false);
  };
  if (!shared.made_here()) load_fusion();  // while rank 0 encodes
  StageProgress encoding(sink, Stage::kEncode,
                         static_cast<int64_t>(texts.size()) + (request.has_image() ? 1 : 0));
  std::vector<at::Tensor> embeddings;
  if (shared.made_here()) {
    embeddings = model.texts.embed(
        texts, model.tokenizer(), [&] { return std::move(text_encoder); }, cancel);
    for (const at::Tensor& text : embeddings) {
      require_numbers(stage_names::kText, text, *model.sources().text_encoder, model.arithmetic());
    }
  }
  embeddings =
      shared.texts(std::move(embeddings), static_cast<int64_t>(texts.size()), model.dtype());
  encoding.at(static_cast<int64_t>(texts.size()));
  stats.text = lap();
  Conditioning conditioning;
  PreviewChoice previews(model, request.preview > 0 && shared.made_here(), cancel);
  if (request.has_image() && shared.made_here()) {
    const at::Tensor image = prepare_first_frame(request.image.to(device), plan.size);
    observe("image", image);
    const auto encoder = model.video_encoder(quietly);
    conditioning.image_latents = encoder->encode(image, cancel).squeeze(0);
    previews.fit(encoder);
    previews.add(conditioning.image_latents.squeeze(1), image);
    observe("image_latents", conditioning.image_latents);
    require_numbers(stage_names::kImage, conditioning.image_latents, *model.sources().video_vae,
                    at::kFloat);
    encoding.at(static_cast<int64_t>(texts.size()) + 1);
    stats.image = lap();
  } else if (previews.fits()) {
    previews.fit(nullptr);
    stats.image = lap();
  }
  if (request.has_image()) {
    conditioning.image_latents =
        shared.image_latents(std::move(conditioning.image_latents),
                             {video_vae::kLatentChannels, 1, extent.height, extent.width});
  }
  encoding.finish();

  PreviewPainter painter =
      previews.painter(quietly, [&](const std::string& note) { sink.note(note); });
  if (!fusion) load_fusion();
  if (guided && request.slg_layer >= fusion->num_blocks()) {
    sink.note(std::string("slg-layer ") + std::to_string(request.slg_layer) +
              " skips nothing: the model has " + std::to_string(fusion->num_blocks()) + " blocks.");
  }
  const OwnPasses own = own_passes(policy, split);
  std::vector<FusionTransformer::Texts> pairs;
  if (own.positive) pairs.push_back({embeddings[0], embeddings[0]});
  if (own.negative) pairs.push_back({embeddings[1], embeddings[2]});
  std::vector<FusionTransformer::Context> contexts = fusion->encode_contexts(pairs, cancel);
  pairs.clear();
  embeddings.clear();
  if (own.positive) conditioning.positive = std::move(contexts.front());
  if (guided) conditioning.negative.emplace();
  if (own.negative) conditioning.negative = std::move(contexts.back());

  Latents noise = instruments.noise;
  const std::vector<int64_t> video_shape = {fusion->video_channels(), spec.video_latents,
                                            extent.height, extent.width},
                             audio_shape = {spec.audio_latents, fusion->audio_channels()};
  if (!noise.video.defined() && shared.made_here()) {
    noise = make_noise(video_shape, audio_shape, static_cast<uint64_t>(stats.seed), model.dtype(),
                       device);
  }
  noise = shared.noise(std::move(noise), video_shape, audio_shape);
  std::optional<PreviewPictures> preview;
  if (painter) {
    preview.emplace(sink, std::move(painter), device, request, spec.video_latents, policy.steps());
  }
  StageProgress generating(sink, Stage::kGenerate, policy.steps());
  const Latents latents = denoise(
      *fusion, conditioning, noise, request, policy,
      [&](int64_t done) {
        if (preview) preview->hand_on(/*all=*/false);
        generating.at(done, policy.share_done(done));
      },
      cancel, instruments.meter, preview ? &preview->peek() : nullptr, &split);
  if (preview) preview->hand_on(/*all=*/true);
  preview.reset();
  conditioning = {};
  contexts.clear();
  fusion.reset();
  noise = {};
  observe("video_latents", latents.video);
  observe("audio_latents", latents.audio);
  for (const at::Tensor& made : {latents.video, latents.audio}) {
    require_numbers(stage_names::kDenoise, made, *model.sources().fusion, model.arithmetic());
  }
  stats.denoise = lap();

  StageProgress decoding(sink, Stage::kDecode, spec.video_latents);
  const HostCopies copies(device);
  if (shared.made_here()) {
    const at::Tensor mel =
        model.audio_decoder(quietly)->decode(latents.audio.t().unsqueeze(0), cancel);
    require_numbers(stage_names::kAudio, mel, *model.sources().audio_vae, at::kFloat);
    const at::Tensor audio = (*model.vocoder(quietly))(mel, cancel).flatten();
    observe("audio", audio);
    require_numbers(stage_names::kVocoder, audio, *model.sources().vocoder, at::kFloat);
    sink.audio(copies.start(pack_samples(audio, request.sample_format)).get());
    stats.audio_decode = lap();
  }

  // A device has the next latent to decode while the frames of this one leave.
  const parallel::Columns columns(group, extent.width);
  const auto video_decoder = columns.none() ? nullptr : model.video_decoder(quietly);
  auto stream = video_decoder ? video_decoder->start(latents.video.unsqueeze(0), cancel, columns,
                                                     model.portions().strips)
                              : VideoVaeDecoder::Stream();
  struct Leaving {
    HostCopy frames, numbers;  // the second: whether they were made of numbers, before 8 bits
  };
  std::deque<Leaving> leaving;
  int64_t frame = 0, latent = 0;
  while (!stream.done() || !leaving.empty()) {
    if (!stream.done()) {
      const at::Tensor video = stream.next();
      if (!video.defined()) {  // rank 0 has the whole pictures
        require_whole(*model.sources().video_vae);
        decoding.at(++latent);
        continue;
      }
      observe("video", video);
      HostCopy numbers = copies.start(all_numbers(video));
      leaving.push_back(
          {copies.start(pack_frames(video, request.pixel_format)), std::move(numbers)});
      if (leaving.size() == 1 && !leaving.front().frames.there()) continue;
    }
    const at::Tensor frames = leaving.front().frames.get();
    const bool numbers = leaving.front().numbers.get().item<bool>();
    leaving.pop_front();
    require_whole(*model.sources().video_vae);
    if (!numbers) {
      throw no_numbers(stage_names::kVideo, *model.sources().video_vae, device, model.arithmetic());
    }
    if (frame == 0) stats.first_frame = whole.seconds();
    sink.video(frame, frames);
    frame += frames.size(0);
    decoding.at(++latent);
  }
  decoding.finish();
  stats.video_decode = lap();
  stats.load = model.seconds_reading() - read_before;
  stats.total = whole.seconds();
  stats.peak_device_bytes = peak_device_bytes(device);
  stats.peak_host_bytes = peak_host_bytes();
  return stats;
}

}  // namespace ovi
