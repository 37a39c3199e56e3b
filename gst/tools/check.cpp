// ovi check: what is here to make clips with, and what is missing.
// SPDX-License-Identifier: Apache-2.0
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif

#include <gst/gst.h>

#include <cstring>
#include <tuple>
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
    "files of the model in FOLDER ($OVI_MODEL_PATH), and memory. Nothing is loaded.";
constexpr const char* kDescription =
    "What memory plans need is an estimate from above, for a clip of the variant's usual size; "
    "how\n"
    "long a clip takes is not said, for nothing is measured here.\n"
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
    if (model.memory != OVI_MEMORY_AUTO) json.add("taken", memory_name(model.memory));
    json.end_object();
    json.begin_object("clip");
    json.add("width", model.width);
    json.add("height", model.height);
    json.add("frames", model.frames);
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
  gboolean as_json = FALSE;
  const GOptionEntry entries[] = {
      {"json", 0, 0, G_OPTION_ARG_NONE, &as_json, "What was found as JSON", nullptr},
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
