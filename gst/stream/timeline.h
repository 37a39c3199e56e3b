// Which frame and sample of which clip comes when: index arithmetic, no clocks.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

namespace ovii2v {

enum class Kind { kVideo, kAudio };

/// Clips of equal length, one after the other. A unit is a frame or a sample,
/// counted from the start of the first clip.
///
/// The video sets the pace: clip n begins `n * period()` frames after the first.
/// Its sound begins at the sample nearest to that time, so it is never off by more
/// than half a sample, however many clips went before. What the sound is shorter
/// than the time to the next clip is silence; what it is longer is left out. The
/// last clip has its sound as it is.
///
/// With `repeats` the first frame of each later clip shows what the last frame of
/// the clip before showed. It is left out, and its time is that of the last frame.
struct Timeline {
  uint32_t frames = 1, frame_rate = 1;    // of a clip; per second
  uint32_t samples = 1, sample_rate = 1;  // of a clip; Hz
  uint64_t clips = 1;                     // 0: without end
  bool repeats = false;

  static constexpr uint64_t kEndless = UINT64_MAX;

  /// Frames from the begin of a clip to that of the next.
  uint64_t period() const { return drops() ? frames - 1 : frames; }
  /// Where the clip's own frame 0 and sample 0 are (frame 0 may be left out).
  uint64_t origin(Kind kind, uint64_t clip) const;
  /// The first unit that is taken from the clip, and the one after its last.
  uint64_t first(Kind kind, uint64_t clip) const;
  uint64_t end(Kind kind, uint64_t clip) const;
  /// The clip that `unit` is taken from; the last one for what comes after it.
  uint64_t clip_of(Kind kind, uint64_t unit) const;
  /// Of all clips; kEndless without end.
  uint64_t units(Kind kind) const;
  uint32_t rate(Kind kind) const { return kind == Kind::kVideo ? frame_rate : sample_rate; }
  /// In one clip.
  uint64_t length(Kind kind) const { return kind == Kind::kVideo ? frames : samples; }

 private:
  bool drops() const { return repeats && frames > 1; }
};

}  // namespace ovii2v
