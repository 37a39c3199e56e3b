// One clip in memory: what the worker fills and the pads send.
// SPDX-License-Identifier: Apache-2.0
#include "clip/clip.h"

#include <gst/video/video.h>

#include <algorithm>

#include "stream/caps.h"
#include "stream/host_memory.h"

namespace ovii2v {
namespace {

/// The engine's memory as a read-only GstBuffer that gives it back when it goes.
GstBuffer* wrap(const Engine& engine, const void* data, size_t bytes, void* owner) {
  return gst_buffer_new_wrapped_full(GST_MEMORY_FLAG_READONLY, const_cast<void*>(data), bytes, 0,
                                     bytes, owner, engine.buffer_release);
}

}  // namespace

GstBuffer* silence(size_t bytes) {
  GstBuffer* buffer = new_host_buffer(bytes);
  // Not flagged GAP: after other sound audioresample makes more of such a buffer than its duration
  // says (1.22 by 4 ms at 48 kHz), and all that follows would be heard later.
  gst_buffer_memset(buffer, 0, 0, bytes);
  return buffer;
}

size_t sample_bytes(ovi_sample_format format) { return format == OVI_SAMPLES_S16 ? 2 : 4; }

Clip::Clip(const ovi_plan& plan, GstStructure* record, GstTagList* tags)
    : plan_(plan), record_(record), tags_(tags) {
  frames_.reserve(plan.frames);
}

Clip::~Clip() {
  for (GstBuffer* frame : frames_) gst_buffer_unref(frame);
  gst_clear_buffer(&audio_);
  gst_clear_buffer(&still_);
  if (tags_) gst_tag_list_unref(tags_);
  if (record_) gst_structure_free(record_);
}

bool Clip::add_frame(const Engine& engine, ovi_pixel_format format, const ovi_video_frame& frame) {
  GstBuffer* buffer = wrap(engine, frame.data, frame.bytes, frame.owner);
  if (frame.index < had_frames_) {
    gst_buffer_unref(buffer);
    return true;
  }
  GstVideoInfo info;
  gst_video_info_set_format(&info, gst_format(format), plan_.width, plan_.height);
  bool fits = frame.index == frames_.size() && frame.index < plan_.frames &&
              frame.bytes >= GST_VIDEO_INFO_SIZE(&info) &&
              frame.planes == GST_VIDEO_INFO_N_PLANES(&info);
  for (uint32_t plane = 0; fits && plane < frame.planes; ++plane)
    fits = frame.offset[plane] == GST_VIDEO_INFO_PLANE_OFFSET(&info, plane) &&
           frame.stride[plane] == GST_VIDEO_INFO_PLANE_STRIDE(&info, plane);
  if (!fits) {
    gst_buffer_unref(buffer);
    return false;
  }
  gst_buffer_add_video_meta_full(buffer, GST_VIDEO_FRAME_FLAG_NONE, GST_VIDEO_INFO_FORMAT(&info),
                                 plan_.width, plan_.height, frame.planes, info.offset, info.stride);
  frames_.push_back(buffer);
  return true;
}

bool Clip::set_audio(const Engine& engine, ovi_sample_format format, const ovi_audio& audio) {
  GstBuffer* buffer = wrap(engine, audio.data, audio.bytes, audio.owner);
  sample_bytes_ = sample_bytes(format);
  if (had_audio_) {
    gst_buffer_unref(buffer);
    had_audio_ = false;
    return true;
  }
  if (audio_ || audio.samples != plan_.samples || audio.bytes < sample_bytes_ * audio.samples) {
    gst_buffer_unref(buffer);
    return false;
  }
  audio_ = buffer;
  return true;
}

void Clip::make_again() {
  had_frames_ = frames_.size();
  had_audio_ = audio_;
}

void Clip::fill_up(GstBuffer* if_none) {
  while (frames_.size() < plan_.frames)
    frames_.push_back(gst_buffer_ref(frames_.empty() ? if_none : frames_.back()));
}

bool Clip::available(Kind kind, uint64_t unit) const {
  return kind == Kind::kVideo ? unit < frames_.size() : audio_ && unit < plan_.samples;
}

GstBuffer* Clip::take(Kind kind, uint64_t unit, uint64_t end, uint64_t& count) const {
  if (kind == Kind::kVideo) {
    count = 1;
    return gst_buffer_copy(frames_[unit]);  // shares the memory
  }
  if (unit >= plan_.samples) {
    count = end - unit;
    return silence(count * sample_bytes_);
  }
  // Blocks begin at the same samples wherever a seek began.
  count = std::min({kAudioBlock - unit % kAudioBlock, end - unit, plan_.samples - unit});
  return gst_buffer_copy_region(audio_, GST_BUFFER_COPY_MEMORY, unit * sample_bytes_,
                                count * sample_bytes_);
}

}  // namespace ovii2v
