// One clip from request to frames and samples: read this file first.
//
// text -> first frame -> noise -> steps -> sound -> frames, latent by latent.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "parallel/group.h"
#include "pipeline/clip_format.h"
#include "pipeline/denoise.h"
#include "pipeline/frame_size.h"
#include "pipeline/loaded_model.h"
#include "pipeline/noise.h"
#include "pipeline/prompt_check.h"
#include "pipeline/request.h"
#include "runtime/cancel.h"
#include "runtime/stopwatch.h"

namespace ovi {

/// What a request will give.
struct ClipPlan {
  FrameSize size;
  int64_t frames = 0;   // at kFrameRate
  int64_t samples = 0;  // at kSampleRate, mono
};
inline constexpr int64_t kFrameRate = 24;      // frames per second
inline constexpr int64_t kSampleRate = 16000;  // Hz

enum class Stage { kLoad, kEncode, kGenerate, kDecode };

/// Who takes what a generation makes: on its caller's thread for a CPU, else on another one.
class ClipSink {
 public:
  virtual ~ClipSink() = default;
  /// A stage begins with done 0 and ends with done == total. Loading comes first, and
  /// again before a stage whose weights the memory plan does not keep. A clip that is
  /// begun again with a poorer plan leaves its stage open and starts with loading.
  virtual void progress(Stage stage, int64_t done, int64_t total, double seconds_left) = 0;
  /// After step `step` of `steps` in which it was asked for (Request::preview): what the clip is
  /// about to become, near frame `frame`. uint8 [h, w, 3], sRGB, on the host. A device is a step
  /// further by then.
  virtual void preview(int64_t /*step*/, int64_t /*steps*/, int64_t /*frame*/,
                       const at::Tensor& /*rgb*/) {}
  /// What the engine chose and why; one sentence, for a log.
  virtual void note(const std::string&) {}
  /// All samples [N], float32 or int16, on the host.
  virtual void audio(const at::Tensor& samples) = 0;
  /// Frames `first` and following, uint8 [T, bytes a frame], on the host.
  virtual void video(int64_t first, const at::Tensor& frames) = 0;
};

/// What was really run; seconds of wall clock. `load` is all reading of weights, wherever
/// it fell.
struct GenerationStats {
  int64_t seed = 0, steps = 0;
  double load = 0, text = 0, image = 0, denoise = 0, audio_decode = 0, video_decode = 0;
  double first_frame = 0, total = 0;
  uint64_t peak_device_bytes = 0, peak_host_bytes = 0;
  Memory memory = Memory::kResident;
  StepPolicy::Counts step_counts;
  std::string acceleration;  // one sentence: what the steps left out
};

/// For measurements and comparisons: given noise, a meter of what the blocks add, and a look at
/// what lies between the stages ("image", "image_latents", "video_latents", "audio_latents",
/// "audio", "video" once a latent).
struct Instruments {
  Latents noise;
  std::function<void(const char* name, const at::Tensor& tensor)> observe;
  MagnitudeMeter* meter = nullptr;
};

class Generator {
 public:
  explicit Generator(std::shared_ptr<LoadedModel> model) : model_(std::move(model)) {}

  const LoadedModel& model() const { return *model_; }

  /// Checks the request; needs no weights. To `warnings` (may be null) is added what a user
  /// may want to mend: at most 20 with those that are there already.
  ClipPlan plan(const Request& request, std::vector<Warning>* warnings) const;

  /// Makes the clip. Throws Error; kCancelled within one model block of the trigger on a
  /// CPU, and on a device within the few blocks (while decoding: the two latents) that the
  /// host is ahead of it.
  ///
  /// With a group of several ranks each of them calls this, with the same request and a model of
  /// its own, and computes its share (parallel/split.h). Rank 0 encodes the texts and the picture,
  /// draws the noise and decodes the sound; its sink alone gets previews, samples and frames. What
  /// fails on one rank fails there with its own error, and nothing is tried again. A group serves
  /// any number of clips, one after another.
  GenerationStats generate(const Request& request, ClipSink& sink, const Cancel* cancel,
                           const Instruments& instruments = {},
                           std::shared_ptr<parallel::Group> group = nullptr) const;

 private:
  /// make() with the plan that is chosen, and with poorer ones while memory ends.
  GenerationStats try_plans(const Request& request, ClipSink& sink, const Cancel* cancel,
                            const Instruments& instruments,
                            const std::shared_ptr<parallel::Group>& group) const;
  /// One try. `seed` is the chosen one, `whole` runs since the first try.
  GenerationStats make(const Request& request, int64_t seed, ClipSink& sink, const Cancel* cancel,
                       const Instruments& instruments, const Stopwatch& whole,
                       const std::shared_ptr<parallel::Group>& group) const;

  std::shared_ptr<LoadedModel> model_;
};

}  // namespace ovi
