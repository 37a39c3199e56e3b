// SPDX-License-Identifier: Apache-2.0
#include "capi/convert.h"

#include <ATen/ops/empty.h>

#include <algorithm>
#include <cstdio>
#include <cstring>

#include "runtime/error.h"

namespace ovi::capi {
namespace {

constexpr int64_t kLongestSide = 65536;  // pixels

// A host may hand in any number; as the enumeration's type it must not be read before
// it is known to be one of its values.
template <typename Enum>
int number_of(const Enum& value) {
  int number = 0;
  static_assert(sizeof number == sizeof value);
  std::memcpy(&number, &value, sizeof number);
  return number;
}

[[noreturn]] void unknown(const char* what, int value) {
  throw Error(ErrorKind::kSettings,
              std::string("Unknown ") + what + " " + std::to_string(value) +
                  "; the host was built against another version of ovi/engine.h.");
}

Solver to_solver(const ovi_solver& solver) {
  switch (number_of(solver)) {
    case OVI_SOLVER_UNIPC:
      return Solver::kUnipc;
    case OVI_SOLVER_DPMPP:
      return Solver::kDpmpp;
    case OVI_SOLVER_EULER:
      return Solver::kEuler;
  }
  unknown("solver", number_of(solver));
}

PixelFormat to_pixel_format(const ovi_pixel_format& format) {
  switch (number_of(format)) {
    case OVI_PIXELS_RGB:
      return PixelFormat::kRgb;
    case OVI_PIXELS_RGBA:
      return PixelFormat::kRgba;
    case OVI_PIXELS_BGRX:
      return PixelFormat::kBgrx;
    case OVI_PIXELS_I420:
      return PixelFormat::kI420;
    case OVI_PIXELS_NV12:
      return PixelFormat::kNv12;
  }
  unknown("pixel format", number_of(format));
}

SampleFormat to_sample_format(const ovi_sample_format& format) {
  switch (number_of(format)) {
    case OVI_SAMPLES_F32:
      return SampleFormat::kF32;
    case OVI_SAMPLES_S16:
      return SampleFormat::kS16;
  }
  unknown("sample format", number_of(format));
}

Acceleration to_acceleration(const ovi_acceleration& acceleration) {
  switch (number_of(acceleration)) {
    case OVI_ACCELERATION_NONE:
      return Acceleration::kNone;
    case OVI_ACCELERATION_BALANCED:
      return Acceleration::kBalanced;
    case OVI_ACCELERATION_FAST:
      return Acceleration::kFast;
  }
  unknown("acceleration", number_of(acceleration));
}

// Copies the rows, whatever lies between them: the picture is small, and the
// caller's memory need not outlive the call.
at::Tensor to_image(const ovi_request& request) {
  const int64_t height = request.image_height, width = request.image_width;
  if (std::max(height, width) > kLongestSide) {
    throw Error(ErrorKind::kSettings, "The picture has " + std::to_string(width) + "x" +
                                          std::to_string(height) + " pixels; at most " +
                                          std::to_string(kLongestSide) + " a side are taken.");
  }
  const int64_t stride = static_cast<int64_t>(request.image_stride);
  if (stride < 3 * width) {
    throw Error(ErrorKind::kSettings, "image_stride is " + std::to_string(stride) +
                                          " bytes, less than a row of " + std::to_string(width) +
                                          " pixels.");
  }
  // Row by row: LibTorch's copy might start threads, which nobody has tried here yet.
  at::Tensor image = at::empty({height, width, 3}, at::TensorOptions().dtype(at::kByte));
  auto* to = image.mutable_data_ptr<uint8_t>();
  for (int64_t row = 0; row < height; ++row)
    std::memcpy(to + row * 3 * width, request.image + row * stride, static_cast<size_t>(3 * width));
  return image;
}

template <size_t N>
void copy_name(char (&to)[N], const std::string& from) {
  std::snprintf(to, N, "%s", from.c_str());
}

}  // namespace

Variant to_variant(const ovi_variant& variant) {
  switch (number_of(variant)) {
    case OVI_VARIANT_AUTO:
      return Variant::kAuto;
    case OVI_VARIANT_720X720_5S:
      return Variant::k720x720_5s;
    case OVI_VARIANT_960X960_5S:
      return Variant::k960x960_5s;
    case OVI_VARIANT_960X960_10S:
      return Variant::k960x960_10s;
  }
  unknown("variant", number_of(variant));
}

ovi_variant from_variant(Variant variant) {
  switch (variant) {
    case Variant::kAuto:
      break;
    case Variant::k720x720_5s:
      return OVI_VARIANT_720X720_5S;
    case Variant::k960x960_5s:
      return OVI_VARIANT_960X960_5S;
    case Variant::k960x960_10s:
      return OVI_VARIANT_960X960_10S;
  }
  return OVI_VARIANT_AUTO;
}

Precision to_precision(const ovi_precision& precision) {
  switch (number_of(precision)) {
    case OVI_PRECISION_AUTO:
      return Precision::kAuto;
    case OVI_PRECISION_FP32:
      return Precision::kFp32;
    case OVI_PRECISION_BF16:
      return Precision::kBf16;
    case OVI_PRECISION_FP8:
      return Precision::kFp8;
  }
  unknown("precision", number_of(precision));
}

Memory to_memory(const ovi_memory& memory) {
  switch (number_of(memory)) {
    case OVI_MEMORY_AUTO:
      return Memory::kAuto;
    case OVI_MEMORY_RESIDENT:
      return Memory::kResident;
    case OVI_MEMORY_OFFLOAD:
      return Memory::kOffload;
    case OVI_MEMORY_STREAM:
      return Memory::kStream;
  }
  unknown("memory plan", number_of(memory));
}

EngineConfig to_config(const ovi_engine_config& config) {
  EngineConfig made;
  made.model_path = config.model_path ? config.model_path : "";
  made.variant = to_variant(config.variant);
  made.precision = to_precision(config.precision);
  made.memory = to_memory(config.memory);
  made.loras = to_loras(config.loras, config.lora_count);
  return made;
}

std::vector<Lora> to_loras(const ovi_lora* loras, uint32_t count) {
  constexpr uint32_t kMostLoras = 32;
  if (count > kMostLoras) {
    throw Error(ErrorKind::kSettings, std::to_string(count) +
                                          " LoRAs are asked for; at most " +
                                          std::to_string(kMostLoras) + " are merged at once.");
  }
  std::vector<Lora> made;
  if (count == 0) return made;
  if (loras == nullptr) throw Error(ErrorKind::kSettings, "loras is NULL.");
  const size_t stride = loras->size;
  if (stride < sizeof(ovi_lora)) throw Error(ErrorKind::kSettings, "An ovi_lora has no such size.");
  for (uint32_t i = 0; i < count; ++i) {
    ovi_lora lora;
    std::memcpy(&lora, reinterpret_cast<const char*>(loras) + i * stride, sizeof lora);
    if (lora.path == nullptr || *lora.path == '\0') {
      throw Error(ErrorKind::kSettings, "A LoRA has no path.");
    }
    made.push_back({lora.path, lora.strength});
  }
  return made;
}

ovi_stage from_stage(Stage stage) {
  switch (stage) {
    case Stage::kLoad:
      return OVI_STAGE_LOAD;
    case Stage::kEncode:
      return OVI_STAGE_ENCODE;
    case Stage::kGenerate:
      return OVI_STAGE_GENERATE;
    case Stage::kDecode:
      break;
  }
  return OVI_STAGE_DECODE;
}

ovi_warning_code from_warning(WarningCode code) {
  switch (code) {
    case WarningCode::kTags:
      return OVI_WARNING_TAGS;
    case WarningCode::kNoAudio:
      return OVI_WARNING_NO_AUDIO;
    case WarningCode::kTruncated:
      return OVI_WARNING_TRUNCATED;
    case WarningCode::kNoSpeech:
      return OVI_WARNING_NO_SPEECH;
    case WarningCode::kStyle:
      return OVI_WARNING_STYLE;
    case WarningCode::kModel:
      return OVI_WARNING_MODEL;
    case WarningCode::kSettings:
      break;
  }
  return OVI_WARNING_SETTINGS;
}

StoredAs to_stored_as(const ovi_weights& weights) {
  switch (number_of(weights)) {
    case OVI_WEIGHTS_BF16:
      return StoredAs::kBf16;
    case OVI_WEIGHTS_FP32:
      return StoredAs::kFp32;
    case OVI_WEIGHTS_FP8:
      return StoredAs::kFp8;
    case OVI_WEIGHTS_STORED:
      return StoredAs::kAsStored;
  }
  unknown("weights", number_of(weights));
}

Factors to_factors(const ovi_factors& factors) {
  switch (number_of(factors)) {
    case OVI_FACTORS_ROW:
      return Factors::kRow;
    case OVI_FACTORS_TENSOR:
      return Factors::kTensor;
  }
  unknown("factors", number_of(factors));
}

Request to_request(const ovi_request& request) {
  Request made;
  if (request.prompt == nullptr) throw Error(ErrorKind::kSettings, "No prompt is set.");
  made.prompt = request.prompt;
  if (request.video_negative_prompt) made.video_negative_prompt = request.video_negative_prompt;
  if (request.audio_negative_prompt) made.audio_negative_prompt = request.audio_negative_prompt;
  made.image_height = request.image_height;
  made.image_width = request.image_width;
  if ((request.image_height == 0) != (request.image_width == 0)) {
    throw Error(ErrorKind::kSettings, "The picture has no pixels.");
  }
  if (request.image != nullptr) {
    if (request.image_height == 0) throw Error(ErrorKind::kSettings, "The picture has no pixels.");
    made.image = to_image(request);
  }
  made.height = request.height;
  made.width = request.width;
  made.seed = request.seed;
  made.steps = request.steps;
  made.shift = request.shift;
  made.solver = to_solver(request.solver);
  made.video_guidance_scale = request.video_guidance_scale;
  made.audio_guidance_scale = request.audio_guidance_scale;
  made.slg_layer = request.slg_layer;
  made.pixel_format = to_pixel_format(request.pixel_format);
  made.sample_format = to_sample_format(request.sample_format);
  made.acceleration = to_acceleration(request.acceleration);
  made.preview = request.preview;
  return made;
}

ovi_plan from_plan(const ClipPlan& plan, const LoadedModel& model) {
  ovi_plan made{};
  made.size = sizeof made;
  made.variant = from_variant(model.folder().variant);
  made.width = static_cast<uint32_t>(plan.size.width);
  made.height = static_cast<uint32_t>(plan.size.height);
  made.frames = static_cast<uint32_t>(plan.frames);
  made.frame_rate = kFrameRate;
  made.samples = static_cast<uint32_t>(plan.samples);
  made.sample_rate = kSampleRate;
  copy_name(made.variant_name, model.folder().spec.name);
  copy_name(made.device, model.device().str());
  copy_name(made.precision, precision_name(model.arithmetic()));
  return made;
}

ovi_stats from_stats(const GenerationStats& stats) {
  ovi_stats made{};
  made.size = sizeof made;
  made.seed = stats.seed;
  made.steps = static_cast<uint32_t>(stats.steps);
  made.load_seconds = stats.load;
  made.text_seconds = stats.text;
  made.image_seconds = stats.image;
  made.denoise_seconds = stats.denoise;
  made.audio_decode_seconds = stats.audio_decode;
  made.video_decode_seconds = stats.video_decode;
  made.first_frame_seconds = stats.first_frame;
  made.total_seconds = stats.total;
  made.peak_device_bytes = stats.peak_device_bytes;
  made.peak_host_bytes = stats.peak_host_bytes;
  made.full_steps = static_cast<uint32_t>(stats.step_counts.full);
  made.guidance_reused_steps = static_cast<uint32_t>(stats.step_counts.guidance_reused);
  made.reused_steps = static_cast<uint32_t>(stats.step_counts.reused);
  copy_name(made.acceleration, stats.acceleration);
  copy_name(made.memory, memory_name(stats.memory));
  return made;
}

}  // namespace ovi::capi
