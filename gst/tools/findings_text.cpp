// SPDX-License-Identifier: Apache-2.0
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif

#include <gst/gst.h>

#include "findings.h"
#include "words.h"

namespace ovii2v::tools {
namespace {

/// "11.7 billion", "1.2 million", "950"
std::string count_text(uint64_t count) {
  char buffer[G_ASCII_DTOSTR_BUF_SIZE];
  if (count < 1000000) return std::to_string(count);
  const bool large = count >= 1000000000;
  return std::string(g_ascii_formatd(buffer, sizeof buffer, "%.1f",
                                     static_cast<double>(count) / (large ? 1e9 : 1e6))) +
         (large ? " billion" : " million");
}

std::string settings_line(const Findings& found) {
  std::string line;
  for (const auto& [name, value] : best_settings(found)) {
    const bool plain = name != "model-path";
    g_autofree gchar* quoted = plain ? nullptr : g_shell_quote(value.c_str());
    line += (line.empty() ? "" : " ") + name + "=" + (plain ? value : shown(quoted));
  }
  return line;
}

/// "resident 24.8 MiB, offload 20.0 MiB (does not fit)"
std::string plans_text(const std::vector<ovi_memory_need>& plans) {
  std::string text;
  for (const ovi_memory_need& need : plans)
    text += (text.empty() ? "" : ", ") + std::string(memory_name(need.memory)) + " " +
            bytes_text(need.needed) + (need.fits ? "" : " (does not fit)");
  return text;
}

}  // namespace

void print(const Findings& found) {
  g_autofree gchar* gstreamer = gst_version_string();
  answer("ovi " VERSION ", " + std::string(gstreamer));
  if (!found.plugin_version.empty())
    answer("plug-in " + found.plugin_version + ": " + shown_file(found.plugin_file));
  if (!found.engine_version.empty())
    answer("engine " + found.engine_version + ": " + shown_file(found.engine_file));
  for (const Findings::Format& format : found.formats)
    if (format.problem.empty())
      answer(format.name + " by " + (format.graph.video.empty() ? "" : format.graph.video + ", ") +
             format.graph.audio);
  if (!found.components.empty())
    answer("model " + shown_file(found.model) + ", " + found.model_found.variant_name + ":");
  for (const Component& part : found.components) {
    std::string line =
        "  " + part.name + ": " + shown_file(part.path) + ", " + bytes_text(part.bytes);
    if (part.tensors) line += ", " + count_text(part.parameters) + " parameters, " + part.dtype;
    if (!part.why.empty()) line += "; " + part.why;
    answer(line);
  }
  const ovi_inspection& model = found.model_found;
  for (const Device& device : found.devices) {
    std::string line = "device " + device.name;
    if (device.ranks > 1) line += ", for " + std::to_string(device.ranks) + " ranks";
    line += std::string(", ") + model.precision;
    if (device.total)
      line += ", " + bytes_text(device.free) + " of " + bytes_text(device.total) + " free";
    answer(line);
    for (const ovi_memory_need& need : device.plans)
      answer(std::string("  memory=") + memory_name(need.memory) + " needs " +
             bytes_text(need.needed) + (need.fits ? ", fits" : ", does not fit") +
             (need.memory == device.memory ? ", is taken" : ""));
  }
  for (const Findings::Precision& other : found.others)
    answer("  precision=" + other.name + " would take: " + plans_text(other.plans));
  if (found.timed) {
    const ovi_time_estimate& time = found.time;
    const double least = time.total_seconds * (1 - time.error);
    const double most = time.total_seconds * (1 + time.error);
    answer("  a clip of " + std::to_string(time.steps) + " steps takes about " +
           duration_text(time.total_seconds) + " (" + duration_text(least) + " to " +
           duration_text(most) + "): denoising " + duration_text(time.denoise_seconds) +
           ", video " + duration_text(time.video_decode_seconds) + ", the rest " +
           duration_text(time.text_seconds + time.image_seconds + time.audio_decode_seconds) +
           "; an estimate, without reading the weights");
  }
  if (const std::string line = settings_line(found); !line.empty())
    answer("settings: ovii2vsrc " + line);
  for (const std::string& note : found.notes) complain("warning: " + note);
  for (const Component& part : found.components)
    if (!part.warning.empty()) complain("warning: " + part.warning);
  for (const std::string& problem : found.problems) complain("error: " + problem);
  if (found.problems.empty())
    answer("All is here for a clip of " + std::to_string(model.width) + "x" +
           std::to_string(model.height) + ", " + std::to_string(model.frames) + " frames.");
}

}  // namespace ovii2v::tools
