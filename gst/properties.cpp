// The properties as a user sees them: names, ranges, defaults, documentation.
// SPDX-License-Identifier: Apache-2.0
#include "settings.h"
#include "settings_ids.h"

namespace ovii2v {
namespace {

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
                                      {OVI_PRECISION_FP8, "8-bit matrices, else bfloat16", "fp8"},
                                      {0, nullptr, nullptr}};
  static const GType type = enum_type("GstOvii2vSrcPrecision", values);
  return type;
}

GType acceleration_type() {
  static const GEnumValue values[] = {
      {OVI_ACCELERATION_NONE, "Every step in full", "none"},
      {OVI_ACCELERATION_BALANCED, "Steps reuse guidance and residuals of earlier ones, carefully",
       "balanced"},
      {OVI_ACCELERATION_FAST, "The same further, in 3 of 5 steps", "fast"},
      {0, nullptr, nullptr}};
  static const GType type = enum_type("GstOvii2vSrcAcceleration", values);
  return type;
}

GType memory_type() {
  static const GEnumValue values[] = {
      {OVI_MEMORY_AUTO, "The first of the others that fits into free memory", "auto"},
      {OVI_MEMORY_RESIDENT, "All weights", "resident"},
      {OVI_MEMORY_OFFLOAD, "The weights of the part that is at work", "offload"},
      {OVI_MEMORY_STREAM, "Two blocks of the part that is at work", "stream"},
      {0, nullptr, nullptr}};
  static const GType type = enum_type("GstOvii2vSrcMemory", values);
  return type;
}

GType continuity_type() {
  static const GEnumValue values[] = {
      {static_cast<int>(Continuity::kNone), "Each clip begins as its picture and prompt say",
       "none"},
      {static_cast<int>(Continuity::kLastFrame), "Each clip begins with the last frame before it",
       "last-frame"},
      {0, nullptr, nullptr}};
  static const GType type = enum_type("GstOvii2vSrcContinuity", values);
  return type;
}

GType hold_type() {
  static const GEnumValue values[] = {
      {static_cast<int>(Hold::kNone), "GAP events", "none"},
      {static_cast<int>(Hold::kPicture), "The picture of the clip, and silence", "picture"},
      {static_cast<int>(Hold::kLastFrame), "The last frame of the clip, and silence", "last-frame"},
      {0, nullptr, nullptr}};
  static const GType type = enum_type("GstOvii2vSrcHold", values);
  return type;
}

GType isolation_type() {
  static const GEnumValue values[] = {
      {static_cast<int>(Isolation::kNone), "In this process", "none"},
      {static_cast<int>(Isolation::kProcess), "In a process of its own", "process"},
      {static_cast<int>(Isolation::kAuto), "In a process of its own for several devices", "auto"},
      {0, nullptr, nullptr}};
  static const GType type = enum_type("GstOvii2vSrcIsolation", values);
  return type;
}

}  // namespace

void Settings::install(GObjectClass* klass) {
  auto add = [klass](Id id, GParamSpec* spec) { g_object_class_install_property(klass, id, spec); };
  /**
   * GstOvii2vSrc:image:
   *
   * Path or URI of the picture the clip begins with: JPEG, PNG, WebP, GIF, TIFF, BMP,
   * AVIF or HEIC, or a film that GStreamer can decode, of which the first frame counts.
   * It is decoded by the program ovii2v-picture, in a process of its own. The
   * orientation that it states is applied, alpha is ignored. At most 100 megapixels
   * are read, 256 MiB and 60 seconds long from another machine, and nothing else that a
   * file or a server names. See also #GstOvii2vSrc:image-schemes. Unset: the clip is made from the
   * prompt alone. Set while PLAYING, it is for the clips whose making has not begun yet: the clip
   * that plays and the one that is being made keep theirs. Caps change at such a clip if its size
   * does. The picture is read when it is set, not anew for each clip.
   */
  add(kImage,
      g_param_spec_string("image", "Image",
                          "Path or URI of the first frame (unset: text only; while playing: for "
                          "the next clip)",
                          nullptr, kPlayingFlags));
  /**
   * GstOvii2vSrc:image-schemes:
   *
   * What #GstOvii2vSrc:image may be reached by, separated by commas: an application that
   * takes it from others gives `data`, or `https`. A path is `file`. Any other scheme that
   * a GStreamer source element reads from the network to its end may be added. Redirects are
   * followed within a scheme only. A picture that is set while PLAYING is held against what
   * this and #GstOvii2vSrc:image-folder were in READY.
   */
  add(kImageSchemes,
      g_param_spec_string("image-schemes", "Image schemes",
                          "URI schemes that the image may be read by (a path is file)",
                          kSafeSchemes, kFlags));
  /**
   * GstOvii2vSrc:image-folder:
   *
   * Local pictures are read only below this folder, wherever links lead. Unset: anywhere.
   */
  add(kImageFolder, g_param_spec_string("image-folder", "Image folder",
                                        "Folder that local images must be in (unset: anywhere)",
                                        nullptr, kFlags));
  /**
   * GstOvii2vSrc:prompt:
   *
   * What is to be seen, with `<S>words<E>` where somebody speaks and
   * `<AUDCAP>sounds<ENDAUDCAP>` (or `Audio: sounds`) for all other sound. Set
   * while PLAYING, it is for the clips whose making has not begun yet.
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
   * a random one; #GstOvii2vSrc:stats and the tags tell which. Clip n of several
   * (the first is 0) has this seed + n, so that a whole run can be had again.
   */
  add(kSeed, g_param_spec_int64("seed", "Seed", "Seed of the noise (-1: a random one)", -1,
                                G_MAXINT64, -1, kFlags));
  /** GstOvii2vSrc:model-path: Folder of the model, or several folders and files with
   * ":" between them; the default is $OVI_MODEL_PATH. */
  add(kModelPath, g_param_spec_string(
                      "model-path", "Model path",
                      "Folder of the model, or folders and files with ':' between them (unset: "
                      "$OVI_MODEL_PATH)",
                      nullptr, static_cast<GParamFlags>(kFlags | GST_PARAM_DOC_SHOW_DEFAULT)));
  /** GstOvii2vSrc:variant: Which of Ovi's checkpoints is used. */
  add(kVariant, g_param_spec_enum("variant", "Variant", "Which checkpoint is used", variant_type(),
                                  OVI_VARIANT_AUTO, kFlags));
  /**
   * GstOvii2vSrc:width:
   *
   * Width to ask for, of a clip without a picture, together with #GstOvii2vSrc:height. Both are
   * scaled to the area that the variant makes, and rounded to multiples of 32: 1080 and 1920 are
   * 544x960 with `720x720-5s`. With both 0 it makes 1280x704, with `720x720-5s` 992x512. Where
   * there is a picture the size follows from that alone.
   */
  add(kWidth,
      g_param_spec_uint("width", "Width",
                        "Width to ask for without a picture, from 32, scaled to the variant's area "
                        "(0: the usual size)",
                        0, 8192, 0, kFlags));
  /** GstOvii2vSrc:height: Height to ask for: see #GstOvii2vSrc:width. */
  add(kHeight,
      g_param_spec_uint("height", "Height",
                        "Height to ask for without a picture, from 32, scaled to the variant's "
                        "area (0: the usual size)",
                        0, 8192, 0, kFlags));
  /** GstOvii2vSrc:steps: Denoising steps; time grows with them. */
  add(kSteps, g_param_spec_uint("steps", "Steps", "Denoising steps", 1, 1000, 50, kFlags));
  /** GstOvii2vSrc:shift: Timestep shift of the flow schedule. */
  add(kShift, g_param_spec_double("shift", "Shift", "Timestep shift of the schedule", 0.01, 100,
                                  5.0, kFlags));
  /** GstOvii2vSrc:solver: How a step is taken. */
  add(kSolver, g_param_spec_enum("solver", "Solver", "How a denoising step is taken", solver_type(),
                                 OVI_SOLVER_UNIPC, kFlags));
  /** GstOvii2vSrc:video-guidance-scale: How strictly the picture follows the prompt. */
  add(kVideoGuidanceScale,
      g_param_spec_double("video-guidance-scale", "Video guidance scale",
                          "How strictly the picture follows the prompt (1: no guidance)", 0, 100,
                          4.0, kFlags));
  /** GstOvii2vSrc:audio-guidance-scale: How strictly the sound follows the prompt. */
  add(kAudioGuidanceScale,
      g_param_spec_double("audio-guidance-scale", "Audio guidance scale",
                          "How strictly the sound follows the prompt (1: no guidance)", 0, 100, 3.0,
                          kFlags));
  /**
   * GstOvii2vSrc:slg-layer:
   *
   * Block that the negative pass skips (skip-layer guidance). One beyond the model's last is a
   * WARNING, and nothing is skipped.
   */
  add(kSlgLayer,
      g_param_spec_uint("slg-layer", "SLG layer", "Block that the negative pass skips (0: none)", 0,
                        1000, 11, kFlags));
  /** GstOvii2vSrc:device: Where the model runs. */
  add(kDevice,
      g_param_spec_string("device", "Device", "auto, cpu, cuda or cuda:N", "auto", kFlags));
  /** GstOvii2vSrc:precision: Arithmetic of the model. */
  add(kPrecision, g_param_spec_enum("precision", "Precision", "Arithmetic of the model",
                                    precision_type(), OVI_PRECISION_AUTO, kFlags));
  /**
   * GstOvii2vSrc:memory:
   *
   * Which weights stay in the GPU's memory. `resident` keeps all of them; `offload` has
   * only those of the part that is at work (text encoder, transformer, decoders) and reads
   * each again when it is needed; `stream` has two of the transformer's blocks at a time,
   * and copies the next one from host memory while one computes. `auto` takes the first of
   * these that fits into the memory that is free when the model is loaded, and says so in
   * the log and in #GstOvii2vSrc:stats. The clip is the same with all of them. A CPU has
   * no `stream`, and is `resident` by default.
   */
  add(kMemory, g_param_spec_enum("memory", "Memory", "Which weights stay in the GPU's memory",
                                 memory_type(), OVI_MEMORY_AUTO, kFlags));
  /**
   * GstOvii2vSrc:num-clips:
   *
   * Clips made one after the other in one running segment, without a gap between
   * their timestamps; 0 goes on until it is stopped. The next clip is made while the
   * last one is played: never more than one ahead, so that two clips at most are in
   * memory. Each clip begins with a TAG event on both pads.
   *
   * The video sets the pace: clip n begins n * frames / 24 seconds after the first,
   * its sound at the nearest sample (never off by more than half a sample, also after
   * many clips). What a clip's sound is shorter than its video (5 s clips: 17.7 ms) is
   * silence; what it is longer (10 s clips: 6.3 ms) is left out. The last
   * clip has its sound as it is.
   *
   * More clips than one cannot be seeked, for what was played is gone: the SEEKING
   * query says so. The duration is unknown without end.
   *
   * Set while PLAYING or PAUSED it counts at once, and DURATION_CHANGED is posted; once one of the
   * streams has ended it counts for the next run. A number below that of the clips that have begun
   * ends the stream with the one that is sent; what was made of the next one is thrown away.
   */
  add(kNumClips, g_param_spec_uint("num-clips", "Number of clips",
                                   "Clips made one after the other, without a gap (0: without end; "
                                   "while playing: the clip that is sent is the least)",
                                   0, G_MAXINT, 1, kPlayingFlags));
  /**
   * GstOvii2vSrc:continuity:
   *
   * How clips after the first begin. With `last-frame` the picture is the last frame
   * of the clip before, taken from the format that was negotiated (RGB keeps it best).
   * The first frame would show the same once more and is left out: 5 s clips follow
   * each other every 120 frames and 80000 samples. All clips have the first one's
   * size, if the engine can give it. An image set while PLAYING begins anew from there.
   */
  add(kContinuity,
      g_param_spec_enum("continuity", "Continuity", "How each clip after the first begins",
                        continuity_type(), static_cast<int>(Continuity::kNone), kFlags));
  /**
   * GstOvii2vSrc:is-live:
   *
   * Behave as a live source, for pipelines with other live sources: no preroll, and
   * clips are timestamped and sent by the pipeline's clock. A clip begins when it is
   * made as a whole and the pipeline plays; both pads share that moment. Until then,
   * and when the next clip is not made in time, GAP events tell mixers not to wait, and
   * the clip begins that much later. While the pipeline is paused its running time
   * stands still and nothing is missed. Cannot be seeked; the duration is unknown.
   */
  add(kIsLive, g_param_spec_boolean("is-live", "Is live", "Send clips by the pipeline's clock",
                                    FALSE, kFlags));
  /**
   * GstOvii2vSrc:hold:
   *
   * What a live element sends while no clip is there, so that neither stream ever has a hole:
   * frames at full rate and silence, in the clip's size and formats. It begins as soon as
   * the size of the first clip is known, before the model is loaded, so that muxers, servers and
   * their clients need not wait. Before the first clip the picture is shown, or black where
   * there is none; later with `picture` the picture, with `last-frame` (and without a picture)
   * the last frame. A clip begins and ends on a frame, on both pads at once; the sound of the
   * last clip is cut or filled to that of its frames. `none` sends GAP events.
   */
  add(kHold, g_param_spec_enum("hold", "Hold", "What a live element sends while no clip is there",
                               hold_type(), static_cast<int>(Hold::kNone), kFlags));
  /**
   * GstOvii2vSrc:acceleration:
   *
   * What the denoising may leave out. With `none` every step is computed in full. With
   * `balanced` the second half of the steps takes the effect of the negative prompts from an
   * earlier step, and steps that are much like the one before run no block of the model, but
   * add what the blocks added there. `fast` goes further in both, and runs 3 of 5 of the
   * #GstOvii2vSrc:steps (10 at least). The first fifth and the last steps are always in full.
   * The clip is another one than with `none`; #GstOvii2vSrc:stats names what was left out.
   */
  add(kAcceleration, g_param_spec_enum("acceleration", "Acceleration",
                                       "What denoising steps may reuse or leave out",
                                       acceleration_type(), OVI_ACCELERATION_NONE, kFlags));
  /**
   * GstOvii2vSrc:image-sample:
   *
   * The first frame as pixels that the application has: any raw video in system memory, with
   * strides and planes as a GstVideoMeta says. It becomes RGB by the colorimetry of its caps,
   * with square pixels. Of this and #GstOvii2vSrc:image the one set last counts, and unsets the
   * other. Set while PLAYING, it is for the clips whose making has not begun yet.
   * The pixels may not change any more.
   */
  add(kImageSample, g_param_spec_boxed("image-sample", "Image sample",
                                       "Raw video frame to begin with, in the place of image "
                                       "(while playing: for the next clip)",
                                       GST_TYPE_SAMPLE, kPlayingFlags));
  /**
   * GstOvii2vSrc:failures:
   *
   * How many clips in a row may fail once the first one was made. Such a clip is a WARNING and is
   * tried again once; where memory ran out with less of the weights in memory
   * (#GstOvii2vSrc:memory). When that fails too the next one is begun a clip's time later, with
   * the next seed and in the same place of the stream. One more failure is an ERROR.
   */
  add(kFailures, g_param_spec_uint("failures", "Failures",
                                   "Clips in a row that may fail before it is an error", 0,
                                   G_MAXINT, 3, kPlayingFlags));
  /**
   * GstOvii2vSrc:preview:
   *
   * Every so many steps an element message named `ovii2v-preview` has a small picture of what the
   * clip is about to become, near a frame of its middle: an eighth of its size, RGB. A small
   * decoder makes it of the latents where the model-path has one (taew2_2), else a linear map that
   * is fitted to the video VAE of the model once that is loaded, and to the clip's own picture. The
   * clip is the same with and without, and nothing waits for it; on a GPU one comes while the next
   * step runs. Set while PLAYING, it is for the clips whose making has not begun yet.
   */
  add(kPreview, g_param_spec_uint("preview", "Preview",
                                  "Steps from one preview message to the next (0: none)", 0, 1000,
                                  0, kPlayingFlags));
  /**
   * GstOvii2vSrc:lora:
   *
   * LoRAs that are merged into the transformer when it is read: `FILE:strength,FILE:strength`, in
   * safetensors or torch's format, for Ovi or for Wan 2.2 TI2V 5B, with the names that ComfyUI,
   * diffusers, kohya's scripts, PEFT or WanGP give. A strength is -10 to 10, and 1 where it is
   * left out. A comma, colon or backslash of a name has a backslash before it. Several add up;
   * one of strength 0 changes nothing. What of a file fits nothing is a WARNING, a file that fits
   * nowhere an ERROR. Set while PLAYING, it is for the clips whose making has not begun yet; before
   * the first of them the model is loaded anew; what is wrong with it is a WARNING then, and the
   * last good one goes on.
   */
  add(kLora, g_param_spec_string("lora", "LoRA",
                                 "LoRA files to merge, FILE:strength,FILE:strength (while playing: "
                                 "for the next clip)",
                                 nullptr, kPlayingFlags));
  /**
   * GstOvii2vSrc:isolation:
   *
   * Where the engine runs. With `process` it is in the program ovii2v-worker, so that no fault of
   * the engine, of LibTorch or of a driver takes the application down: the worker's end is an
   * ERROR in the first clip, and in a later one of a chain a WARNING and another worker
   * (#GstOvii2vSrc:failures). The application may then have any other LibTorch. Frames and samples
   * come in shared memory. A cancel that is not answered within 2 seconds kills the worker, and the
   * next clip loads the model anew. Elements do not share a loaded model then. `auto` is `process`
   * where #GstOvii2vSrc:devices has several, and else `none`. A change in READY counts from the
   * next PAUSED on.
   */
  add(kIsolation, g_param_spec_enum("isolation", "Isolation", "Where the engine runs",
                                    isolation_type(), static_cast<int>(Isolation::kAuto), kFlags));
  /**
   * GstOvii2vSrc:devices:
   *
   * One clip on several devices at once, instead of #GstOvii2vSrc:device: `cuda:0,cuda:1`, 2, 3, 4,
   * 6 or 8 of this machine. Or `ranks`: those that torchrun, mpirun or srun started, of which this
   * process is rank 0, on #GstOvii2vSrc:device, and the others run `ovii2v-worker --join`. The
   * first that fails or is gone ends the clip for all, with an ERROR that names it.
   */
  add(kDevices,
      g_param_spec_string("devices", "Devices", "Several for each clip: cuda:0,cuda:1,... or ranks",
                          "", kFlags));
}

guint Settings::end_id() { return kEnd; }

bool Settings::may_change_while_running(guint id) {
  return id == kPrompt || id == kImage || id == kImageSample || id == kFailures || id == kNumClips ||
         id == kPreview || id == kLora;
}

}  // namespace ovii2v
