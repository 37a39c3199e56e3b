// ovi again: makes a clip once more, from what its file says of it.
// SPDX-License-Identifier: Apache-2.0
#include <glib.h>
#include <gst/gst.h>

#include <optional>

#include "commands.h"
#include "door.h"
#include "json.h"
#include "maker.h"
#include "options.h"
#include "plugin.h"
#include "record.h"
#include "target.h"
#include "words.h"

namespace ovii2v::tools {
namespace {

constexpr const char* kSummary =
    "Makes the clip in CLIP again, from what its tags say of it. On the same machine, with the "
    "same\n"
    "model and release, every frame and sample is the same.";
constexpr const char* kDescription =
    "The picture is looked for by its recorded name, here and beside CLIP, and held against the\n"
    "recorded digest. What is not as it was is told; a picture, model files or LoRAs that would\n"
    "make another clip are an error without --anyway.\n"
    "\n"
    "Ends with 0 when it is made, 1 after a failure, 2 for wrong arguments, 3 when cancelled.";

struct Arguments {
  Text output, format, model, image;
  Texts properties;
  gboolean force = FALSE, quiet = FALSE, json = FALSE, anyway = FALSE, show = FALSE;
};

int usage(const std::string& text) {
  complain(text);
  hint("\"ovi again --help\" has the arguments");
  return kUsage;
}

int fail(const std::string& problem, const std::string& way_out) {
  complain("error: " + problem);
  if (!way_out.empty()) hint(way_out);
  return kFailed;
}

void show_as_text(const std::vector<Record>& records) {
  for (const Record& record : records) {
    for (int i = 0; i < gst_structure_n_fields(record.get()); ++i) {
      const char* name = gst_structure_nth_field_name(record.get(), static_cast<guint>(i));
      answer(std::string(name) + ": " + shown(text_of(record, name)));
    }
    if (&record != &records.back()) answer("");
  }
}

void show_as_json(const std::vector<Record>& records) {
  JsonWriter json;
  json.begin_array();
  for (const Record& record : records) {
    json.begin_object();
    for (int i = 0; i < gst_structure_n_fields(record.get()); ++i) {
      const char* name = gst_structure_nth_field_name(record.get(), static_cast<guint>(i));
      const GValue* value = gst_structure_get_value(record.get(), name);
      if (G_VALUE_HOLDS_UINT(value))
        json.add(name, unsigned{g_value_get_uint(value)});
      else if (G_VALUE_HOLDS_INT64(value))
        json.add(name, int64_t{g_value_get_int64(value)});
      else if (G_VALUE_HOLDS_UINT64(value))
        json.add(name, uint64_t{g_value_get_uint64(value)});
      else if (G_VALUE_HOLDS_DOUBLE(value))
        json.add(name, g_value_get_double(value));
      else
        json.add(name, text_of(record, name));
    }
    json.end_object();
  }
  json.end_array();
  answer(json.text());
}

/// The recorded picture: as it is named, or beside the clip. Empty when it is nowhere.
std::string find_picture(const std::string& name, const std::string& clip) {
  g_autofree gchar* scheme = g_uri_parse_scheme(name.c_str());
  if (scheme && !g_str_equal(scheme, "data")) return name;
  g_autofree gchar* folder = g_path_get_dirname(clip.c_str());
  g_autofree gchar* bare = g_path_get_basename(name.c_str());
  g_autofree gchar* below = g_build_filename(folder, name.c_str(), nullptr);
  g_autofree gchar* beside = g_build_filename(folder, bare, nullptr);
  for (const char* path :
       {name.c_str(), static_cast<const char*>(below), static_cast<const char*>(beside)})
    if (g_file_test(path, G_FILE_TEST_IS_REGULAR)) return path;
  return {};
}

/// clip.mp4 -> clip-again.mp4
std::string usual_output(const std::string& clip) {
  const size_t dot = clip.rfind('.');
  const bool ends = dot != std::string::npos && clip.find('/', dot) == std::string::npos;
  return ends ? clip.substr(0, dot) + "-again" + clip.substr(dot) : clip + "-again";
}

/// What is not a part of the clip's settings and may make another one of them.
void tell_versions(const Record& record) {
  Door door;
  std::string problem;
  const std::string plugin = plugin_version();
  if (plugin != text_of(record, "plugin-version"))
    complain("warning: it was made with ovii2vsrc " + text_of(record, "plugin-version") +
             ", this is " + plugin + ": it may come out otherwise");
  if (open_door(plugin_file(), door, problem) &&
      door.engine->version() != text_of(record, "engine-version"))
    complain("warning: it was made with the engine " + text_of(record, "engine-version") +
             ", this is " + door.engine->version() + ": it may come out otherwise");
}

/// What was made otherwise all the same: another device, say.
void tell_differences(const Record& record, GstElement* source) {
  GstStructure* stats = nullptr;
  g_object_get(source, "stats", &stats, nullptr);
  if (!stats) return;
  const Record made(stats, gst_structure_free);
  for (const char* name :
       {"device", "precision", "variant", "width", "height", "frames", "samples"}) {
    const std::string was = text_of(record, name), is = text_of(made, name);
    if (!is.empty() && is != was)
      complain(std::string("warning: the ") + name + " is " + is + ", and was " + was +
               ": the clip differs");
  }
}

}  // namespace

int run_again(int argc, char** argv) {
  Arguments arguments;
  const GOptionEntry entries[] = {
      {"output", 'o', 0, G_OPTION_ARG_FILENAME, arguments.output.place(),
       "File to write (CLIP-again.mp4)", "FILE"},
      {"force", 'f', 0, G_OPTION_ARG_NONE, &arguments.force, "Replace a file that is there",
       nullptr},
      {"format", 0, 0, G_OPTION_ARG_STRING, arguments.format.place(),
       "mp4, mkv, webm or wav, whatever FILE ends with", "FORMAT"},
      {"model", 'm', 0, G_OPTION_ARG_FILENAME, arguments.model.place(),
       "Folder of the model ($OVI_MODEL_PATH)", "FOLDER"},
      {"image", 'i', 0, G_OPTION_ARG_FILENAME, arguments.image.place(),
       "The picture, where it is not found by its name", "PICTURE"},
      {"property", 'p', 0, G_OPTION_ARG_FILENAME_ARRAY, arguments.properties.place(),
       "A property of ovii2vsrc in the place of what was recorded", "NAME=VALUE"},
      {"anyway", 0, 0, G_OPTION_ARG_NONE, &arguments.anyway,
       "Make it also where the result will differ", nullptr},
      {"show", 0, 0, G_OPTION_ARG_NONE, &arguments.show, "Only say what it was made from", nullptr},
      {"json", 0, 0, G_OPTION_ARG_NONE, &arguments.json, "With --show: as JSON", nullptr},
      {"quiet", 'q', 0, G_OPTION_ARG_NONE, &arguments.quiet, "Say nothing but warnings and errors",
       nullptr},
      {nullptr, 0, 0, G_OPTION_ARG_NONE, nullptr, nullptr, nullptr}};
  Options options("again", "CLIP", kSummary, kDescription);
  options.add(entries);
  options.add_gstreamer();
  std::vector<std::string> rest;
  if (!options.parse(argc, argv, rest)) return kUsage;
  if (rest.size() != 1) return usage("One CLIP is made again.");
  if (arguments.json && !arguments.show) return usage("--json goes with --show.");
  const std::string clip = rest.front();

  std::string problem, way_out;
  const Told told = read_records(clip, problem);
  const std::vector<Record>& records = told.records;
  if (records.empty()) return fail(problem, "");
  if (arguments.show) {
    arguments.json ? show_as_json(records) : show_as_text(records);
    return kDone;
  }
  GstElement* source = make_source(problem, way_out);
  if (!source) return fail(problem, way_out);
  gst_object_ref_sink(source);
  const std::shared_ptr<GstElement> keeper(source, gst_object_unref);
  GObjectClass* klass = G_OBJECT_GET_CLASS(source);
  if (const std::string why = no_film(records); !why.empty())
    return fail(shown_file(clip) + " cannot be made again. " + why, "");

  const Record& record = records.front();
  std::vector<Setting> settings = settings_of(record, klass);
  std::string wrong;
  const unsigned clips = clips_of(told);
  if (clips > 1) read_setting(klass, "num-clips", std::to_string(clips), settings);
  if (clips > 1 && records.size() == 1)
    complain("warning: it is a film of " + std::to_string(clips) +
             " clips that tells of the first alone: the others are taken to be like it");
  for (const std::string& assignment : arguments.properties.get())
    if (wrong.empty()) wrong = read_setting(klass, assignment, settings);
  if (wrong.empty() && arguments.model)
    wrong = read_setting(klass, "model-path", arguments.model.get(), settings);
  if (!wrong.empty()) return usage(wrong);

  const std::string output = arguments.output ? arguments.output.get() : usual_output(clip);
  const auto container =
      arguments.format ? container_named(arguments.format.get()) : container_of(output);
  if (!container)
    return usage("The file ends with .mp4, .mkv, .webm or .wav: --format says what to make.");

  tell_versions(record);
  std::vector<std::string> different;
  if (const std::string recorded = text_of(record, "image"); !recorded.empty()) {
    const std::string picture =
        arguments.image ? arguments.image.get() : find_picture(recorded, clip);
    if (picture.empty())
      return fail("The picture " + shown(recorded) + " is not found.",
                  "--image PICTURE says where it is");
    different.push_back(picture_differs(record, picture, problem));
    if (!problem.empty()) return fail(problem, "--image PICTURE names another one");
    read_setting(klass, "image", picture, settings);
  } else if (arguments.image) {
    return usage("It was made without a picture.");
  }
  for (const Setting& setting : settings) setting.apply(G_OBJECT(source));
  g_autofree gchar* folder = nullptr;
  g_object_get(source, "model-path", &folder, nullptr);
  if (folder) different.push_back(model_differs(record, folder));
  g_autofree gchar* lora = nullptr;
  g_object_get(source, "lora", &lora, nullptr);
  different.push_back(loras_differ(record, lora ? lora : ""));
  std::erase(different, "");
  for (const std::string& one : different)
    complain((arguments.anyway ? "warning: " : "error: ") + one);
  if (!different.empty() && !arguments.anyway) {
    hint("--anyway makes the clip that comes of it");
    return kFailed;
  }

  Maker maker(source, arguments.quiet != FALSE);
  const Outcome outcome = maker.make({{}, output, "", *container, arguments.force != FALSE});
  if (outcome.status == kCancelled) complain("cancelled: " + shown_file(output) + " was not made");
  if (outcome.status == kFailed) {
    fail(outcome.problem, outcome.way_out);
    if (text_of(record, "devices") == "ranks")
      hint(
          "it was made by ranks of a launcher: -p devices= makes it on one device, with bits that "
          "may differ");
  }
  if (outcome.status != kDone) return outcome.status;
  tell_differences(record, source);
  if (output == "-")
    complain(outcome.text);
  else if (!arguments.quiet)
    answer(shown_file(output) + ": " + outcome.text);
  return kDone;
}

}  // namespace ovii2v::tools
