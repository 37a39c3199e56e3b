// One clip in memory: what the worker fills and the pads send, as often as they like.
// SPDX-License-Identifier: Apache-2.0
#include "clip.h"

#include <gst/video/video.h>

#include <algorithm>

namespace ovii2v {
namespace {

GstVideoFormat gst_format(ovi_pixel_format format) {
  switch (format) {
    case OVI_PIXELS_RGB:
      return GST_VIDEO_FORMAT_RGB;
    case OVI_PIXELS_RGBA:
      return GST_VIDEO_FORMAT_RGBA;
    case OVI_PIXELS_BGRX:
      return GST_VIDEO_FORMAT_BGRx;
    case OVI_PIXELS_NV12:
      return GST_VIDEO_FORMAT_NV12;
    case OVI_PIXELS_I420:
      break;
  }
  return GST_VIDEO_FORMAT_I420;
}

/// The engine's memory as a read-only GstBuffer that gives it back when it goes.
GstBuffer* wrap(const Engine& engine, const void* data, size_t bytes, void* owner) {
  return gst_buffer_new_wrapped_full(GST_MEMORY_FLAG_READONLY, const_cast<void*>(data), bytes, 0,
                                     bytes, owner, engine.buffer_release);
}

}  // namespace

void Clip::clear() {
  for (GstBuffer* frame : frames_) gst_buffer_unref(frame);
  frames_.clear();
  gst_clear_buffer(&audio_);
  if (tags_) gst_tag_list_unref(tags_);
  tags_ = nullptr;
  plan_.reset();
  pixel_format_.reset();
  sample_format_.reset();
  closed_ = false;
}

void Clip::set_plan(const ovi_plan& plan, GstTagList* tags) {
  plan_ = plan;
  tags_ = tags;
  frames_.reserve(plan.frames);
}

void Clip::set_formats(ovi_pixel_format pixels, ovi_sample_format samples) {
  pixel_format_ = pixels;
  sample_format_ = samples;
}

bool Clip::add_frame(const Engine& engine, const ovi_video_frame& frame) {
  GstBuffer* buffer = wrap(engine, frame.data, frame.bytes, frame.owner);
  GstVideoInfo info;
  gst_video_info_set_format(&info, gst_format(*pixel_format_), plan_->width, plan_->height);
  bool fits = frame.index == frames_.size() && frame.index < plan_->frames &&
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
                                 plan_->width, plan_->height, frame.planes, info.offset,
                                 info.stride);
  frames_.push_back(buffer);
  return true;
}

bool Clip::set_audio(const Engine& engine, const ovi_audio& audio) {
  GstBuffer* buffer = wrap(engine, audio.data, audio.bytes, audio.owner);
  const size_t sample = *sample_format_ == OVI_SAMPLES_S16 ? 2 : 4;
  if (audio_ || audio.samples != plan_->samples || audio.bytes < sample * audio.samples) {
    gst_buffer_unref(buffer);
    return false;
  }
  audio_ = buffer;
  return true;
}

uint64_t Clip::units(Kind kind) const {
  return kind == Kind::kVideo ? plan_->frames : plan_->samples;
}

uint32_t Clip::rate(Kind kind) const {
  return kind == Kind::kVideo ? plan_->frame_rate : plan_->sample_rate;
}

GstClockTime Clip::time_of(Kind kind, uint64_t unit) const {
  return gst_util_uint64_scale(unit, GST_SECOND, rate(kind));
}

GstClockTime Clip::duration() const {
  return std::max(duration(Kind::kVideo), duration(Kind::kAudio));
}

uint64_t Clip::unit_at(Kind kind, GstClockTime time) const {
  // The last unit whose rounded-down timestamp is not after `time`.
  return gst_util_uint64_scale_ceil(time + 1, rate(kind), GST_SECOND) - 1;
}

uint64_t Clip::unit_from(Kind kind, GstClockTime time) const {
  return gst_util_uint64_scale_ceil(time, rate(kind), GST_SECOND);
}

bool Clip::available(Kind kind, uint64_t unit) const {
  return kind == Kind::kVideo ? unit < frames_.size() : audio_ && unit < plan_->samples;
}

GstBuffer* Clip::take(Kind kind, uint64_t unit, uint64_t end, uint64_t& count) const {
  GstBuffer* buffer = nullptr;
  if (kind == Kind::kVideo) {
    count = 1;
    buffer = gst_buffer_copy(frames_[unit]);  // shares the memory
  } else {
    // Blocks begin at the same samples wherever a seek began.
    count = std::min(kAudioBlock - unit % kAudioBlock, end - unit);
    const size_t sample = *sample_format_ == OVI_SAMPLES_S16 ? 2 : 4;
    buffer = gst_buffer_copy_region(audio_, GST_BUFFER_COPY_MEMORY, unit * sample, count * sample);
  }
  GST_BUFFER_PTS(buffer) = time_of(kind, unit);
  GST_BUFFER_DURATION(buffer) = time_of(kind, unit + count) - GST_BUFFER_PTS(buffer);
  GST_BUFFER_OFFSET(buffer) = unit;
  GST_BUFFER_OFFSET_END(buffer) = unit + count;
  return buffer;
}

}  // namespace ovii2v
