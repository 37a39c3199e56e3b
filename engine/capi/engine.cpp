// The functions of ovi/engine.h.
// SPDX-License-Identifier: Apache-2.0
#include "ovi/engine.h"

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "capi/cancel.h"
#include "capi/convert.h"
#include "capi/plain_text.h"
#include "capi/status.h"
#include "pipeline/engine_config.h"
#include "pipeline/generator.h"
#include "pipeline/launched_ranks.h"
#include "pipeline/ranks.h"
#include "runtime/error.h"
#include "runtime/turn.h"

struct ovi_engine {
  ovi::Generator generator;
  std::string unusable_gpus;  // that device=auto passed over
  ovi::RankedModel ranked;    // no ranks: one device, or those of a launcher have not come yet
  std::shared_ptr<ovi::LaunchedRanks> launched;
  ovi::EngineConfig config;  // of the model that these are to open
  ovi::Turn opening;

  const ovi::RankedModel& on_all_ranks(const ovi::Cancel* cancel) {
    if (!launched) return ranked;
    const ovi::Turn::Holder turn(opening, cancel);
    if (!ranked.ranks) {
      const std::shared_ptr<ovi::Ranks> ranks = launched->come(cancel);
      ranked = {ranks, ranks->open(config, /*compare=*/true, cancel)};
    }
    return ranked;
  }
};

namespace {

using namespace ovi;
using namespace ovi::capi;

template <typename Pointer>
void require(Pointer pointer, const char* name) {
  if (pointer == nullptr) throw Error(ErrorKind::kSettings, std::string(name) + " is NULL.");
}

// A buffer's owner is a tensor that keeps the bytes alive.
void* keep(const at::Tensor& tensor) { return new at::Tensor(tensor); }

class CallbackSink final : public ClipSink {
 public:
  CallbackSink(const ovi_callbacks& callbacks, FrameLayout layout)
      : callbacks_(callbacks), layout_(layout) {}

  void progress(Stage stage, int64_t done, int64_t total, double seconds_left) override {
    if (!callbacks_.progress) return;
    ovi_progress progress{};
    progress.size = sizeof progress;
    progress.stage = from_stage(stage);
    progress.done = static_cast<uint32_t>(done);
    progress.total = static_cast<uint32_t>(total);
    progress.seconds_left = seconds_left;
    callbacks_.progress(callbacks_.user, &progress);
  }

  void preview(int64_t step, int64_t steps, int64_t frame, const at::Tensor& rgb) override {
    if (!callbacks_.preview) return;
    ovi_preview preview{};
    preview.size = sizeof preview;
    preview.step = static_cast<uint32_t>(step);
    preview.steps = static_cast<uint32_t>(steps);
    preview.frame = static_cast<uint32_t>(frame);
    preview.height = static_cast<uint32_t>(rgb.size(0));
    preview.width = static_cast<uint32_t>(rgb.size(1));
    preview.stride = static_cast<size_t>(rgb.stride(0));
    preview.rgb = rgb.const_data_ptr<uint8_t>();
    callbacks_.preview(callbacks_.user, &preview);
  }

  void note(const std::string& message) override {
    if (!callbacks_.note) return;
    callbacks_.note(callbacks_.user, plain_text(message, kLongestMessage, Lines::kOne).c_str());
  }

  void audio(const at::Tensor& samples) override {
    if (!callbacks_.audio) return;
    ovi_audio audio{};
    audio.size = sizeof audio;
    audio.data = samples.const_data_ptr();
    audio.bytes = samples.nbytes();
    audio.samples = static_cast<uint32_t>(samples.numel());
    audio.owner = keep(samples);
    callbacks_.audio(callbacks_.user, &audio);
  }

  void video(int64_t first, const at::Tensor& frames) override {
    if (!callbacks_.video) return;
    for (int64_t i = 0; i < frames.size(0); ++i) {
      const at::Tensor bytes = frames[i];
      ovi_video_frame frame{};
      frame.size = sizeof frame;
      frame.index = static_cast<uint32_t>(first + i);
      frame.data = bytes.const_data_ptr<uint8_t>();
      frame.bytes = bytes.nbytes();
      frame.planes = static_cast<uint32_t>(layout_.planes);
      for (int64_t p = 0; p < layout_.planes; ++p) {
        frame.offset[p] = static_cast<size_t>(layout_.offset[p]);
        frame.stride[p] = static_cast<int32_t>(layout_.stride[p]);
      }
      frame.owner = keep(bytes);
      callbacks_.video(callbacks_.user, &frame);
    }
  }

 private:
  const ovi_callbacks& callbacks_;
  FrameLayout layout_;
};

}  // namespace

extern "C" {

uint32_t ovi_engine_abi_version(void) { return OVI_ENGINE_ABI; }

const char* ovi_engine_version(void) { return OVI_VERSION; }

ovi_status ovi_engine_create(const ovi_engine_config* config, ovi_engine** engine,
                             ovi_error* error) {
  return guard(error, [&] {
    require(config, "config");
    require(engine, "engine");
    *engine = nullptr;
    const ovi_engine_config known = read_struct(config);
    const EngineConfig wished = to_config(known);
    const std::string device = known.device ? known.device : "auto";
    const std::string devices = known.devices ? known.devices : "";
    RankedModel opened;
    std::shared_ptr<LaunchedRanks> launched;
    std::string unusable;
    if (devices == "ranks") {
      launched = LaunchedRanks::awaited(device, OVI_VERSION);
      opened.model = launched->own_model(wished);
    } else {
      ModelFolder folder = find_model(wished.model_path, wished.variant);
      const std::vector<c10::Device> list = own_devices(device, devices);
      if (list.size() > 1) {
        opened = open_on_devices(wished, list);
      } else {
        opened.model = open_model(std::move(folder), wished, list[0]);
        if (devices.empty() && device != "cpu" && list[0].is_cpu()) unusable = unusable_gpus();
      }
    }
    *engine = new ovi_engine{Generator(opened.model), unusable, opened, launched, wished, {}};
  });
}

ovi_status ovi_engine_plan(ovi_engine* engine, const ovi_request* request, ovi_plan* plan,
                           void (*warn)(void* user, const ovi_warning* warning), void* user,
                           ovi_error* error) {
  return guard(error, [&] {
    require(engine, "engine");
    require(request, "request");
    ovi_request known = read_struct(request);
    known.image = nullptr;  // its size is enough
    std::vector<Warning> warnings;
    if (!engine->unusable_gpus.empty()) {
      warnings.push_back({WarningCode::kSettings, -1,
                          "device=auto takes the CPU, which is far slower than a GPU: " +
                              engine->unusable_gpus + " Or set device=cpu."});
    }
    const ClipPlan made = engine->generator.plan(to_request(known), warn ? &warnings : nullptr);
    write_struct(plan, from_plan(made, engine->generator.model()));
    if (!warn) return;
    for (const Warning& warning : warnings) {
      const std::string message = plain_text(warning.message, kLongestMessage, Lines::kOne);
      const ovi_warning told{sizeof told, from_warning(warning.code), warning.position,
                             message.c_str()};
      warn(user, &told);
    }
  });
}

ovi_status ovi_engine_generate(ovi_engine* engine, const ovi_request* request,
                               const ovi_callbacks* callbacks, const ovi_cancel* cancel,
                               ovi_stats* stats, ovi_error* error) {
  return guard(error, [&] {
    require(engine, "engine");
    require(request, "request");
    Request made = to_request(read_struct(request));
    if (made.has_image() && !made.image.defined()) {
      throw Error(ErrorKind::kSettings, "The picture's size is given, but not its pixels.");
    }
    const ovi_callbacks known = callbacks ? read_struct(callbacks) : ovi_callbacks{};
    if (!known.preview) made.preview = 0;
    const FrameSize size = engine->generator.plan(made, nullptr).size;
    CallbackSink sink(known, frame_layout(made.pixel_format, size.height, size.width));
    const Cancel* flag = cancel ? &cancel->flag : nullptr;
    const RankedModel& ranked = engine->on_all_ranks(flag);
    const GenerationStats done = ranked.ranks
                                     ? ranked.ranks->generate(ranked.model, made, sink, flag)
                                     : engine->generator.generate(made, sink, flag);
    write_struct(stats, from_stats(done));
  });
}

ovi_status ovi_engine_join(const ovi_join_config* config, const ovi_cancel* cancel,
                           ovi_error* error) {
  return guard(error, [&] {
    require(config, "config");
    const ovi_join_config known = read_struct(config);
    join_launched(known.model_path ? known.model_path : "", known.device ? known.device : "auto",
                  OVI_VERSION, cancel ? &cancel->flag : nullptr);
  });
}

void ovi_engine_destroy(ovi_engine* engine) { delete engine; }

ovi_cancel* ovi_cancel_new(void) { return new (std::nothrow) ovi_cancel; }
void ovi_cancel_trigger(ovi_cancel* cancel) { cancel->flag.trigger(); }
void ovi_cancel_reset(ovi_cancel* cancel) { cancel->flag.reset(); }
void ovi_cancel_free(ovi_cancel* cancel) { delete cancel; }

void ovi_buffer_release(void* owner) { delete static_cast<at::Tensor*>(owner); }

}  // extern "C"
