// The PROGRESS messages of one run.
// SPDX-License-Identifier: Apache-2.0
#include "clip/progress.h"

#include <algorithm>
#include <cmath>

namespace ovii2v {
namespace {

/// Of one stage; steps are told each, everything else at most four times a second.
constexpr gint64 kQuiet = G_USEC_PER_SEC / 4;

struct StageText {
  const char* code;
  const char* doing;
  const char* item;  // "step 3 of 50"
  const char* unit;
  const char* done;
};

const StageText& text_of(ovi_stage stage) {
  static const StageText texts[] = {
      {"load", "loading the model", "", " MiB", "the model is in memory"},
      {"encode", "reading prompt and picture", "input ", "", "prompt and picture read"},
      {"generate", "generating", "step ", "", "generated"},
      {"decode", "decoding sound and frames", "part ", "", "sound and frames decoded"},
  };
  return texts[stage];
}

/// "31 s", "4 min 10 s"
std::string duration_text(double seconds) {
  const auto whole = static_cast<int64_t>(std::ceil(std::min(seconds, 1e9)));
  if (whole < 120) return std::to_string(whole) + " s";
  return std::to_string(whole / 60) + " min " + std::to_string(whole % 60) + " s";
}

double now_seconds() { return static_cast<double>(g_get_monotonic_time()) / G_USEC_PER_SEC; }

}  // namespace

void Progress::set_clip(uint64_t clip, uint64_t clips) {
  clip_ = clip;
  clips_ = clips;
  time_.reset();
}

void Progress::expect(const std::string& like, uint32_t steps, bool loads) {
  time_.begin(like, steps, loads);
}

void Progress::begin() {
  if (open_) return;
  reads_ = false;
  stage_ = OVI_STAGE_LOAD;
  open_ = true;
  seqnum_ = gst_util_seqnum_next();
  post(GST_PROGRESS_TYPE_START, "checking settings and picture", 0);
}

void Progress::begin(ovi_stage stage) {
  if (open_ && stage_ == stage) return;
  end(GST_PROGRESS_TYPE_COMPLETE);
  stage_ = stage;
  open_ = true;
  reads_ = stage == OVI_STAGE_LOAD;
  last_post_ = 0;
  seqnum_ = gst_util_seqnum_next();
  post(GST_PROGRESS_TYPE_START, text_of(stage).doing, 0);
}

void Progress::update(const ovi_progress& progress) {
  const int stage = stage_of(progress);
  if (stage < OVI_STAGE_LOAD || stage > OVI_STAGE_DECODE) return;
  const bool load = stage == OVI_STAGE_LOAD;
  time_.update(progress, now_seconds());
  // The engine may name the stage where everything is in memory: nobody is told of a loading then.
  const bool idle = load && progress.total <= 1;
  if (idle && !(open_ && stage_ == OVI_STAGE_LOAD)) return;
  begin(static_cast<ovi_stage>(stage));
  if (load && !idle && !reads_) {
    reads_ = true;
    post(GST_PROGRESS_TYPE_CONTINUE, text_of(stage_).doing, 0);
  }
  if (progress.done == 0 || progress.total == 0) return;
  const gint64 now = g_get_monotonic_time();
  const bool last = progress.done >= progress.total;
  if (!idle && (stage == OVI_STAGE_GENERATE || last || now - last_post_ >= kQuiet)) {
    last_post_ = now;
    const StageText& text = text_of(stage_);
    post(GST_PROGRESS_TYPE_CONTINUE,
         std::string(text.doing) + ", " + text.item + std::to_string(progress.done) + " of " +
             std::to_string(progress.total) + text.unit,
         static_cast<int>(uint64_t{100} * progress.done / progress.total));
  }
  // The last stage ends when the clip is whole, and its statistics are there.
  if (last && stage != OVI_STAGE_DECODE) end(GST_PROGRESS_TYPE_COMPLETE);
}

void Progress::complete() {
  time_.complete(now_seconds());
  end(GST_PROGRESS_TYPE_COMPLETE);
}

void Progress::end(GstProgressType type) {
  if (!open_) return;
  open_ = false;
  const char* text = type == GST_PROGRESS_TYPE_COMPLETE   ? text_of(stage_).done
                     : type == GST_PROGRESS_TYPE_CANCELED ? "cancelled"
                                                          : "failed";
  post(type, text, type == GST_PROGRESS_TYPE_COMPLETE ? 100 : stage_percent_);
}

void Progress::post(GstProgressType type, const std::string& what, int stage_percent) {
  stage_percent_ = stage_percent;
  const bool given_up = type == GST_PROGRESS_TYPE_CANCELED || type == GST_PROGRESS_TYPE_ERROR;
  const double left = given_up ? -1.0 : time_.left(now_seconds()).value_or(-1.0);
  const int percent = time_.percent();
  std::string text("Clip ");
  text.append(std::to_string(clip_ + 1));
  if (clips_) text.append(" of ").append(std::to_string(clips_));
  text.append(": ").append(what);
  if (percent) text.append(", ").append(std::to_string(percent)).append(" % of the clip");
  if (left > 0) text.append(", ").append(duration_text(left)).append(" left");

  GstMessage* message =
      gst_message_new_progress(GST_OBJECT(element_), type, text_of(stage_).code, text.c_str());
  const GstClockTime time_left =
      left < 0 ? GST_CLOCK_TIME_NONE : static_cast<GstClockTime>(std::min(left, 1e9) * GST_SECOND);
  const int timeout = left < 0 ? -1 : static_cast<int>(std::min(left * 1000, 2147483000.0));
  gst_structure_set(gst_message_writable_structure(message),                                 //
                    "percent", G_TYPE_INT, percent, "timeout", G_TYPE_INT, timeout,          //
                    "clip", G_TYPE_UINT64, clip_, "num-clips", G_TYPE_UINT,                  //
                    static_cast<guint>(clips_), "stage-percent", G_TYPE_INT, stage_percent,  //
                    "time-left", GST_TYPE_CLOCK_TIME, time_left, nullptr);
  gst_message_set_seqnum(message, seqnum_);
  gst_element_post_message(element_, message);
}

}  // namespace ovii2v
