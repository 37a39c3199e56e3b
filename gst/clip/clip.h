// One clip in memory: what the worker fills and the pads send.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <gst/gst.h>

#include <vector>

#include "engine/gstovii2vloader.h"
#include "ovi/engine.h"
#include "stream/timeline.h"

namespace ovii2v {

/// Throws std::bad_alloc.
GstBuffer* silence(size_t bytes);
size_t sample_bytes(ovi_sample_format format);

/// Frames and samples lie in the engine's own memory, wrapped once; every push
/// shares them. Units are counted from the clip's own first one.
class Clip {
 public:
  /// Samples of an audio buffer; 64 ms at 16 kHz.
  static constexpr uint64_t kAudioBlock = 1024;

  Clip(const ovi_plan& plan, GstStructure* record, GstTagList* tags);  // takes both
  ~Clip();
  Clip(const Clip&) = delete;
  Clip& operator=(const Clip&) = delete;

  const ovi_plan& plan() const { return plan_; }
  const GstStructure* record() const { return record_; }  // as of clip_record()
  GstTagList* tags() const { return tags_; }

  /// Both take the engine's buffer. False: it is not what the plan and engine.h promise.
  bool add_frame(const Engine& engine, ovi_pixel_format format, const ovi_video_frame& frame);
  bool set_audio(const Engine& engine, ovi_sample_format format, const ovi_audio& audio);

  /// Its making begins anew: what is there stays, and comes once more.
  void make_again();
  /// The frames that are not there are the last one that is (or `if_none`); has_audio().
  void fill_up(GstBuffer* if_none);

  /// Every frame and sample is there.
  bool complete() const { return audio_ && frames_.size() == plan_.frames; }
  bool has_audio() const { return audio_; }
  uint64_t frame_count() const { return frames_.size(); }  // that are there
  uint64_t percent() const { return 100 * frames_.size() / plan_.frames; }
  bool available(Kind kind, uint64_t unit) const;
  GstBuffer* frame(uint64_t index) const { return frames_[index]; }  // borrowed
  /// What is shown while it is not there; takes the buffer. `picture`: it is the clip's own
  /// picture, and fit for the time after the clip too.
  void set_still(GstBuffer* still, bool picture) {
    still_ = still;
    has_picture_ = picture;
  }
  GstBuffer* still() const { return still_; }  // borrowed, or null
  bool has_picture() const { return has_picture_; }
  /// The last frame that is there; borrowed, null before the first.
  GstBuffer* last_frame() const { return frames_.empty() ? nullptr : frames_.back(); }

  /// The buffer that begins with `unit` and ends before `end`, sharing memory, without
  /// timestamps. `count` says how many units it has. Beyond the clip's sound is silence.
  GstBuffer* take(Kind kind, uint64_t unit, uint64_t end, uint64_t& count) const;

 private:
  ovi_plan plan_;
  GstStructure* record_;
  GstTagList* tags_;
  std::vector<GstBuffer*> frames_;
  GstBuffer* audio_ = nullptr;
  GstBuffer* still_ = nullptr;
  bool has_picture_ = false;
  size_t sample_bytes_ = 0;
  size_t had_frames_ = 0;  // before make_again()
  bool had_audio_ = false;
};

}  // namespace ovii2v
