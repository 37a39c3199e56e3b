// Caps of the two pads, and their way to the engine's formats and back.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <gst/audio/audio.h>
#include <gst/gst.h>
#include <gst/video/video.h>

#include <optional>

#include "ovi/engine.h"

namespace ovii2v {

// Chroma lies where the left one of two luma samples is, halfway between two rows.
#define OVII2V_VIDEO_CAPS                                                       \
  "video/x-raw, format=(string){ I420, NV12 }, colorimetry=(string)bt709, "     \
  "chroma-site=(string)mpeg2, "                                                 \
  "width=(int)[ 32, 8192, 32 ], height=(int)[ 32, 8192, 32 ], "                 \
  "framerate=(fraction)24/1, pixel-aspect-ratio=(fraction)1/1, "                \
  "interlace-mode=(string)progressive; "                                        \
  "video/x-raw, format=(string){ RGB, RGBA, BGRx }, colorimetry=(string)sRGB, " \
  "width=(int)[ 32, 8192, 32 ], height=(int)[ 32, 8192, 32 ], "                 \
  "framerate=(fraction)24/1, pixel-aspect-ratio=(fraction)1/1, "                \
  "interlace-mode=(string)progressive"

#define OVII2V_AUDIO_CAPS \
  "audio/x-raw, format=(string){ " GST_AUDIO_NE(F32) ", " GST_AUDIO_NE(S16) " }, "  \
  "rate=(int)16000, channels=(int)1, layout=(string)interleaved"

/// What the planned clip can be given as; one format alone once it is being made.
GstCaps* video_caps(const ovi_plan& plan, std::optional<ovi_pixel_format> format);
GstCaps* audio_caps(const ovi_plan& plan, std::optional<ovi_sample_format> format);

GstVideoFormat gst_format(ovi_pixel_format format);

/// Of fixed caps.
ovi_pixel_format pixel_format_of(const GstCaps* caps);
ovi_sample_format sample_format_of(const GstCaps* caps);

}  // namespace ovii2v
