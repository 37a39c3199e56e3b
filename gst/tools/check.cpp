// ovi check: what is here to make clips with, and what is missing.
// SPDX-License-Identifier: Apache-2.0
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif

#include <gst/gst.h>

#include <algorithm>
#include <cstring>
#include <tuple>
#include <utility>
#include <vector>

#include "commands.h"
#include "container.h"
#include "door.h"
#include "json.h"
#include "model_options.h"
#include "options.h"
#include "plugin.h"
#include "words.h"

namespace ovii2v::tools {
namespace {

constexpr const char* kSummary =
    "Looks whether everything is here that a clip needs: the plug-in, the engine, encoders, the\n"
    "files of the model in FOLDER ($OVI_MODEL_PATH), memory and time. Nothing is loaded.";
constexpr const char* kDescription =
    "What memory plans need is an estimate from above, for a clip of the variant's usual size. "
    "How\n"
    "long it takes is estimated from the device's rates, which are measured for some seconds\n"
    "(not with --no-probe), and what a clip has to compute; reading the weights comes on top.\n"
    "\n"
    "Ends with 0 when a clip can be made, 1 when not, 2 for wrong arguments.";

struct Component {
  std::string name, path, dtype, problem, warning, why;
  uint64_t bytes = 0, tensors = 0, parameters = 0;
};

struct Findings {
  std::string plugin_version, plugin_file, engine_version, engine_file;
  struct Format {
    std::string name, problem;
    Graph graph;
  };
  std::vector<Format> formats;
  std::string model;
  std::vector<Component> components;
  std::vector<ovi_memory_need> plans;
  std::vector<std::string> notes;
  struct Precision {
    std::string name;
    std::vector<ovi_memory_need> plans;
    ovi_memory memory = OVI_MEMORY_AUTO;  // the one that fits; AUTO: none
  };
  std::vector<Precision> others;  // what other precisions would take
  ovi_time_estimate time{};
  bool timed = false;
  ovi_inspection model_found{};
  bool inspected = false;
  std::vector<std::string> problems;
};

const char* memory_name(ovi_memory memory) {
  switch (memory) {
    case OVI_MEMORY_RESIDENT:
      return "resident";
    case OVI_MEMORY_OFFLOAD:
      return "offload";
    case OVI_MEMORY_STREAM:
      return "stream";
    case OVI_MEMORY_AUTO:
      break;
  }
  return "none";
}

/// "11.7 billion", "1.2 million", "950"
std::string count_text(uint64_t count) {
  char buffer[G_ASCII_DTOSTR_BUF_SIZE];
  if (count < 1000000) return std::to_string(count);
  const bool large = count >= 1000000000;
  return std::string(g_ascii_formatd(buffer, sizeof buffer, "%.1f",
                                     static_cast<double>(count) / (large ? 1e9 : 1e6))) +
         (large ? " billion" : " million");
}

void look_at_encoders(Findings& found) {
  for (const std::string& name : container_names()) {
    Findings::Format format;
    format.name = name;
    if (auto graph = choose_graph(*container_named(name), false, format.problem))
      format.graph = *graph;
    else
      found.problems.push_back(name + ": " + format.problem);
    found.formats.push_back(format);
  }
}

void look_at_model(const Door& door, const ModelOptions& model, Findings& found) {
  const ovi_engine_config config = model.config();
  ovi_inspector to{};
  to.size = sizeof to;
  to.user = &found;
  to.component = [](void* user, const ovi_component* part) {
    Component told;
    told.name = part->name;
    told.path = part->path;
    told.dtype = part->dtype;
    told.problem = part->problem ? part->problem : "";
    told.warning = part->warning ? part->warning : "";
    if (part->size > offsetof(ovi_component, why) && part->why) told.why = part->why;
    told.bytes = part->bytes;
    told.tensors = part->tensors;
    told.parameters = part->parameters;
    static_cast<Findings*>(user)->components.push_back(told);
  };
  to.memory = [](void* user, const ovi_memory_need* need) {
    static_cast<Findings*>(user)->plans.push_back(*need);
  };
  to.note = [](void* user, const char* note) {
    static_cast<Findings*>(user)->notes.emplace_back(note);
  };
  found.model_found.size = sizeof found.model_found;
  ovi_error error{};
  error.size = sizeof error;
  const ovi_status status = door.inspect(&config, &to, &found.model_found, &error);
  found.inspected = true;
  bool told = false;
  for (const Component& part : found.components) {
    if (!part.problem.empty()) found.problems.push_back(part.problem);
    told = told || part.problem == error.message;
  }
  if (status != OVI_OK && !told) found.problems.emplace_back(error.message);
}

/// What else could be chosen, where the user did not.
void look_at_precisions(const Door& door, const ModelOptions& model, Findings& found) {
  ovi_engine_config config = model.config();
  if (config.precision != OVI_PRECISION_AUTO || found.plans.empty()) return;
  for (const ovi_precision precision :
       {OVI_PRECISION_FP32, OVI_PRECISION_BF16, OVI_PRECISION_FP8}) {
    Findings::Precision other;
    config.precision = precision;
    ovi_inspector to{};
    to.size = sizeof to;
    to.user = &other;
    to.memory = [](void* user, const ovi_memory_need* need) {
      static_cast<Findings::Precision*>(user)->plans.push_back(*need);
    };
    ovi_inspection told{};
    told.size = sizeof told;
    const ovi_status status = door.inspect(&config, &to, &told, nullptr);
    other.name = told.precision;
    if (other.name == found.model_found.precision || other.plans.empty()) continue;
    if (status == OVI_OK) other.memory = told.memory;
    found.others.push_back(other);
  }
}

void look_at_time(const Door& door, const ModelOptions& model, Findings& found) {
  const ovi_engine_config config = model.config();
  ovi_request usual{};
  usual.size = sizeof usual;
  usual.image_width = found.model_found.width;
  usual.image_height = found.model_found.height;
  usual.seed = 0;
  usual.steps = 50;
  usual.shift = 5;
  usual.video_guidance_scale = 4;
  usual.audio_guidance_scale = 3;
  usual.slg_layer = 11;
  found.time.size = sizeof found.time;
  ovi_error error{};
  error.size = sizeof error;
  if (door.estimate(&config, &usual, nullptr, &found.time, &error) == OVI_OK)
    found.timed = true;
  else
    found.notes.push_back(std::string("How long a clip takes cannot be said: ") + error.message);
}

/// The settings of ovii2vsrc that fit, spelled out; empty when none do.
std::vector<std::pair<std::string, std::string>> best_settings(const Findings& found) {
  const ovi_inspection& model = found.model_found;
  std::string precision = model.precision;
  ovi_memory memory = model.memory;
  for (const Findings::Precision& other : found.others) {
    // In fewer bits where it does not fit as it would be taken.
    if (memory != OVI_MEMORY_AUTO || other.name == "fp32") continue;
    precision = other.name;
    memory = other.memory;
  }
  if (!found.inspected || memory == OVI_MEMORY_AUTO) return {};
  std::string variant = model.variant_name;
  std::replace(variant.begin(), variant.end(), '_', '-');
  return {{"model-path", found.model},
          {"variant", variant},
          {"device", model.device},
          {"precision", precision},
          {"memory", memory_name(memory)}};
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
  if (found.inspected && *model.device) {
    std::string line = std::string("device ") + model.device + ", " + model.precision;
    if (model.total_bytes)
      line +=
          ", " + bytes_text(model.free_bytes) + " of " + bytes_text(model.total_bytes) + " free";
    answer(line);
  }
  for (const ovi_memory_need& need : found.plans)
    answer(std::string("  memory=") + memory_name(need.memory) + " needs " +
           bytes_text(need.needed) + (need.fits ? ", fits" : ", does not fit") +
           (need.memory == model.memory ? ", is taken" : ""));
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
    json.begin_array("plans");
    for (const ovi_memory_need& need : found.plans) {
      json.begin_object();
      json.add("memory", memory_name(need.memory));
      json.add("needed", need.needed);
      json.add("fits", need.fits != 0);
      json.end_object();
    }
    json.end_array();
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

}  // namespace

int run_check(int argc, char** argv) {
  ModelOptions model;
  gboolean as_json = FALSE, no_probe = FALSE;
  const GOptionEntry entries[] = {
      {"json", 0, 0, G_OPTION_ARG_NONE, &as_json, "What was found as JSON", nullptr},
      {"no-probe", 0, 0, G_OPTION_ARG_NONE, &no_probe,
       "Measure nothing, and do not say how long a clip takes", nullptr},
      {nullptr, 0, 0, G_OPTION_ARG_NONE, nullptr, nullptr, nullptr}};
  Options options("check", "[FOLDER]", kSummary, kDescription);
  options.add(entries);
  options.add(model.entries().data());
  options.add_gstreamer();
  std::vector<std::string> rest;
  if (!options.parse(argc, argv, rest)) return kUsage;
  if (rest.size() > 1 || (rest.size() == 1 && model.has_folder())) {
    complain("One folder is looked at.");
    return kUsage;
  }
  if (!rest.empty()) model.set_folder(rest.front());

  Findings found;
  std::string problem, way_out;
  GstElement* source = make_source(problem, way_out);
  if (source) {
    gst_object_ref_sink(source);
    found.plugin_version = plugin_version();
    found.plugin_file = plugin_file();
    const std::string wrong = model.read(G_OBJECT_GET_CLASS(source));
    gst_object_unref(source);
    if (!wrong.empty()) {
      complain(wrong);
      return kUsage;
    }
  } else {
    found.problems.push_back(problem + "; " + way_out + ".");
  }
  found.model = model.folder();
  look_at_encoders(found);
  Door door;
  if (!open_door(found.plugin_file, door, problem = {})) {
    found.problems.push_back(problem);
  } else {
    found.engine_version = door.engine->version();
    found.engine_file = door.engine->path;
    if (!door.inspect)
      found.problems.push_back("The engine " + shown_file(door.engine->path) +
                               " is older than this program and cannot look at models.");
    else
      look_at_model(door, model, found);
    if (door.inspect) look_at_precisions(door, model, found);
    if (door.estimate && !no_probe && found.inspected && found.problems.empty())
      look_at_time(door, model, found);
  }
  if (as_json)
    answer(json_of(found));
  else
    print(found);
  if (!as_json && found.model.empty())
    hint("\"ovi check FOLDER\", or OVI_MODEL_PATH, says where the model is");
  return found.problems.empty() ? kDone : kFailed;
}

}  // namespace ovii2v::tools
