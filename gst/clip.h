// One clip in memory: what the worker fills and the pads send, as often as they like.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <gst/gst.h>

#include <optional>
#include <string>
#include <vector>

#include "gstovii2vloader.h"
#include "ovi/engine.h"

namespace ovii2v {

enum class Kind { kVideo, kAudio };

/// Frames and samples lie in the engine's own memory, wrapped once; every push
/// shares them. The whole clip is kept, also for a pad that is not linked, so
/// that a seek or a late link needs no second generation. Guarded by Source::lock.
class Clip {
 public:
  /// Samples of an audio buffer; 64 ms at 16 kHz.
  static constexpr uint64_t kAudioBlock = 1024;

  Clip() = default;
  ~Clip() { clear(); }
  Clip(const Clip&) = delete;
  Clip& operator=(const Clip&) = delete;

  void clear();
  void set_plan(const ovi_plan& plan, GstTagList* tags);  // takes `tags`

  bool planned() const { return plan_.has_value(); }
  const ovi_plan& plan() const { return *plan_; }
  GstTagList* tags() const { return tags_; }

  /// Fixed when the generation begins.
  void set_formats(ovi_pixel_format pixels, ovi_sample_format samples);
  std::optional<ovi_pixel_format> pixel_format() const { return pixel_format_; }
  std::optional<ovi_sample_format> sample_format() const { return sample_format_; }

  /// Both take the engine's buffer. False: it is not what the plan and engine.h promise.
  bool add_frame(const Engine& engine, const ovi_video_frame& frame);
  bool set_audio(const Engine& engine, const ovi_audio& audio);

  /// Nothing more will come, whether or not all is there.
  void close() { closed_ = true; }
  bool closed() const { return closed_; }

  // A position counts units: frames, or samples.

  /// Units in the whole clip, and in a second.
  uint64_t units(Kind kind) const;
  uint32_t rate(Kind kind) const;
  GstClockTime time_of(Kind kind, uint64_t unit) const;
  GstClockTime duration(Kind kind) const { return time_of(kind, units(kind)); }
  /// The longer one of the two.
  GstClockTime duration() const;
  /// The unit that is seen or heard at `time`; the first one not before it.
  uint64_t unit_at(Kind kind, GstClockTime time) const;
  uint64_t unit_from(Kind kind, GstClockTime time) const;

  bool available(Kind kind, uint64_t unit) const;
  /// The buffer that begins with `unit` and ends before `end`; sharing memory, with
  /// timestamps and offsets. `count` says how many units it has.
  GstBuffer* take(Kind kind, uint64_t unit, uint64_t end, uint64_t& count) const;

 private:
  std::optional<ovi_plan> plan_;
  std::optional<ovi_pixel_format> pixel_format_;
  std::optional<ovi_sample_format> sample_format_;
  GstTagList* tags_ = nullptr;
  std::vector<GstBuffer*> frames_;
  GstBuffer* audio_ = nullptr;
  bool closed_ = false;
};

}  // namespace ovii2v
