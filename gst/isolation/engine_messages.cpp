// The structs of ovi/engine.h as bodies of messages.
// SPDX-License-Identifier: Apache-2.0
#include "isolation/engine_messages.h"

#include <algorithm>
#include <cstddef>
#include <limits>

#include "clip/preview_picture.h"

namespace ovii2v::wire {
namespace {

// What is added to a struct of the engine's is to be added to its message here, and to kProtocol 1.
static_assert(sizeof(ovi_engine_config) == 64 && sizeof(ovi_request) == 136 &&
              sizeof(ovi_plan) == 112 && sizeof(ovi_progress) == 24 && sizeof(ovi_warning) == 24 &&
              sizeof(ovi_video_frame) == 88 && sizeof(ovi_audio) == 40 &&
              sizeof(ovi_callbacks) == 56 && sizeof(ovi_stats) == 392 && sizeof(ovi_lora) == 24 &&
              sizeof(ovi_preview) == 40);
// These end with padding, which a new field may take without another size.
static_assert(offsetof(ovi_request, preview) == 128);

constexpr uint32_t kMostSide = 16384;        // pixels
constexpr uint32_t kMostSteps = 1'000'000;
constexpr double kStrongest = 1e9;
constexpr uint32_t kMostFrames = 1'000'000;  // far beyond any clip
constexpr uint32_t kMostSamples = 1u << 30;
constexpr size_t kMostVersion = 64, kMostPath = 4096, kMostMessage = 1023, kMostDetail = 3071;
constexpr size_t kMostWarning = 4096;
constexpr size_t kMostPixelBytes = 4;  // of OVI_PIXELS_RGBA

/// "720x720_5s": names that go into tags and messages.
template <size_t N>
void name(Reader& reader, char (&text)[N]) {
  reader.text(text);
  if (std::any_of(text, text + std::char_traits<char>::length(text),
                  [](char c) { return c <= ' ' || c > '~'; }))
    reader.fail();
}

void seconds(Reader& reader, double& value) { reader.within(value, 0.0, 1e9); }

void read_plan(Reader& reader, ovi_plan& plan) {
  plan.size = sizeof plan;
  reader.choice(plan.variant, OVI_VARIANT_960X960_10S);
  reader.within(plan.width, 1u, kMostSide);
  reader.within(plan.height, 1u, kMostSide);
  reader.within(plan.frames, 1u, kMostFrames);
  reader.within(plan.frame_rate, 1u, 1000u);
  reader.within(plan.samples, 1u, kMostSamples);
  reader.within(plan.sample_rate, 1u, 1'000'000u);
  name(reader, plan.variant_name);
  name(reader, plan.device);
  name(reader, plan.precision);
}

void write_plan(Writer& writer, const ovi_plan& plan) {
  writer.number(static_cast<int32_t>(plan.variant));
  for (const uint32_t number :
       {plan.width, plan.height, plan.frames, plan.frame_rate, plan.samples, plan.sample_rate})
    writer.number(number);
  writer.text(plan.variant_name).text(plan.device).text(plan.precision);
}

void read_stats(Reader& reader, ovi_stats& stats) {
  stats.size = sizeof stats;
  reader.within(stats.seed, int64_t{0}, std::numeric_limits<int64_t>::max());
  for (double* one :
       {&stats.load_seconds, &stats.text_seconds, &stats.image_seconds, &stats.denoise_seconds,
        &stats.audio_decode_seconds, &stats.video_decode_seconds, &stats.first_frame_seconds,
        &stats.total_seconds})
    seconds(reader, *one);
  reader.number(stats.peak_device_bytes);
  reader.number(stats.peak_host_bytes);
  for (uint32_t* one :
       {&stats.steps, &stats.full_steps, &stats.guidance_reused_steps, &stats.reused_steps})
    reader.within(*one, 0u, kMostSteps);
  reader.text(stats.acceleration);
  name(reader, stats.memory);
}

void write_stats(Writer& writer, const ovi_stats& stats) {
  writer.number(stats.seed);
  for (const double one :
       {stats.load_seconds, stats.text_seconds, stats.image_seconds, stats.denoise_seconds,
        stats.audio_decode_seconds, stats.video_decode_seconds, stats.first_frame_seconds,
        stats.total_seconds})
    writer.number(one);
  writer.number(stats.peak_device_bytes).number(stats.peak_host_bytes);
  for (const uint32_t one :
       {stats.steps, stats.full_steps, stats.guidance_reused_steps, stats.reused_steps})
    writer.number(one);
  writer.text(stats.acceleration).text(stats.memory);
}

std::optional<std::string> optional_of(const char* text) {
  return text ? std::optional<std::string>(text) : std::nullopt;
}

std::optional<std::string> read_optional(Reader& reader) {
  std::string text;
  return reader.optional(text, kMostText) ? std::optional<std::string>(text) : std::nullopt;
}

const char* c_text(const std::optional<std::string>& text) {
  return text ? text->c_str() : nullptr;
}

/// What an engine says of itself may be cut, or not be UTF-8: it is mended by who reads it.
std::string_view cut(std::string_view text, size_t most) {
  if (text.size() <= most) return text;
  while (most && (text[most] & 0xC0) == 0x80) --most;
  return text.substr(0, most);
}

}  // namespace

Config::Config(const ovi_engine_config& config)
    : values(config),
      model_path(config.model_path ? config.model_path : ""),
      device(optional_of(config.device)),
      devices(optional_of(config.devices)) {
  const auto* at = reinterpret_cast<const char*>(config.loras);
  for (uint32_t i = 0; at && i < config.lora_count; ++i, at += config.loras->size) {
    const auto* lora = reinterpret_cast<const ovi_lora*>(at);
    loras.push_back({lora->path ? lora->path : "", lora->strength});
  }
}

ovi_engine_config Config::give(std::vector<ovi_lora>& given) const {
  given.clear();
  for (const Lora& lora : loras)
    given.push_back({sizeof(ovi_lora), lora.path.c_str(), lora.strength});
  ovi_engine_config config = values;
  config.loras = given.data();
  config.lora_count = static_cast<uint32_t>(given.size());
  config.size = sizeof config;
  config.model_path = model_path.c_str();
  config.device = c_text(device);
  config.devices = c_text(devices);
  return config;
}

Request::Request(const ovi_request& request)
    : values(request),
      prompt(request.prompt ? request.prompt : ""),
      video_negative_prompt(optional_of(request.video_negative_prompt)),
      audio_negative_prompt(optional_of(request.audio_negative_prompt)),
      picture(request.image != nullptr) {}

ovi_request Request::give(const uint8_t* pixels) const {
  ovi_request request = values;
  request.size = sizeof request;
  request.prompt = prompt.c_str();
  request.video_negative_prompt = c_text(video_negative_prompt);
  request.audio_negative_prompt = c_text(audio_negative_prompt);
  request.image = pixels;
  return request;
}

std::string body_of(const Hello& hello) {
  Writer writer;
  writer.number(hello.protocol).number(hello.abi).text(cut(hello.release, kMostVersion));
  writer.text(cut(hello.engine_version, kMostVersion)).text(cut(hello.engine_path, kMostPath));
  writer.text(cut(hello.message, kMostMessage)).text(cut(hello.detail, kMostDetail));
  return writer.take();
}

bool read(const std::string& body, Hello& hello) {
  Reader reader(body);
  reader.number(hello.protocol);
  reader.number(hello.abi);
  reader.text(hello.release, kMostVersion);
  // What another release says beyond that may be anything.
  if (!reader.bad() && (hello.protocol != kProtocol || hello.abi != OVI_ENGINE_ABI)) return true;
  reader.text(hello.engine_version, kMostVersion);
  reader.text(hello.engine_path, kMostPath);
  reader.text(hello.message, kMostMessage);
  reader.text(hello.detail, kMostDetail);
  return reader.whole();
}

std::string body_of(const Config& config) {
  Writer writer;
  writer.text(config.model_path).optional(c_text(config.device));
  writer.optional(c_text(config.devices));
  writer.number(static_cast<int32_t>(config.values.variant));
  writer.number(static_cast<int32_t>(config.values.precision));
  writer.number(static_cast<int32_t>(config.values.memory));
  writer.number(static_cast<uint32_t>(config.loras.size()));
  for (const Config::Lora& lora : config.loras) writer.text(lora.path).number(lora.strength);
  return writer.take();
}

bool read(const std::string& body, Config& config) {
  Reader reader(body);
  reader.bytes(config.model_path, kMostText);
  config.device = read_optional(reader);
  config.devices = read_optional(reader);
  reader.choice(config.values.variant, OVI_VARIANT_960X960_10S);
  reader.choice(config.values.precision, OVI_PRECISION_FP8);
  reader.choice(config.values.memory, OVI_MEMORY_STREAM);
  uint32_t count = 0;
  reader.within(count, 0u, kMostLoras);
  config.loras.clear();
  for (uint32_t i = 0; i < count && !reader.bad(); ++i) {
    Config::Lora& lora = config.loras.emplace_back();
    reader.bytes(lora.path, kMostText);
    reader.within(lora.strength, -kStrongest, kStrongest);  // the rest is the engine's to check
  }
  return reader.whole();
}

std::string body_of(const Request& request, bool warn) {
  Writer writer;
  const ovi_request& values = request.values;
  writer.text(request.prompt);
  writer.optional(c_text(request.video_negative_prompt));
  writer.optional(c_text(request.audio_negative_prompt));
  writer.number(static_cast<uint8_t>(request.picture)).number(static_cast<uint8_t>(warn));
  for (const uint32_t one : {values.image_width, values.image_height, values.width, values.height,
                             values.steps, values.slg_layer, values.preview})
    writer.number(one);
  writer.number(static_cast<uint64_t>(values.image_stride)).number(values.seed);
  for (const double one : {values.shift, values.video_guidance_scale, values.audio_guidance_scale})
    writer.number(one);
  for (const int one : {int{values.solver}, int{values.pixel_format}, int{values.sample_format},
                        int{values.acceleration}})
    writer.number(static_cast<int32_t>(one));
  return writer.take();
}

bool read(const std::string& body, Request& request, bool& warn) {
  Reader reader(body);
  ovi_request& values = request.values;
  reader.text(request.prompt, kMostText);
  request.video_negative_prompt = read_optional(reader);
  request.audio_negative_prompt = read_optional(reader);
  uint8_t picture = 0, wanted = 0;
  reader.within<uint8_t>(picture, 0, 1);
  reader.within<uint8_t>(wanted, 0, 1);
  request.picture = picture;
  warn = wanted;
  for (uint32_t* one : {&values.image_width, &values.image_height, &values.width, &values.height,
                        &values.steps, &values.slg_layer, &values.preview})
    reader.number(*one);
  uint64_t stride = 0;
  reader.number(stride);
  values.image_stride = stride;
  reader.number(values.seed);
  for (double* one : {&values.shift, &values.video_guidance_scale, &values.audio_guidance_scale})
    reader.number(*one);
  reader.choice(values.solver, OVI_SOLVER_EULER);
  reader.choice(values.pixel_format, OVI_PIXELS_NV12);
  reader.choice(values.sample_format, OVI_SAMPLES_S16);
  reader.choice(values.acceleration, OVI_ACCELERATION_FAST);
  return reader.whole();
}

std::string body_of(const ovi_warning& warning) {
  Writer writer;
  writer.number(static_cast<int32_t>(warning.code)).number(warning.position);
  writer.text(cut(warning.message ? warning.message : "", kMostWarning));
  return writer.take();
}

bool read(const std::string& body, ovi_warning& warning, std::string& text) {
  Reader reader(body);
  warning.size = sizeof warning;
  reader.choice(warning.code, OVI_WARNING_MODEL);
  reader.within(warning.position, int64_t{-1}, static_cast<int64_t>(kMostText));
  reader.text(text, kMostWarning);
  warning.message = text.c_str();
  return reader.whole();
}

std::string body_of(const ovi_progress& progress) {
  Writer writer;
  writer.number(static_cast<int32_t>(progress.stage)).number(progress.done).number(progress.total);
  return writer.number(progress.seconds_left).take();
}

bool read(const std::string& body, ovi_progress& progress) {
  Reader reader(body);
  progress.size = sizeof progress;
  reader.choice(progress.stage, OVI_STAGE_DECODE);
  reader.number(progress.done);
  reader.number(progress.total);
  reader.within(progress.seconds_left, -1e9, 1e12);
  if (progress.done > progress.total) reader.fail();
  return reader.whole();
}

std::string body_of(const ovi_video_frame& frame) {
  Writer writer;
  writer.number(frame.index).number(static_cast<uint64_t>(frame.bytes)).number(frame.planes);
  for (int plane = 0; plane < 4; ++plane)
    writer.number(static_cast<uint64_t>(frame.offset[plane])).number(frame.stride[plane]);
  return writer.take();
}

bool read(const std::string& body, const ovi_plan& plan, ovi_video_frame& frame) {
  Reader reader(body);
  frame = {};
  frame.size = sizeof frame;
  reader.within(frame.index, 0u, plan.frames - 1);
  uint64_t bytes = 0;
  reader.within(bytes, uint64_t{1}, uint64_t{kMostPixelBytes} * plan.width * plan.height);
  frame.bytes = bytes;
  reader.within(frame.planes, 1u, 4u);
  for (int plane = 0; plane < 4; ++plane) {
    uint64_t offset = 0;
    reader.within(offset, uint64_t{0}, bytes);
    frame.offset[plane] = offset;
    reader.within(frame.stride[plane], 0, static_cast<int32_t>(kMostPixelBytes * plan.width));
  }
  return reader.whole();
}

std::string body_of(const ovi_audio& audio) {
  Writer writer;
  return writer.number(static_cast<uint64_t>(audio.bytes)).number(audio.samples).take();
}

bool read(const std::string& body, const ovi_plan& plan, ovi_audio& audio) {
  Reader reader(body);
  audio = {};
  audio.size = sizeof audio;
  uint64_t bytes = 0;
  reader.within(bytes, uint64_t{1}, uint64_t{sizeof(float)} * plan.samples);
  audio.bytes = bytes;
  reader.within(audio.samples, 1u, plan.samples);
  return reader.whole();
}

std::string body_of(const ovi_preview& preview) {
  Writer writer;
  for (const uint32_t one :
       {preview.step, preview.steps, preview.frame, preview.width, preview.height})
    writer.number(one);
  return writer.take();
}

bool read(const std::string& body, const ovi_plan& plan, ovi_preview& preview) {
  Reader reader(body);
  preview = {};
  preview.size = sizeof preview;
  reader.within(preview.step, 1u, kMostSteps);
  reader.within(preview.steps, 1u, kMostSteps);
  reader.within(preview.frame, 0u, plan.frames - 1);
  reader.within(preview.width, 1u, std::min(plan.width, kMostPreviewSide));
  reader.within(preview.height, 1u, std::min(plan.height, kMostPreviewSide));
  if (preview.step > preview.steps) reader.fail();
  preview.stride = size_t{3} * preview.width;
  return reader.whole();
}

std::string body_of(const Outcome& outcome, const ovi_plan* plan, const ovi_stats* stats) {
  Writer writer;
  writer.number(static_cast<int32_t>(outcome.status));
  writer.text(cut(outcome.message, kMostMessage)).text(cut(outcome.detail, kMostDetail));
  if (outcome.status == OVI_OK && plan) write_plan(writer, *plan);
  if (outcome.status == OVI_OK && stats) write_stats(writer, *stats);
  return writer.take();
}

bool read(const std::string& body, Outcome& outcome, ovi_plan* plan, ovi_stats* stats) {
  Reader reader(body);
  reader.choice(outcome.status, OVI_RANK_GONE);
  reader.text(outcome.message, kMostMessage);
  reader.text(outcome.detail, kMostDetail);
  if (!reader.bad() && outcome.status == OVI_OK && plan) read_plan(reader, *plan);
  if (!reader.bad() && outcome.status == OVI_OK && stats) read_stats(reader, *stats);
  return reader.whole();
}

}  // namespace ovii2v::wire
