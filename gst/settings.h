// What a user asked for: the element's properties, and the request made of them.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <gst/gst.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/lora.h"
#include "messages.h"
#include "ovi/engine.h"
#include "picture/picture.h"

namespace ovii2v {

/// How a clip that is not the first one begins.
enum class Continuity { kNone, kLastFrame };
/// What a live element shows while no clip is there.
enum class Hold { kNone, kPicture, kLastFrame };
/// Where the engine runs.
enum class Isolation { kNone, kProcess, kAuto };

/// The properties of the element but for the read-only ones. A copy is taken
/// when a run begins, so that nothing changes under it.
struct Settings {
  std::optional<std::string> image;
  Reach image_reach;
  std::shared_ptr<GstSample> image_sample;  // never beside `image`
  std::optional<std::string> prompt;
  std::optional<std::string> model_path;
  std::optional<std::string> lora;  // as read_loras() takes it
  std::string audio_negative_prompt;
  std::string video_negative_prompt;
  std::string device;
  std::string devices;  // empty: `device` alone
  int64_t seed = -1;
  ovi_variant variant = OVI_VARIANT_AUTO;
  ovi_precision precision = OVI_PRECISION_AUTO;
  ovi_memory memory = OVI_MEMORY_AUTO;
  ovi_solver solver = OVI_SOLVER_UNIPC;
  ovi_acceleration acceleration = OVI_ACCELERATION_NONE;
  uint32_t width = 0, height = 0;
  uint32_t steps = 0;
  uint32_t slg_layer = 0;
  uint32_t preview = 0;    // a picture each so many steps
  uint32_t num_clips = 1;  // 0: without end
  Continuity continuity = Continuity::kNone;
  bool is_live = false;
  Hold hold = Hold::kNone;
  Isolation isolation = Isolation::kAuto;
  uint32_t failures = 3;       // clips in a row
  uint64_t image_changes = 0;  // how often `image` or `image_sample` was set
  uint64_t prompt_changes = 0;
  uint64_t lora_changes = 0;
  double shift = 0, video_guidance_scale = 0, audio_guidance_scale = 0;

  /// Adds the properties to the class; their ids begin at 1.
  static void install(GObjectClass* klass);
  /// The id after the last property of install().
  static guint end_id();

  /// Every value as its property's default says; `model_path` as OVI_MODEL_PATH says.
  Settings();

  /// False: no such id here.
  bool set(guint id, const GValue* value);
  bool get(guint id, GValue* value) const;
  /// Whether the property may be set while a clip is made (it counts for the next one).
  static bool may_change_while_running(guint id);

  /// "steps=50, seed=7, ...": what differs from the defaults of `klass`, for the log.
  std::string text(GObjectClass* klass) const;

  /// What can be told without the engine; nothing is wrong when empty.
  std::optional<Failure> check() const;
  std::optional<Failure> check_prompt() const;
  std::optional<Failure> check_folder() const;
  std::optional<Failure> check_lora() const;
  /// Of a lora that check_lora() found well.
  std::vector<Lora> loras() const;

  /// All that the time of a clip depends on, but for its steps.
  std::string pace(const ovi_plan& plan) const;

  /// For people: without secrets; empty when there is none.
  std::string image_name() const;

  bool has_picture() const { return image || image_sample; }

  /// Whether what was played is kept, so that it can be played again.
  bool seekable() const { return num_clips == 1 && !is_live; }

  /// Never kAuto: a process of its own for several devices.
  Isolation where() const;

  /// Both borrow from *this (and the list, and the picture).
  ovi_engine_config engine_config(const std::vector<ovi_lora>& loras) const;
  ovi_request request(const Image* picture, int64_t used_seed) const;
};

}  // namespace ovii2v
