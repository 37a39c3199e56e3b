// ovi check: what is here to make clips with, and what is missing.
// SPDX-License-Identifier: Apache-2.0
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif

#include <gst/gst.h>

#include <cstddef>
#include <string>
#include <vector>

#include "commands.h"
#include "container.h"
#include "door.h"
#include "findings.h"
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
    "Of several devices each is held against its share of the clip, and no time is estimated.\n"
    "\n"
    "Ends with 0 when a clip can be made, 1 when not, 2 for wrong arguments.";

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

/// Where an inspector's devices and their plans go; `user` is the list.
void add_device(void* user, const ovi_device_report* report) {
  Device told;
  told.name = report->name;
  told.problem = report->problem ? report->problem : "";
  told.ranks = report->ranks;
  told.free = report->free_bytes;
  told.total = report->total_bytes;
  told.memory = report->memory;
  static_cast<std::vector<Device>*>(user)->push_back(told);
}

void add_plan(void* user, const ovi_memory_need* need) {
  Device& device = static_cast<std::vector<Device>*>(user)->back();
  device.plans.push_back(*need);
  device.plans.back().device = nullptr;  // the engine's
}

void look_at_model(const Door& door, const ovi_engine_config& config, Findings& found) {
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
  to.device = [](void* user, const ovi_device_report* report) {
    add_device(&static_cast<Findings*>(user)->devices, report);
  };
  to.memory = [](void* user, const ovi_memory_need* need) {
    add_plan(&static_cast<Findings*>(user)->devices, need);
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
  for (const Device& device : found.devices) {
    if (!device.problem.empty()) found.problems.push_back(device.problem);
    told = told || device.problem == error.message;
  }
  if (status != OVI_OK && !told) found.problems.emplace_back(error.message);
}

/// What else could be chosen, where the user did not.
void look_at_precisions(const Door& door, ovi_engine_config config, Findings& found) {
  if (config.precision != OVI_PRECISION_AUTO || plans_of(found.devices).empty()) return;
  for (const ovi_precision precision :
       {OVI_PRECISION_FP32, OVI_PRECISION_BF16, OVI_PRECISION_FP8}) {
    Findings::Precision other;
    std::vector<Device> devices;
    config.precision = precision;
    ovi_inspector to{};
    to.size = sizeof to;
    to.user = &devices;
    to.device = add_device;
    to.memory = add_plan;
    ovi_inspection told{};
    told.size = sizeof told;
    const ovi_status status = door.inspect(&config, &to, &told, nullptr);
    other.name = told.precision;
    other.plans = plans_of(devices);
    if (other.name == found.model_found.precision || other.plans.empty()) continue;
    if (status == OVI_OK) other.memory = told.memory;
    found.others.push_back(other);
  }
}

void look_at_time(const Door& door, const ovi_engine_config& config, Findings& found) {
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

}  // namespace

int run_check(int argc, char** argv) {
  ModelOptions model;
  Text devices;
  gboolean as_json = FALSE, no_probe = FALSE;
  const GOptionEntry entries[] = {
      {"devices", 0, 0, G_OPTION_ARG_STRING, devices.place(),
       "Several for one clip, instead of --device", "cuda:0,cuda:1,..."},
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
  if (devices && model.has_device()) {
    complain("Either --device or --devices is looked at.");
    return kUsage;
  }
  if (devices.get() == "ranks") {
    complain(
        "The ranks of a launcher are looked at one by one, each where it runs: "
        "ovi check --device cuda:0, for example.");
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
  found.devices_named = devices.get();
  look_at_encoders(found);
  Door door;
  if (!open_door(found.plugin_file, door, problem = {})) {
    found.problems.push_back(problem);
  } else {
    found.engine_version = door.engine->version();
    found.engine_file = door.engine->path;
    ovi_engine_config config = model.config();
    config.devices = found.devices_named.c_str();
    if (!door.inspect)
      found.problems.push_back("The engine " + shown_file(door.engine->path) +
                               " is older than this program and cannot look at models.");
    else
      look_at_model(door, config, found);
    if (door.inspect) look_at_precisions(door, config, found);
    if (door.estimate && !no_probe && found.inspected && found.problems.empty())
      look_at_time(door, config, found);
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
