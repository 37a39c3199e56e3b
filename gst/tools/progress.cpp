// How far a clip is: a bar on a terminal, lines elsewhere.
// SPDX-License-Identifier: Apache-2.0
#include "progress.h"

#include <algorithm>

#include "words.h"

namespace ovii2v::tools {
namespace {

constexpr int kBetweenLines = 10;  // percent

std::string bar(int percent, unsigned width) {
  const unsigned full = width * static_cast<unsigned>(percent) / 100;
  return "[" + std::string(full, '#') + std::string(width - full, '.') + "]";
}

/// "Clip 1 of 1: generating, step 3 of 50, 40 % of the clip, 9 s left" -> "generating, step 3 of
/// 50": the rest is said in another way here.
std::string doing(std::string text) {
  if (const size_t colon = text.find(": "); text.compare(0, 5, "Clip ") == 0 && colon < text.size())
    text.erase(0, colon + 2);
  if (const size_t percent = text.find(" % of the clip"); percent != std::string::npos)
    text.erase(text.rfind(", ", percent));
  return text;
}

/// As much of it as fits, by characters.
std::string cut(const std::string& text, unsigned most) {
  g_autofree gchar* start = g_utf8_substring(text.c_str(), 0, most);
  return start;
}

}  // namespace

void Progress::begin(const std::string& name, const std::string& place) {
  name_ = shown_file(name) + (place.empty() ? "" : " (" + place + ")");
  stage_.clear();
  told_ = -kBetweenLines;
}

void Progress::show(GstMessage* message) {
  if (quiet_) return;
  GstProgressType type;
  g_autofree gchar* code = nullptr;
  g_autofree gchar* text = nullptr;
  gst_message_parse_progress(message, &type, &code, &text);
  if (type != GST_PROGRESS_TYPE_START && type != GST_PROGRESS_TYPE_CONTINUE) return;
  const GstStructure* fields = gst_message_get_structure(message);
  int percent = 0;
  gst_structure_get_int(fields, "percent", &percent);
  guint64 clip = 0;
  guint clips = 1;
  gst_structure_get_uint64(fields, "clip", &clip);
  gst_structure_get_uint(fields, "num-clips", &clips);
  // Of a film of several clips; what is left is known for the clip that is made.
  if (clips > 1) percent = static_cast<int>((clip * 100 + static_cast<guint64>(percent)) / clips);
  GstClockTime left = GST_CLOCK_TIME_NONE;
  gst_structure_get_clock_time(fields, "time-left", &left);
  std::string time;
  if (GST_CLOCK_TIME_IS_VALID(left) && left > 0) {
    const double seconds = static_cast<double>(left) / GST_SECOND;
    time = ", " + duration_text(seconds) + (clips > 1 ? " left for this clip" : " left");
  }
  show(code, percent, time, doing(shown(text)));
}

void Progress::show(const std::string& stage, int percent, const std::string& time,
                    const std::string& said) {
  if (quiet_) return;
  if (const unsigned width = columns()) {
    const std::string figure = " " + std::to_string(percent) + " %" + time;
    const unsigned room = std::min(30u, width / 4);
    status_line(cut(bar(percent, room) + figure + "  " + said + "  " + name_, width - 1));
    return;
  }
  if (stage_ == stage && percent < told_ + kBetweenLines) return;
  stage_ = stage;
  told_ = percent;
  complain(name_ + ": " + std::to_string(percent) + " %" + time + ": " + said);
}

void Progress::end() { status_line({}); }

}  // namespace ovii2v::tools
