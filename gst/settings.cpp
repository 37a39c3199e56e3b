// What a user asked for: the element's properties, and the request made of them.
// SPDX-License-Identifier: Apache-2.0
#include "settings.h"

#include <stdlib.h>

#include "engine/model_paths.h"
#include "gstovii2vsrc.h"
#include "settings_ids.h"

namespace ovii2v {
namespace {

std::optional<std::string> optional_string(const GValue* value) {
  const char* text = g_value_get_string(value);
  return text && *text ? std::optional<std::string>(text) : std::nullopt;
}

std::string string_or(const GValue* value, const char* fallback) {
  const char* text = g_value_get_string(value);
  return text ? text : fallback;
}

void give(GValue* value, const std::optional<std::string>& text) {
  g_value_set_string(value, text ? text->c_str() : nullptr);
}

Failure wrong(const std::string& message, const std::string& detail = {}) {
  return {GST_LIBRARY_ERROR, GST_LIBRARY_ERROR_SETTINGS, message, detail};
}

std::optional<Failure> check_text(const char* name, const std::string& text) {
  const char* end = nullptr;
  if (g_utf8_validate(text.data(), static_cast<gssize>(text.size()), &end)) return std::nullopt;
  return wrong(std::string(name) + " is not valid UTF-8: write it in UTF-8.",
               "the first bad byte is at position " + std::to_string(end - text.data()));
}

}  // namespace

Settings::Settings()
    : image_reach{kSafeSchemes, std::nullopt},
      audio_negative_prompt(kAudioNegative),
      video_negative_prompt(kVideoNegative),
      device("auto"),
      steps(50),
      slg_layer(11),
      shift(5.0),
      video_guidance_scale(4.0),
      audio_guidance_scale(3.0) {
  // Not in a program that runs with more rights than its user has.
  if (const char* path = secure_getenv(kModelVariable); path && *path) model_path = path;
}

bool Settings::set(guint id, const GValue* value) {
  switch (id) {
    case kImage:
      image = optional_string(value);
      if (image) image_sample.reset();
      ++image_changes;
      return true;
    case kImageSample:
      if (auto* sample = static_cast<GstSample*>(g_value_dup_boxed(value))) {
        image_sample.reset(sample, gst_sample_unref);
        image.reset();
      } else {
        image_sample.reset();
      }
      ++image_changes;
      return true;
    case kImageSchemes:
      image_reach.schemes = string_or(value, kSafeSchemes);
      return true;
    case kImageFolder:
      image_reach.folder = optional_string(value);
      return true;
    case kPrompt:
      prompt = optional_string(value);
      ++prompt_changes;
      return true;
    case kAudioNegativePrompt:
      audio_negative_prompt = string_or(value, kAudioNegative);
      return true;
    case kVideoNegativePrompt:
      video_negative_prompt = string_or(value, kVideoNegative);
      return true;
    case kSeed:
      seed = g_value_get_int64(value);
      return true;
    case kModelPath:
      model_path = optional_string(value);
      return true;
    case kLora:
      lora = optional_string(value);
      ++lora_changes;
      return true;
    case kVariant:
      variant = static_cast<ovi_variant>(g_value_get_enum(value));
      return true;
    case kWidth:
      width = g_value_get_uint(value);
      return true;
    case kHeight:
      height = g_value_get_uint(value);
      return true;
    case kSteps:
      steps = g_value_get_uint(value);
      return true;
    case kShift:
      shift = g_value_get_double(value);
      return true;
    case kSolver:
      solver = static_cast<ovi_solver>(g_value_get_enum(value));
      return true;
    case kVideoGuidanceScale:
      video_guidance_scale = g_value_get_double(value);
      return true;
    case kAudioGuidanceScale:
      audio_guidance_scale = g_value_get_double(value);
      return true;
    case kSlgLayer:
      slg_layer = g_value_get_uint(value);
      return true;
    case kDevice:
      device = string_or(value, "auto");
      return true;
    case kDevices:
      devices = string_or(value, "");
      return true;
    case kPrecision:
      precision = static_cast<ovi_precision>(g_value_get_enum(value));
      return true;
    case kMemory:
      memory = static_cast<ovi_memory>(g_value_get_enum(value));
      return true;
    case kNumClips:
      num_clips = g_value_get_uint(value);
      return true;
    case kContinuity:
      continuity = static_cast<Continuity>(g_value_get_enum(value));
      return true;
    case kIsLive:
      is_live = g_value_get_boolean(value);
      return true;
    case kAcceleration:
      acceleration = static_cast<ovi_acceleration>(g_value_get_enum(value));
      return true;
    case kFailures:
      failures = g_value_get_uint(value);
      return true;
    case kPreview:
      preview = g_value_get_uint(value);
      return true;
    case kHold:
      hold = static_cast<Hold>(g_value_get_enum(value));
      return true;
    case kIsolation:
      isolation = static_cast<Isolation>(g_value_get_enum(value));
      return true;
    default:
      return false;
  }
}

bool Settings::get(guint id, GValue* value) const {
  switch (id) {
    case kImage:
      give(value, image);
      return true;
    case kImageSchemes:
      give(value, image_reach.schemes);
      return true;
    case kImageFolder:
      give(value, image_reach.folder);
      return true;
    case kImageSample:
      g_value_set_boxed(value, image_sample.get());
      return true;
    case kPrompt:
      give(value, prompt);
      return true;
    case kAudioNegativePrompt:
      give(value, audio_negative_prompt);
      return true;
    case kVideoNegativePrompt:
      give(value, video_negative_prompt);
      return true;
    case kSeed:
      g_value_set_int64(value, seed);
      return true;
    case kModelPath:
      give(value, model_path);
      return true;
    case kLora:
      give(value, lora);
      return true;
    case kVariant:
      g_value_set_enum(value, variant);
      return true;
    case kWidth:
      g_value_set_uint(value, width);
      return true;
    case kHeight:
      g_value_set_uint(value, height);
      return true;
    case kSteps:
      g_value_set_uint(value, steps);
      return true;
    case kShift:
      g_value_set_double(value, shift);
      return true;
    case kSolver:
      g_value_set_enum(value, solver);
      return true;
    case kVideoGuidanceScale:
      g_value_set_double(value, video_guidance_scale);
      return true;
    case kAudioGuidanceScale:
      g_value_set_double(value, audio_guidance_scale);
      return true;
    case kSlgLayer:
      g_value_set_uint(value, slg_layer);
      return true;
    case kDevice:
      give(value, device);
      return true;
    case kDevices:
      give(value, devices);
      return true;
    case kPrecision:
      g_value_set_enum(value, precision);
      return true;
    case kMemory:
      g_value_set_enum(value, memory);
      return true;
    case kNumClips:
      g_value_set_uint(value, num_clips);
      return true;
    case kContinuity:
      g_value_set_enum(value, static_cast<int>(continuity));
      return true;
    case kIsLive:
      g_value_set_boolean(value, is_live);
      return true;
    case kAcceleration:
      g_value_set_enum(value, acceleration);
      return true;
    case kFailures:
      g_value_set_uint(value, failures);
      return true;
    case kPreview:
      g_value_set_uint(value, preview);
      return true;
    case kHold:
      g_value_set_enum(value, static_cast<int>(hold));
      return true;
    case kIsolation:
      g_value_set_enum(value, static_cast<int>(isolation));
      return true;
    default:
      return false;
  }
}

std::string Settings::text(GObjectClass* klass) const {
  std::string text;
  guint count = 0;
  g_autofree GParamSpec** specs = g_object_class_list_properties(klass, &count);
  for (guint i = 0; i < count; ++i) {
    GValue value = G_VALUE_INIT;
    g_value_init(&value, specs[i]->value_type);
    if (specs[i]->owner_type == GST_TYPE_OVII2V_SRC && specs[i]->value_type != GST_TYPE_SAMPLE &&
        get(specs[i]->param_id, &value) && !g_param_value_defaults(specs[i], &value)) {
      // An address may hold a password.
      if (specs[i]->param_id == kImage && image)
        g_value_set_string(&value, shown_location(*image).c_str());
      g_autofree char* shown = gst_value_serialize(&value);
      constexpr size_t kMost = 500;  // a data: URI may be as long as it likes
      if (!text.empty()) text += ", ";
      text += std::string(specs[i]->name) + "=" + std::string(shown ? shown : "").substr(0, kMost);
    }
    g_value_unset(&value);
  }
  return text.empty() ? "all as they are by default" : text;
}

std::optional<Failure> Settings::check_prompt() const {
  if (!prompt || prompt->find_first_not_of(" \t\r\n") == std::string::npos)
    return wrong(
        "There is no prompt: set the property \"prompt\" to what is to be seen and heard.");
  return check_text("The prompt", *prompt);
}

std::optional<Failure> Settings::check() const {
  if (auto bad = check_prompt()) return bad;
  if (auto bad = check_text("The audio-negative-prompt", audio_negative_prompt)) return bad;
  if (auto bad = check_text("The video-negative-prompt", video_negative_prompt)) return bad;
  if (!has_picture() && (width == 0) != (height == 0))
    return wrong("width and height go together: set both, or neither.",
                 "width " + std::to_string(width) + ", height " + std::to_string(height));
  constexpr uint32_t kLeastSide = 32;  // pixels; the ranges of properties have no holes
  if (!has_picture() && width && (width < kLeastSide || height < kLeastSide))
    return wrong("width and height must be 32 at least, or 0 for the usual size.",
                 "width " + std::to_string(width) + ", height " + std::to_string(height));
  if (auto bad = check_lora()) return bad;
  return check_folder();
}

std::optional<Failure> Settings::check_lora() const {
  if (!lora) return std::nullopt;
  if (auto bad = check_text("The property \"lora\"", *lora)) return bad;
  std::string problem;
  const auto list = read_loras(*lora, problem);
  if (!list) return wrong(problem);
  for (const Lora& one : *list)
    if (!g_file_test(one.path.c_str(), G_FILE_TEST_EXISTS))
      return Failure{GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_NOT_FOUND,
                     "The LoRA " + one.path +
                         " does not exist: set the property \"lora\" to FILE:strength, with a "
                         "comma between two (a comma or colon of a name has a backslash before "
                         "it).",
                     ""};
  return std::nullopt;
}

std::vector<Lora> Settings::loras() const {
  std::string ignored;
  return read_loras(lora.value_or(""), ignored).value_or(std::vector<Lora>());
}

std::optional<Failure> Settings::check_folder() const {
  if (!model_path)
    return Failure{GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_NOT_FOUND,
                   std::string("No model was named: set the property \"model-path\" or the "
                               "environment variable ") +
                       kModelVariable + " to the folder of the model.",
                   ""};
  for (const std::string& path : model_paths(*model_path)) {
    if (g_file_test(path.c_str(), G_FILE_TEST_EXISTS)) continue;
    return Failure{GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_NOT_FOUND,
                   "The model folder " + path +
                       " does not exist: set the property \"model-path\" or the environment "
                       "variable " +
                       kModelVariable + " to the folder of the model.",
                   ""};
  }
  return std::nullopt;
}

std::string Settings::image_name() const {
  if (image) return shown_location(*image);
  return image_sample ? "(a sample)" : "";
}

std::string Settings::pace(const ovi_plan& plan) const {
  const bool guided = video_guidance_scale != 1 || audio_guidance_scale != 1;
  std::string text = std::string(plan.variant_name) + " " + plan.device + " " + plan.precision;
  if (!devices.empty()) text.append(" ").append(devices);
  for (const uint32_t number : {plan.width, plan.height, plan.frames, uint32_t{guided},
                                uint32_t{acceleration}, uint32_t{memory}, uint32_t{solver}})
    text.append(" ").append(std::to_string(number));
  return text;
}

ovi_engine_config Settings::engine_config(const std::vector<ovi_lora>& loras) const {
  ovi_engine_config config{};
  config.size = sizeof config;
  config.model_path = model_path ? model_path->c_str() : "";
  config.variant = variant;
  config.device = device.c_str();
  config.precision = precision;
  config.memory = memory;
  config.loras = loras.data();
  config.lora_count = static_cast<uint32_t>(loras.size());
  config.devices = devices.c_str();
  return config;
}

Isolation Settings::where() const {
  if (isolation != Isolation::kAuto) return isolation;
  const bool several = devices == "ranks" || devices.find(',') != std::string::npos;
  return several ? Isolation::kProcess : Isolation::kNone;
}

ovi_request Settings::request(const Image* picture, int64_t used_seed) const {
  ovi_request request{};
  request.size = sizeof request;
  request.prompt = prompt ? prompt->c_str() : "";
  request.video_negative_prompt = video_negative_prompt.c_str();
  request.audio_negative_prompt = audio_negative_prompt.c_str();
  if (picture) {
    request.image = picture->pixels.data();
    request.image_width = picture->width;
    request.image_height = picture->height;
    request.image_stride = size_t{3} * picture->width;
  } else {
    request.width = width;
    request.height = height;
  }
  request.seed = used_seed;
  request.steps = steps;
  request.shift = shift;
  request.solver = solver;
  request.video_guidance_scale = video_guidance_scale;
  request.audio_guidance_scale = audio_guidance_scale;
  request.slg_layer = slg_layer;
  request.acceleration = acceleration;
  request.preview = preview;
  return request;
}

}  // namespace ovii2v
