// ovi make: a clip from a picture and a prompt, or several.
// SPDX-License-Identifier: Apache-2.0
#include <glib.h>

#include "batch.h"
#include "commands.h"
#include "input.h"
#include "maker.h"
#include "options.h"
#include "plugin.h"
#include "target.h"
#include "words.h"

namespace ovii2v::tools {
namespace {

constexpr const char* kSummary =
    "Makes a clip of 5 or 10 seconds with sound. PICTURE is its first frame: a file or an "
    "address;\n"
    "without one the clip is made from the prompt alone. PROMPT says what is to be seen and "
    "heard,\n"
    "with <S>speech<E> and <AUDCAP>sound<ENDAUDCAP>; \"-\" reads it from standard input.\n"
    "With --csv a table's rows are made instead, one clip each.";

constexpr const char* kDescription =
    "The ending of FILE says what is made: .mp4 (H.264 and AAC), .mkv (H.264 and Opus), .webm "
    "(VP9\n"
    "or VP8 and Opus) or .wav (the sound alone). \"-\" is standard output, which wants --format, "
    "as\n"
    "pipes and devices do. A file is there when it is whole, and none is replaced without "
    "--force.\n"
    "\n"
    "With -n several clips get the seeds SEED, SEED + 1 and so on, and the files clip-1.mp4,\n"
    "clip-2.mp4 ...; --property num-clips=N makes one film of N clips instead.\n"
    "\n"
    "--preview shows a picture after each step (with -p preview=N after every Nth): in a terminal\n"
    "that shows pictures, or else in clip.preview.png beside FILE, which goes with the last step.\n"
    "\n"
    "Columns of a table: text_prompt, image_path, and if wanted output, seed,\n"
    "video_negative_prompt, audio_negative_prompt or any other property, in any order. -o is then\n"
    "the folder for the clips (clip-1.mp4 for the first row), which no row leaves. A row that was\n"
    "made already is left out, so that the same command goes on where it was stopped.\n"
    "\n"
    "Ends with 0 when everything is made, 1 after a failure, 2 for wrong arguments, 3 when\n"
    "cancelled (Ctrl-C; a second one ends at once).";

struct Arguments {
  Text output, format, model, seed, steps, csv;
  Texts properties;
  int clips = 1;
  gboolean force = FALSE, quiet = FALSE, json = FALSE, list = FALSE, preview = FALSE, keep = FALSE;
};

int usage(const std::string& text) {
  complain(text);
  hint("\"ovi make --help\" has the arguments");
  return kUsage;
}

void list_properties(GObjectClass* klass) {
  for (const std::string& name : settable(klass)) {
    GParamSpec* spec = g_object_class_find_property(klass, name.c_str());
    answer(name + ": " + g_param_spec_get_blurb(spec) + "; " + values_of(spec));
  }
}

/// clip.mp4 -> clip-2.mp4
std::string numbered(const std::string& path, int number) {
  const size_t dot = path.rfind('.');
  const size_t end =
      dot == std::string::npos || path.find('/', dot) != std::string::npos ? path.size() : dot;
  return path.substr(0, end) + "-" + std::to_string(number) + path.substr(end);
}

/// What --model, --seed, --steps and --property say.
std::string common_settings(GObjectClass* klass, const Arguments& arguments,
                            std::vector<Setting>& settings) {
  std::string wrong;
  const auto take = [&](const char* name, const Text& text) {
    if (wrong.empty() && text) wrong = read_setting(klass, name, text.get(), settings);
  };
  for (const std::string& assignment : arguments.properties.get()) {
    if (wrong.empty()) wrong = read_setting(klass, assignment, settings);
    if (wrong.empty() && settings.back().name() == "num-clips" &&
        g_value_get_uint(&settings.back().value()) == 0)
      wrong = "num-clips=0 never ends, and a file has an end.";
  }
  take("model-path", arguments.model);
  take("seed", arguments.seed);
  take("steps", arguments.steps);
  return wrong;
}

/// One clip, or -n of them.
int make_clips(Maker& maker, const Arguments& arguments, Container container,
               std::vector<Setting> settings) {
  GObject* source = G_OBJECT(maker.source());
  GObjectClass* klass = G_OBJECT_GET_CLASS(source);
  gint64 seed = -1;
  g_object_get(source, "seed", &seed, nullptr);
  if (seed < 0 && arguments.clips > 1) seed = g_random_int();
  if (seed > G_MAXINT64 - arguments.clips)
    return usage("There are no seeds after " + std::to_string(seed) + ".");
  const std::string output = arguments.output ? arguments.output.get() : "clip.mp4";
  for (int clip = 0; clip < arguments.clips; ++clip) {
    Order order{settings, output, "", container, arguments.force != FALSE};
    if (arguments.clips > 1) {
      order.output = numbered(output, clip + 1);
      order.place = std::to_string(clip + 1) + " of " + std::to_string(arguments.clips);
      read_setting(klass, "seed", std::to_string(seed + clip), order.settings);
    }
    const Outcome outcome = maker.make(order);
    if (outcome.status == kCancelled) {
      complain("cancelled: " + shown_file(order.output) + " was not made");
      return kCancelled;
    }
    if (outcome.status != kDone) {
      complain("error: " + outcome.problem);
      if (!outcome.way_out.empty()) hint(outcome.way_out);
      return kFailed;
    }
    const std::string made = shown_file(order.output) + ": " + outcome.text;
    if (order.output == "-")
      complain(made);
    else if (!arguments.quiet)
      answer(made);
  }
  return kDone;
}

}  // namespace

int run_make(int argc, char** argv) {
  Arguments arguments;
  const GOptionEntry entries[] = {
      {"output", 'o', 0, G_OPTION_ARG_FILENAME, arguments.output.place(),
       "File to write (clip.mp4); with --csv the folder (.)", "FILE"},
      {"clips", 'n', 0, G_OPTION_ARG_INT, &arguments.clips, "Make N clips, a file each", "N"},
      {"force", 'f', 0, G_OPTION_ARG_NONE, &arguments.force, "Replace files that are there",
       nullptr},
      {"format", 0, 0, G_OPTION_ARG_STRING, arguments.format.place(),
       "mp4, mkv, webm or wav, whatever FILE ends with", "FORMAT"},
      {"model", 'm', 0, G_OPTION_ARG_FILENAME, arguments.model.place(),
       "Folder of the model ($OVI_MODEL_PATH)", "FOLDER"},
      {"seed", 's', 0, G_OPTION_ARG_STRING, arguments.seed.place(),
       "Seed of the noise; the same one gives the same clip (-1: a random one)", "SEED"},
      {"steps", 0, 0, G_OPTION_ARG_STRING, arguments.steps.place(), "Denoising steps (50)",
       "STEPS"},
      {"property", 'p', 0, G_OPTION_ARG_FILENAME_ARRAY, arguments.properties.place(),
       "Any property of ovii2vsrc; may be repeated", "NAME=VALUE"},
      {"preview", 0, 0, G_OPTION_ARG_NONE, &arguments.preview,
       "Show what the clip is about to become, in the terminal or a file beside FILE", nullptr},
      {"keep-preview", 0, 0, G_OPTION_ARG_NONE, &arguments.keep,
       "The same in a file that stays: clip.preview.png", nullptr},
      {"list-properties", 0, 0, G_OPTION_ARG_NONE, &arguments.list,
       "List the properties and what they take", nullptr},
      {"csv", 0, 0, G_OPTION_ARG_FILENAME, arguments.csv.place(),
       "Make a clip for each row of a table", "TABLE"},
      {"json", 0, 0, G_OPTION_ARG_NONE, &arguments.json, "With --csv: what was made as JSON",
       nullptr},
      {"quiet", 'q', 0, G_OPTION_ARG_NONE, &arguments.quiet, "Say nothing but warnings and errors",
       nullptr},
      {nullptr, 0, 0, G_OPTION_ARG_NONE, nullptr, nullptr, nullptr}};
  Options options("make", "[PICTURE] PROMPT -o FILE", kSummary, kDescription);
  options.add(entries);
  options.add_gstreamer();
  std::vector<std::string> rest;
  if (!options.parse(argc, argv, rest)) return kUsage;

  std::string problem, way_out;
  GstElement* source = make_source(problem, way_out);
  if (!source) {
    complain("error: " + problem);
    hint(way_out);
    return kFailed;
  }
  gst_object_ref_sink(source);
  const std::shared_ptr<GstElement> keeper(source, gst_object_unref);
  GObjectClass* klass = G_OBJECT_GET_CLASS(source);
  if (arguments.list) {
    list_properties(klass);
    return kDone;
  }

  std::vector<Setting> settings;
  if (const std::string wrong = common_settings(klass, arguments, settings); !wrong.empty())
    return usage(wrong);
  for (const Setting& setting : settings) setting.apply(G_OBJECT(source));
  const PreviewOptions preview{arguments.preview || arguments.keep, arguments.keep != FALSE};
  guint every = 0;
  g_object_get(source, "preview", &every, nullptr);
  if (preview.shown && every == 0) g_object_set(source, "preview", 1, nullptr);

  std::optional<Container> container;
  if (arguments.format) {
    container = container_named(arguments.format.get());
    if (!container)
      return usage("--format takes mp4, mkv, webm or wav, not \"" + shown(arguments.format.get()) +
                   "\".");
  }

  if (arguments.csv) {
    if (!rest.empty()) return usage("With --csv pictures and prompts come from the table alone.");
    if (arguments.clips != 1)
      return usage("-n and --csv do not go together: give each clip a row.");
    Maker maker(source, arguments.quiet != FALSE, preview);
    BatchOptions batch;
    batch.table = arguments.csv.get();
    batch.folder = arguments.output ? arguments.output.get() : ".";
    batch.container = container.value_or(Container::kMp4);
    batch.force = arguments.force != FALSE;
    batch.json = arguments.json != FALSE;
    batch.quiet = arguments.quiet != FALSE;
    return make_table(maker, batch);
  }
  if (arguments.json) return usage("--json goes with --csv.");
  if (arguments.clips < 1) return usage("-n takes a number from 1 on.");

  std::string picture, prompt;
  bool asked = false;
  if (!rest.empty() && rest.size() <= 2) {
    prompt = rest.back();
    picture = rest.size() == 2 ? rest.front() : "";
    asked = true;
  } else if (rest.size() > 2) {
    return usage("There are " + std::to_string(rest.size()) +
                 " arguments, PICTURE and PROMPT are two: put the prompt in quotes.");
  }
  // A property may say both as well.
  g_autofree gchar* already = nullptr;
  g_object_get(source, "prompt", &already, nullptr);
  if (!asked && !already) return usage("PROMPT is missing.");
  if (rest.size() == 1 && g_file_test(prompt.c_str(), G_FILE_TEST_IS_REGULAR))
    return usage(shown_file(prompt) + " is a file: PROMPT is missing after it.");
  if (prompt == "-") {
    if (!read_input("-", prompt = {}, problem)) return usage(problem);
    // Of the line that an editor ends.
    while (!prompt.empty() && (prompt.back() == '\n' || prompt.back() == '\r')) prompt.pop_back();
  }
  if (asked) {
    std::string wrong;
    prompt = utf8_of(prompt, wrong);
    if (!wrong.empty()) return usage("PROMPT " + wrong + ".");
    settings.clear();
    read_setting(klass, "prompt", prompt, settings);
    if (!picture.empty()) read_setting(klass, "image", picture, settings);
  } else {
    settings.clear();
  }

  const std::string output = arguments.output ? arguments.output.get() : "clip.mp4";
  if (!container) container = container_of(output);
  if (!container)
    return usage(shown_file(output) +
                 " does not end with .mp4, .mkv, .webm or .wav: --format says what to make.");
  if (arguments.clips > 1 && (output == "-" || is_stream(output)))
    return usage("A stream takes one clip; -p num-clips=N makes one of several.");
  Maker maker(source, arguments.quiet != FALSE, preview);
  return make_clips(maker, arguments, *container, settings);
}

}  // namespace ovii2v::tools
