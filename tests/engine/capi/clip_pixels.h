// A clip's bytes, made through the C interface, and how far two of them are apart.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <string>
#include <vector>

#include "ovi/engine.h"

namespace ovi {

struct ClipPixels {
  std::vector<uint8_t> frames;
  std::vector<float> samples;
  std::vector<std::string> notes;
  std::function<void(const ovi_progress&)> on_progress;

  ovi_callbacks callbacks() {
    ovi_callbacks made{};
    made.size = sizeof made;
    made.user = this;
    made.progress = [](void* user, const ovi_progress* progress) {
      auto* clip = static_cast<ClipPixels*>(user);
      if (clip->on_progress) clip->on_progress(*progress);
    };
    made.note = [](void* user, const char* note) {
      static_cast<ClipPixels*>(user)->notes.push_back(note);
    };
    made.audio = [](void* user, const ovi_audio* audio) {
      auto* clip = static_cast<ClipPixels*>(user);
      clip->samples.resize(audio->samples);
      std::memcpy(clip->samples.data(), audio->data, audio->samples * sizeof(float));
      ovi_buffer_release(audio->owner);
    };
    made.video = [](void* user, const ovi_video_frame* frame) {
      auto* clip = static_cast<ClipPixels*>(user);
      clip->frames.insert(clip->frames.end(), frame->data, frame->data + frame->bytes);
      ovi_buffer_release(frame->owner);
    };
    return made;
  }
};

/// Levels of 255 that the frames differ by at most; -1: they have other sizes, or the sound differs
/// by more than a rounding. Between several devices and one products of fewer rows round elsewhere.
inline int difference(const ClipPixels& a, const ClipPixels& b) {
  constexpr float kRounding = 5e-3f;
  if (a.frames.empty() || a.frames.size() != b.frames.size() ||
      a.samples.size() != b.samples.size())
    return -1;
  for (size_t i = 0; i < a.samples.size(); ++i)
    if (!(std::abs(a.samples[i] - b.samples[i]) < kRounding)) return -1;
  int most = 0;
  for (size_t i = 0; i < a.frames.size(); ++i)
    most = std::max(most, std::abs(int{a.frames[i]} - int{b.frames[i]}));
  return most;
}

}  // namespace ovi
