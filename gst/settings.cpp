// What a user asked for: the element's properties, and the request made of them.
// SPDX-License-Identifier: Apache-2.0
#include "settings.h"

namespace ovii2v {
namespace {

constexpr const char* kModelVariable = "OVI_MODEL_PATH";
constexpr const char* kAudioNegative = "robotic, muffled, echo, distorted";
constexpr const char* kVideoNegative = "jitter, bad hands, blur, distortion";

enum Id : guint {
  kImage = 1,
  kPrompt,
  kAudioNegativePrompt,
  kVideoNegativePrompt,
  kSeed,
  kModelPath,
  kVariant,
  kWidth,
  kHeight,
  kSteps,
  kShift,
  kSolver,
  kVideoGuidanceScale,
  kAudioGuidanceScale,
  kSlgLayer,
  kDevice,
  kPrecision,
  kEnd
};

constexpr auto kFlags =
    static_cast<GParamFlags>(G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | GST_PARAM_MUTABLE_READY);
constexpr auto kPlayingFlags = static_cast<GParamFlags>(G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS |
                                                        GST_PARAM_MUTABLE_PLAYING);

template <size_t N>
GType enum_type(const char* name, const GEnumValue (&values)[N]) {
  const GType type = g_enum_register_static(name, values);
  gst_type_mark_as_plugin_api(type, static_cast<GstPluginAPIFlags>(0));
  return type;
}

GType variant_type() {
  static const GEnumValue values[] = {
      {OVI_VARIANT_AUTO, "The best one whose checkpoint is in the model folder", "auto"},
      {OVI_VARIANT_720X720_5S, "About 720x720 pixels, 5 seconds", "720x720-5s"},
      {OVI_VARIANT_960X960_5S, "About 960x960 pixels, 5 seconds", "960x960-5s"},
      {OVI_VARIANT_960X960_10S, "About 960x960 pixels, 10 seconds", "960x960-10s"},
      {0, nullptr, nullptr}};
  static const GType type = enum_type("GstOvii2vSrcVariant", values);
  return type;
}

GType solver_type() {
  static const GEnumValue values[] = {
      {OVI_SOLVER_UNIPC, "UniPC, multistep predictor-corrector", "unipc"},
      {OVI_SOLVER_DPMPP, "DPM-Solver++, multistep", "dpm++"},
      {OVI_SOLVER_EULER, "Euler, first order", "euler"},
      {0, nullptr, nullptr}};
  static const GType type = enum_type("GstOvii2vSrcSolver", values);
  return type;
}

GType precision_type() {
  static const GEnumValue values[] = {{OVI_PRECISION_AUTO, "fp32 on a CPU, bf16 on a GPU", "auto"},
                                      {OVI_PRECISION_FP32, "32-bit floating point", "fp32"},
                                      {OVI_PRECISION_BF16, "bfloat16", "bf16"},
                                      {0, nullptr, nullptr}};
  static const GType type = enum_type("GstOvii2vSrcPrecision", values);
  return type;
}

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

void Settings::install(GObjectClass* klass) {
  auto add = [klass](Id id, GParamSpec* spec) { g_object_class_install_property(klass, id, spec); };
  /**
   * GstOvii2vSrc:image:
   *
   * Path or URI of the picture the clip begins with. Whatever GStreamer can open
   * and decode will do; of a film, the first frame. EXIF orientation is applied,
   * alpha is ignored. Unset: the clip is made from the prompt alone.
   */
  add(kImage,
      g_param_spec_string("image", "Image", "Path or URI of the first frame (unset: text only)",
                          nullptr, kFlags));
  /**
   * GstOvii2vSrc:prompt:
   *
   * What is to be seen, with `<S>words<E>` where somebody speaks and
   * `<AUDCAP>sounds<ENDAUDCAP>` (or `Audio: sounds`) for all other sound. Set
   * while a clip is made or played, it counts for the next one.
   */
  add(kPrompt, g_param_spec_string("prompt", "Prompt",
                                   "What is to be seen and heard: scene, <S>speech<E>, "
                                   "<AUDCAP>sound<ENDAUDCAP> (while playing: for the next clip)",
                                   nullptr, kPlayingFlags));
  /** GstOvii2vSrc:audio-negative-prompt: What is not to be heard. */
  add(kAudioNegativePrompt, g_param_spec_string("audio-negative-prompt", "Audio negative prompt",
                                                "What is not to be heard", kAudioNegative, kFlags));
  /** GstOvii2vSrc:video-negative-prompt: What is not to be seen. */
  add(kVideoNegativePrompt, g_param_spec_string("video-negative-prompt", "Video negative prompt",
                                                "What is not to be seen", kVideoNegative, kFlags));
  /**
   * GstOvii2vSrc:seed:
   *
   * The same seed and settings give the same clip on the same machine. -1 takes
   * a random one; #GstOvii2vSrc:stats and the tags tell which.
   */
  add(kSeed, g_param_spec_int64("seed", "Seed", "Seed of the noise (-1: a random one)", -1,
                                G_MAXINT64, -1, kFlags));
  /** GstOvii2vSrc:model-path: Folder of the model; the default is $OVI_MODEL_PATH. */
  add(kModelPath, g_param_spec_string(
                      "model-path", "Model path", "Folder of the model (unset: $OVI_MODEL_PATH)",
                      nullptr, static_cast<GParamFlags>(kFlags | GST_PARAM_DOC_SHOW_DEFAULT)));
  /** GstOvii2vSrc:variant: Which of Ovi's checkpoints is used. */
  add(kVariant, g_param_spec_enum("variant", "Variant", "Which checkpoint is used", variant_type(),
                                  OVI_VARIANT_AUTO, kFlags));
  /** GstOvii2vSrc:width: Wished width of a clip without a picture. */
  add(kWidth, g_param_spec_uint("width", "Width",
                                "Wished width in pixels, text only (0: 992x512 scaled to the "
                                "variant's area)",
                                0, 8192, 0, kFlags));
  /** GstOvii2vSrc:height: Wished height of a clip without a picture. */
  add(kHeight, g_param_spec_uint("height", "Height",
                                 "Wished height in pixels, text only (0: 992x512 scaled to the "
                                 "variant's area)",
                                 0, 8192, 0, kFlags));
  /** GstOvii2vSrc:steps: Denoising steps; time grows with them. */
  add(kSteps, g_param_spec_uint("steps", "Steps", "Denoising steps", 1, 1000, 50, kFlags));
  /** GstOvii2vSrc:shift: Timestep shift of the flow schedule; more than 0. */
  add(kShift, g_param_spec_double("shift", "Shift", "Timestep shift of the schedule (above 0)", 0,
                                  1000, 5.0, kFlags));
  /** GstOvii2vSrc:solver: How a step is taken. */
  add(kSolver, g_param_spec_enum("solver", "Solver", "How a denoising step is taken", solver_type(),
                                 OVI_SOLVER_UNIPC, kFlags));
  /** GstOvii2vSrc:video-guidance-scale: How strictly the picture follows the prompt. */
  add(kVideoGuidanceScale,
      g_param_spec_double("video-guidance-scale", "Video guidance scale",
                          "How strictly the picture follows the prompt", 0, 1000, 4.0, kFlags));
  /** GstOvii2vSrc:audio-guidance-scale: How strictly the sound follows the prompt. */
  add(kAudioGuidanceScale,
      g_param_spec_double("audio-guidance-scale", "Audio guidance scale",
                          "How strictly the sound follows the prompt", 0, 1000, 3.0, kFlags));
  /** GstOvii2vSrc:slg-layer: Block that the negative pass skips (skip-layer guidance). */
  add(kSlgLayer,
      g_param_spec_uint("slg-layer", "SLG layer", "Block that the negative pass skips (0: none)", 0,
                        G_MAXINT, 11, kFlags));
  /** GstOvii2vSrc:device: Where the model runs. */
  add(kDevice,
      g_param_spec_string("device", "Device", "auto, cpu, cuda or cuda:N", "auto", kFlags));
  /** GstOvii2vSrc:precision: Arithmetic of the model. */
  add(kPrecision, g_param_spec_enum("precision", "Precision", "Arithmetic of the model",
                                    precision_type(), OVI_PRECISION_AUTO, kFlags));
}

guint Settings::end_id() { return kEnd; }

bool Settings::may_change_while_running(guint id) { return id == kPrompt; }

Settings::Settings()
    : audio_negative_prompt(kAudioNegative),
      video_negative_prompt(kVideoNegative),
      device("auto"),
      steps(50),
      slg_layer(11),
      shift(5.0),
      video_guidance_scale(4.0),
      audio_guidance_scale(3.0) {
  if (const char* path = g_getenv(kModelVariable); path && *path) model_path = path;
}

bool Settings::set(guint id, const GValue* value) {
  switch (id) {
    case kImage:
      image = optional_string(value);
      return true;
    case kPrompt:
      prompt = optional_string(value);
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
    case kPrecision:
      precision = static_cast<ovi_precision>(g_value_get_enum(value));
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
    case kPrecision:
      g_value_set_enum(value, precision);
      return true;
    default:
      return false;
  }
}

std::optional<Failure> Settings::check() const {
  if (!prompt || prompt->find_first_not_of(" \t\r\n") == std::string::npos)
    return wrong(
        "There is no prompt: set the property \"prompt\" to what is to be seen and heard.");
  if (auto bad = check_text("The prompt", *prompt)) return bad;
  if (auto bad = check_text("The audio-negative-prompt", audio_negative_prompt)) return bad;
  if (auto bad = check_text("The video-negative-prompt", video_negative_prompt)) return bad;
  if (!(shift > 0)) return wrong("shift must be above 0 (the default is 5).");
  if (!image && (width == 0) != (height == 0))
    return wrong("width and height go together: set both, or neither.",
                 "width " + std::to_string(width) + ", height " + std::to_string(height));
  if (!model_path)
    return Failure{GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_NOT_FOUND,
                   std::string("No model was named: set the property \"model-path\" or the "
                               "environment variable ") +
                       kModelVariable + " to the folder of the model.",
                   ""};
  if (!g_file_test(model_path->c_str(), G_FILE_TEST_EXISTS))
    return Failure{GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_NOT_FOUND,
                   "The model folder " + *model_path +
                       " does not exist: set the property \"model-path\" or the environment "
                       "variable " +
                       kModelVariable + " to the folder of the model.",
                   ""};
  return std::nullopt;
}

ovi_engine_config Settings::engine_config() const {
  ovi_engine_config config{};
  config.size = sizeof config;
  config.model_path = model_path ? model_path->c_str() : "";
  config.variant = variant;
  config.device = device.c_str();
  config.precision = precision;
  return config;
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
  return request;
}

}  // namespace ovii2v
