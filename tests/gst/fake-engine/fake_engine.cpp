// The engine's interface without a model behind it, for tests of the element.
// SPDX-License-Identifier: Apache-2.0
#include "fake_engine.h"

#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <new>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "shared.h"

struct ovi_cancel {
  bool triggered = false;
};

struct ovi_engine {
  bool loaded = false;
  ovi_variant variant;
  std::string device, precision;
  ovi_memory memory;
  std::string loras;
};

namespace {

// No pointers, no containers: it may lie in memory that several processes have.
struct Fault {
  ovi_status status = OVI_OK;
  char message[1024] = {}, detail[3072] = {};
  int times = -1;  // without end
};

struct Warning {
  ovi_warning_code code;
  int64_t position;
  char message[4096];
};

constexpr size_t kMostImage = size_t{256} << 20;  // bytes; touched where it is used alone

struct State {
  fake::Mutex lock;
  fake::Condition changed;
  Fault faults[OVI_FAKE_POINTS];
  bool held[OVI_FAKE_POINTS] = {}, reached[OVI_FAKE_POINTS] = {};
  int deaths[OVI_FAKE_POINTS] = {};  // the signal, or -1
  Warning warnings[64];
  int warning_count = 0;
  uint32_t frames = 121, samples = 80384;
  bool broken_frames = false;
  int widen = 0;
  ovi_fake_counters counters{};  // but engines and buffers
  fake::Owned owned[64];
  ovi_fake_seen seen{};
  uint8_t image[kMostImage];

  /// Of this process. Lock held.
  fake::Owned& own() {
    fake::Owned* free = nullptr;
    for (fake::Owned& one : owned) {
      if (one.process == getpid()) return one;
      if (!free && !one.alive()) free = &one;
    }
    if (!free) std::abort();
    *free = {getpid(), 0, 0};
    return *free;
  }
  /// With what lives. Lock held.
  ovi_fake_counters count() const {
    ovi_fake_counters now = counters;
    for (const fake::Owned& one : owned)
      if (one.alive()) now.engines += one.engines, now.buffers += one.buffers;
    return now;
  }
};

State& state() {
  static State* const instance = [] {
    bool first = false;
    auto* made = fake::shared_state<State>(first);  // outlives buffers that are let go at exit
    if (const char* frames = std::getenv("OVI_FAKE_FRAMES"); frames && first) {
      made->frames = static_cast<uint32_t>(std::atoi(frames));
      made->samples = made->frames * 16000 / 24;
    }
    return made;
  }();
  return *instance;
}

void put(char* to, size_t size, const char* text) { std::snprintf(to, size, "%s", text); }

constexpr const char* kPointNames[] = {"create",   "plan",   "load",  "encode",
                                       "generate", "decode", "second"};

void tell(ovi_error* error, const Fault& fault) {
  if (!error) return;
  error->status = fault.status;
  put(error->message, sizeof error->message, fault.message);
  put(error->detail, sizeof error->detail, fault.detail);
}

/// Stands here while held; then OVI_OK, the fault of the point, or OVI_CANCELLED.
ovi_status pass(ovi_fake_point point, const ovi_cancel* cancel, ovi_error* error) {
  State& s = state();
  const char* named = std::getenv("OVI_FAKE_HOLD");
  const bool by_name = named && !std::strcmp(named, kPointNames[point]);
  std::unique_lock held(s.lock);
  s.seen.process = getpid();
  if (const int death = std::exchange(s.deaths[point], 0); death > 0)
    raise(death);
  else if (death < 0)
    _exit(3);
  if (by_name) std::fprintf(stderr, "fake engine: holding at %s\n", kPointNames[point]);
  s.reached[point] = true;
  s.changed.notify_all();
  s.changed.wait(held,
                 [&] { return (cancel && cancel->triggered) || !(s.held[point] || by_name); });
  s.reached[point] = false;
  if (cancel && cancel->triggered) {
    ++s.counters.cancelled;
    return OVI_CANCELLED;
  }
  Fault& fault = s.faults[point];
  if (fault.status == OVI_OK || fault.times == 0) return OVI_OK;
  if (fault.times > 0) --fault.times;
  tell(error, fault);
  return fault.status;
}

/// Takes the milliseconds that the variable says; false when cancelled meanwhile.
bool take_time(const char* variable, const ovi_cancel* cancel) {
  const char* named = std::getenv(variable);
  if (!named) return true;
  State& s = state();
  std::unique_lock held(s.lock);
  const bool cancelled = s.changed.wait_for(held, std::chrono::milliseconds(std::atoi(named)),
                                            [&] { return cancel && cancel->triggered; });
  s.counters.cancelled += cancelled;
  return !cancelled;
}

uint32_t hash(const char* text) {
  uint32_t value = 2166136261u;
  for (; text && *text; ++text) value = (value ^ static_cast<uint8_t>(*text)) * 16777619u;
  return value;
}

struct Layout {
  uint32_t planes;
  size_t offset[4], bytes;
  int32_t stride[4];
};

/// GStreamer's default layout; sides are multiples of 32, so no row is padded.
Layout layout_of(ovi_pixel_format format, uint32_t w, uint32_t h) {
  const size_t area = size_t{w} * h;
  const auto stride = static_cast<int32_t>(w);
  switch (format) {
    case OVI_PIXELS_RGB:
      return {1, {0}, 3 * area, {3 * stride}};
    case OVI_PIXELS_RGBA:
    case OVI_PIXELS_BGRX:
      return {1, {0}, 4 * area, {4 * stride}};
    case OVI_PIXELS_NV12:
      return {2, {0, area}, area * 3 / 2, {stride, stride}};
    case OVI_PIXELS_I420:
      break;
  }
  return {3, {0, area, area + area / 4}, area * 3 / 2, {stride, stride / 2, stride / 2}};
}

void* make_buffer(size_t bytes) {
  State& s = state();
  void* const made = std::malloc(bytes);
  if (!made) throw std::bad_alloc();
  std::lock_guard guard(s.lock);
  ++s.own().buffers;
  s.counters.most_buffers = std::max(s.counters.most_buffers, s.count().buffers);
  return made;
}

/// Rows lie apart, and the first byte names the step.
void show(const ovi_callbacks& callbacks, const ovi_request& request, const ovi_plan& plan,
          uint32_t step) {
  ovi_preview preview{};
  preview.size = sizeof preview;
  preview.step = step;
  preview.steps = request.steps;
  preview.frame = plan.frames / 2;
  preview.width = plan.width / 8 - 1;  // so that GStreamer's rows are longer than the pixels
  preview.height = plan.height / 8;
  preview.stride = size_t{3} * preview.width + 5;
  std::vector<uint8_t> rgb(preview.stride * preview.height, 0xee);
  for (uint32_t y = 0; y < preview.height; ++y)
    for (uint32_t i = 0; i < 3 * preview.width; ++i)
      rgb[y * preview.stride + i] = static_cast<uint8_t>(step + 7 * y + 3 * i);
  preview.rgb = rgb.data();
  callbacks.preview(callbacks.user, &preview);
}

ovi_status make_clip(ovi_engine* engine, const ovi_request* request, const ovi_callbacks* callbacks,
                     const ovi_cancel* cancel, ovi_stats* stats, ovi_error* error) {
  State& s = state();
  ovi_plan plan{};
  plan.size = sizeof plan;
  if (const ovi_status status = ovi_engine_plan(engine, request, &plan, nullptr, nullptr, error);
      status != OVI_OK)
    return status;
  if (const char* fault = std::getenv("OVI_FAKE_FAIL")) {
    tell(error, {static_cast<ovi_status>(std::atoi(fault)), "It was made to fail."});
    return static_cast<ovi_status>(std::atoi(fault));
  }
  {
    std::lock_guard guard(s.lock);
    s.seen.request = *request;
    s.seen.seeds[s.seen.generations++ % 128] = request->seed;
    std::snprintf(s.seen.prompt, sizeof s.seen.prompt, "%s", request->prompt);
    std::snprintf(s.seen.video_negative, sizeof s.seen.video_negative, "%s",
                  request->video_negative_prompt);
    std::snprintf(s.seen.audio_negative, sizeof s.seen.audio_negative, "%s",
                  request->audio_negative_prompt);
    const size_t row = size_t{3} * request->image_width;
    if (row * request->image_height > kMostImage) std::abort();
    for (uint32_t y = 0; request->image && y < request->image_height; ++y)
      std::memcpy(s.image + y * row, request->image + y * request->image_stride, row);
    s.seen.image = s.image;
  }
  auto progress = [&](ovi_stage stage, uint32_t done, uint32_t total) {
    const ovi_progress one{sizeof one, stage, done, total, done ? 0.1 * (total - done) : -1.0};
    if (callbacks->progress) callbacks->progress(callbacks->user, &one);
  };
  if (callbacks->note) callbacks->note(callbacks->user, "The fake chose memory=offload.");
  const uint32_t loras = engine->loras.empty() ? 0 : hash(engine->loras.c_str());
  const uint32_t key =
      hash(request->prompt) ^ loras ^ static_cast<uint32_t>(request->seed) * 2654435761u;

  if (!engine->loaded) {
    progress(OVI_STAGE_LOAD, 0, 10);
    if (std::getenv("OVI_FAKE_TELL")) std::fprintf(stderr, "fake engine: loading a model\n");
    if (auto status = pass(OVI_FAKE_LOAD, cancel, error); status != OVI_OK) return status;
    progress(OVI_STAGE_LOAD, 10, 10);
    engine->loaded = true;
    std::lock_guard guard(s.lock);
    ++s.counters.models_loaded;
  }
  progress(OVI_STAGE_ENCODE, 0, 2);
  if (auto status = pass(OVI_FAKE_ENCODE, cancel, error); status != OVI_OK) return status;
  progress(OVI_STAGE_ENCODE, 2, 2);
  progress(OVI_STAGE_GENERATE, 0, request->steps);
  for (uint32_t step = 1; step <= request->steps; ++step) {
    if (step == request->steps)
      if (auto status = pass(OVI_FAKE_GENERATE, cancel, error); status != OVI_OK) return status;
    if (!take_time("OVI_FAKE_STEP_MS", cancel)) return OVI_CANCELLED;
    if (request->preview && step % request->preview == 0 && callbacks->preview)
      show(*callbacks, *request, plan, step);
    progress(OVI_STAGE_GENERATE, step, request->steps);
  }

  progress(OVI_STAGE_DECODE, 0, plan.frames + 1);
  const size_t sample_bytes = request->sample_format == OVI_SAMPLES_S16 ? 2 : 4;
  void* sound = make_buffer(sample_bytes * plan.samples);
  for (uint32_t i = 0; i < plan.samples; ++i) {
    const auto value = static_cast<int16_t>((i * 7919u + key) & 0x3fff);
    if (sample_bytes == 2)
      static_cast<int16_t*>(sound)[i] = value;
    else
      static_cast<float*>(sound)[i] = static_cast<float>(value) / 32768.0f;
  }
  const ovi_audio audio{sizeof audio, sound, sample_bytes * plan.samples, plan.samples, sound};
  callbacks->audio(callbacks->user, &audio);
  progress(OVI_STAGE_DECODE, 1, plan.frames + 1);

  bool broken = false;
  {
    std::lock_guard guard(s.lock);
    broken = s.broken_frames;
  }
  const Layout layout =
      layout_of(request->pixel_format, broken ? plan.width / 2 : plan.width, plan.height);
  for (uint32_t i = 0; i < plan.frames; ++i) {
    if (i == 1)
      if (auto status = pass(OVI_FAKE_SECOND, cancel, error); status != OVI_OK) return status;
    if (i == plan.frames / 2)
      if (auto status = pass(OVI_FAKE_DECODE, cancel, error); status != OVI_OK) return status;
    auto* pixels = static_cast<uint8_t*>(make_buffer(layout.bytes));
    for (size_t k = 0; k < layout.bytes; ++k)
      pixels[k] = static_cast<uint8_t>(k / 3 + 31 * i + key);
    ovi_video_frame frame{};
    frame.size = sizeof frame;
    frame.index = i;
    frame.data = pixels;
    frame.bytes = layout.bytes;
    frame.planes = layout.planes;
    std::copy(layout.offset, layout.offset + 4, frame.offset);
    std::copy(layout.stride, layout.stride + 4, frame.stride);
    frame.owner = pixels;
    const bool on = take_time("OVI_FAKE_FRAME_MS", cancel);
    callbacks->video(callbacks->user, &frame);
    if (!on) return OVI_CANCELLED;
    progress(OVI_STAGE_DECODE, i + 2, plan.frames + 1);
  }
  {
    std::lock_guard guard(s.lock);
    ++s.counters.clips;
    if (cancel && cancel->triggered) return OVI_CANCELLED;
  }
  if (stats) {
    stats->seed = request->seed;
    stats->steps = request->steps;
    stats->load_seconds = 0.25;
    stats->total_seconds = 1.5;
    stats->peak_host_bytes = 1 << 20;
    static const char* const plans[] = {"offload", "resident", "offload", "stream"};
    std::snprintf(stats->memory, sizeof stats->memory, "%s", plans[engine->memory]);
    stats->full_steps = stats->steps / 4;
    stats->reused_steps = stats->steps / 4;
    stats->guidance_reused_steps = stats->steps - stats->full_steps - stats->reused_steps;
    std::snprintf(stats->acceleration, sizeof stats->acceleration, "%u steps of the fake.",
                  stats->steps);
  }
  return OVI_OK;
}

}  // namespace

extern "C" {

uint32_t ovi_engine_abi_version(void) {
  const char* other = std::getenv("OVI_FAKE_ABI");
  return other ? static_cast<uint32_t>(std::atoi(other)) : OVI_ENGINE_ABI;
}

const char* ovi_engine_version(void) { return "0.0.0"; }

ovi_status ovi_engine_create(const ovi_engine_config* config, ovi_engine** engine,
                             ovi_error* error) {
  State& s = state();
  if (const ovi_status status = pass(OVI_FAKE_CREATE, nullptr, error); status != OVI_OK)
    return status;
  std::lock_guard guard(s.lock);
  s.seen.config = *config;
  std::snprintf(s.seen.model_path, sizeof s.seen.model_path, "%s", config->model_path);
  std::snprintf(s.seen.device, sizeof s.seen.device, "%s", config->device);
  std::snprintf(s.seen.devices, sizeof s.seen.devices, "%s",
                config->devices ? config->devices : "(null)");
  const bool gpu = config->device && !std::strncmp(config->device, "cuda:", 5);
  std::string loras;
  for (uint32_t i = 0; i < config->lora_count; ++i) {
    char text[256];
    std::snprintf(text, sizeof text, "%s:%g,", config->loras[i].path, config->loras[i].strength);
    loras += text;
  }
  std::snprintf(s.seen.loras, sizeof s.seen.loras, "%s", loras.c_str());
  *engine = new ovi_engine{false,          config->variant, gpu ? config->device : "cpu", "fp32",
                           config->memory, loras};
  ++s.own().engines;
  return OVI_OK;
}

ovi_status ovi_engine_plan(ovi_engine* engine, const ovi_request* request, ovi_plan* plan,
                           void (*warn)(void*, const ovi_warning*), void* user, ovi_error* error) {
  State& s = state();
  if (const ovi_status status = pass(OVI_FAKE_PLAN, nullptr, error); status != OVI_OK)
    return status;
  std::vector<Warning> warnings;
  {
    std::lock_guard guard(s.lock);
    warnings.assign(s.warnings, s.warnings + s.warning_count);
    if (const char* named = std::getenv("OVI_FAKE_WARNING")) {
      warnings.push_back({OVI_WARNING_TAGS, -1, {}});
      put(warnings.back().message, sizeof warnings.back().message, named);
    }
    auto side = [](uint32_t wished, uint32_t fallback) {
      const uint32_t rounded = (wished ? wished : fallback) / 32 * 32;
      const char* most = std::getenv("OVI_FAKE_MOST_SIDE");
      return std::clamp<uint32_t>(rounded, 32, most ? std::atoi(most) : 128);
    };
    const bool image = request->image;
    ++s.seen.plans;
    plan->variant = engine->variant == OVI_VARIANT_AUTO ? OVI_VARIANT_720X720_5S : engine->variant;
    plan->width =
        side(image ? request->image_width + static_cast<uint32_t>(s.widen) : request->width, 128);
    plan->height = side(image ? request->image_height : request->height, 64);
    plan->frames = s.frames;
    plan->frame_rate = 24;
    plan->samples = s.samples;
    plan->sample_rate = 16000;
    std::snprintf(plan->variant_name, sizeof plan->variant_name, "%s", "720x720_5s");
    std::snprintf(plan->device, sizeof plan->device, "%s", engine->device.c_str());
    std::snprintf(plan->precision, sizeof plan->precision, "%s", engine->precision.c_str());
  }
  for (const Warning& one : warnings) {
    const ovi_warning warning{sizeof warning, one.code, one.position, one.message};
    if (warn) warn(user, &warning);
  }
  return OVI_OK;
}

ovi_status ovi_engine_generate(ovi_engine* engine, const ovi_request* request,
                               const ovi_callbacks* callbacks, const ovi_cancel* cancel,
                               ovi_stats* stats, ovi_error* error) {
  // Called back on another thread, as for a GPU.
  ovi_status status = OVI_OK;
  std::thread([&] {
    try {
      status = make_clip(engine, request, callbacks, cancel, stats, error);
    } catch (const std::bad_alloc&) {
      tell(error, {status = OVI_NO_SPACE, "Out of host memory, says the fake."});
    }
  }).join();
  return status;
}

/// What it was asked comes back in the error.
ovi_status ovi_engine_join(const ovi_join_config* config, const ovi_cancel*, ovi_error* error) {
  Fault fault;
  fault.status = OVI_FAILED;
  std::snprintf(fault.message, sizeof fault.message,
                "Joined with model '%s' on '%s', says the fake.",
                config->model_path ? config->model_path : "(null)",
                config->device ? config->device : "(null)");
  tell(error, fault);
  return OVI_FAILED;
}

void ovi_engine_destroy(ovi_engine* engine) {
  if (!engine) return;
  State& s = state();
  std::lock_guard guard(s.lock);
  --s.own().engines;
  delete engine;
}

ovi_cancel* ovi_cancel_new(void) { return new ovi_cancel; }

void ovi_cancel_trigger(ovi_cancel* cancel) {
  State& s = state();
  std::lock_guard guard(s.lock);
  cancel->triggered = true;
  s.changed.notify_all();
}

void ovi_cancel_reset(ovi_cancel* cancel) {
  std::lock_guard guard(state().lock);
  cancel->triggered = false;
}

void ovi_cancel_free(ovi_cancel* cancel) { delete cancel; }

void ovi_buffer_release(void* owner) {
  std::free(owner);
  State& s = state();
  std::lock_guard guard(s.lock);
  --s.own().buffers;
}

const ovi_fake_api* ovi_fake(void) {
  static const ovi_fake_api api = {
      [] {
        State& s = state();
        std::lock_guard guard(s.lock);
        for (Fault& fault : s.faults) fault = {};
        for (bool& held : s.held) held = false;
        for (int& death : s.deaths) death = 0;
        s.warning_count = 0;
        s.frames = 121;
        s.samples = 80384;
        s.broken_frames = false;
        s.widen = 0;
        s.counters.most_buffers = s.count().buffers;
        s.seen.generations = 0;
        s.changed.notify_all();
      },
      [](ovi_fake_point point, ovi_status status, const char* message, const char* detail) {
        std::lock_guard guard(state().lock);
        Fault& fault = state().faults[point];
        fault.status = status;
        fault.times = -1;
        put(fault.message, sizeof fault.message, message);
        put(fault.detail, sizeof fault.detail, detail);
      },
      [](ovi_fake_point point, int times) {
        std::lock_guard guard(state().lock);
        state().faults[point].times = times;
      },
      [](ovi_fake_point point) {
        std::lock_guard guard(state().lock);
        state().held[point] = true;
      },
      [](ovi_fake_point point, int seconds) -> int {
        State& s = state();
        std::unique_lock held(s.lock);
        return s.changed.wait_for(held, std::chrono::seconds(seconds),
                                  [&] { return s.reached[point] && s.held[point]; });
      },
      [](ovi_fake_point point) {
        std::lock_guard guard(state().lock);
        state().held[point] = false;
        state().changed.notify_all();
      },
      [](ovi_warning_code code, int64_t position, const char* message) {
        std::lock_guard guard(state().lock);
        Warning& warning = state().warnings[state().warning_count++];
        warning.code = code;
        warning.position = position;
        put(warning.message, sizeof warning.message, message);
      },
      [](uint32_t frames, uint32_t samples) {
        std::lock_guard guard(state().lock);
        state().frames = frames;
        state().samples = samples;
      },
      [](int add) {
        std::lock_guard guard(state().lock);
        state().widen = add;
      },
      [](int on) {
        std::lock_guard guard(state().lock);
        state().broken_frames = on;
      },
      [] {
        std::lock_guard guard(state().lock);
        return state().count();
      },
      []() -> const ovi_fake_seen* { return &state().seen; },
      [](ovi_fake_point point, int signal) {
        std::lock_guard guard(state().lock);
        state().deaths[point] = signal;
      },
  };
  return &api;
}

}  // extern "C"
