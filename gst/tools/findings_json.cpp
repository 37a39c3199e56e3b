// SPDX-License-Identifier: Apache-2.0
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif

#include <gst/gst.h>

#include <tuple>

#include "findings.h"
#include "json.h"

namespace ovii2v::tools {
namespace {

void add_plans(JsonWriter& json, const std::vector<ovi_memory_need>& plans) {
  json.begin_array("plans");
  for (const ovi_memory_need& need : plans) {
    json.begin_object();
    json.add("memory", memory_name(need.memory));
    json.add("needed", need.needed);
    json.add("fits", need.fits != 0);
    json.end_object();
  }
  json.end_array();
}

void add_devices(JsonWriter& json, const std::vector<Device>& devices) {
  json.begin_array("devices");
  for (const Device& device : devices) {
    json.begin_object();
    json.add("device", device.name);
    json.add("ranks", device.ranks);
    json.add("free", device.free);
    json.add("total", device.total);
    add_plans(json, device.plans);
    if (device.memory != OVI_MEMORY_AUTO) json.add("taken", memory_name(device.memory));
    if (!device.problem.empty()) json.add("problem", device.problem);
    json.end_object();
  }
  json.end_array();
}

}  // namespace

std::string json_of(const Findings& found) {
  JsonWriter json;
  json.begin_object();
  json.add("ok", found.problems.empty());
  json.add("ovi", VERSION);
  g_autofree gchar* gstreamer = gst_version_string();
  json.add("gstreamer", gstreamer);
  for (const auto& [name, version, file] :
       {std::tuple{"plugin", found.plugin_version, found.plugin_file},
        std::tuple{"engine", found.engine_version, found.engine_file}}) {
    if (version.empty()) continue;
    json.begin_object(name);
    json.add("version", version);
    json.add("file", file);
    json.end_object();
  }
  json.begin_object("formats");
  for (const Findings::Format& format : found.formats) {
    json.begin_object(format.name);
    if (!format.problem.empty()) {
      json.add("problem", format.problem);
    } else {
      if (!format.graph.video.empty()) json.add("video", format.graph.video);
      json.add("audio", format.graph.audio);
    }
    json.end_object();
  }
  json.end_object();
  if (found.inspected) {
    const ovi_inspection& model = found.model_found;
    json.begin_object("model");
    json.add("folder", found.model);
    json.add("variant", model.variant_name);
    json.begin_array("components");
    for (const Component& part : found.components) {
      json.begin_object();
      json.add("name", part.name);
      json.add("file", part.path);
      json.add("bytes", part.bytes);
      json.add("tensors", part.tensors);
      json.add("parameters", part.parameters);
      json.add("dtype", part.dtype);
      if (!part.problem.empty()) json.add("problem", part.problem);
      if (!part.warning.empty()) json.add("warning", part.warning);
      if (!part.why.empty()) json.add("why", part.why);
      json.end_object();
    }
    json.end_array();
    json.end_object();
    json.begin_object("memory");
    json.add("device", model.device);
    json.add("precision", model.precision);
    json.add("free", model.free_bytes);
    json.add("total", model.total_bytes);
    add_plans(json, plans_of(found.devices));
    if (!found.devices_named.empty()) add_devices(json, found.devices);
    json.begin_object("other_precisions");
    for (const Findings::Precision& other : found.others) {
      json.begin_object(other.name);
      for (const ovi_memory_need& need : other.plans) {
        json.begin_object(memory_name(need.memory));
        json.add("needed", need.needed);
        json.add("fits", need.fits != 0);
        json.end_object();
      }
      json.end_object();
    }
    json.end_object();
    if (model.memory != OVI_MEMORY_AUTO) json.add("taken", memory_name(model.memory));
    json.end_object();
    json.begin_object("clip");
    json.add("width", model.width);
    json.add("height", model.height);
    json.add("frames", model.frames);
    if (found.timed) {
      const ovi_time_estimate& time = found.time;
      json.begin_object("seconds");
      json.add("steps", time.steps);
      json.add("text", time.text_seconds);
      json.add("image", time.image_seconds);
      json.add("denoise", time.denoise_seconds);
      json.add("audio_decode", time.audio_decode_seconds);
      json.add("video_decode", time.video_decode_seconds);
      json.add("total", time.total_seconds);
      json.add("error", time.error);
      json.add("probe", time.probe_seconds);
      json.end_object();
    }
    json.end_object();
    json.begin_object("settings");
    for (const auto& [name, value] : best_settings(found)) json.add(name, value);
    json.end_object();
  }
  json.begin_array("notes");
  for (const std::string& note : found.notes) json.add({}, note);
  json.end_array();
  json.begin_array("problems");
  for (const std::string& problem : found.problems) json.add({}, problem);
  json.end_array();
  json.end_object();
  return json.text();
}

}  // namespace ovii2v::tools
