// ovi prompt: looks a prompt over, without a model.
// SPDX-License-Identifier: Apache-2.0
#include <glib.h>
#include <gst/gst.h>
#include <algorithm>
#include <memory>
#include <vector>

#include "commands.h"
#include "door.h"
#include "input.h"
#include "json.h"
#include "model_options.h"
#include "options.h"
#include "plugin.h"
#include "table.h"
#include "words.h"

namespace ovii2v::tools {
namespace {

constexpr const char* kSummary =
    "Looks over a prompt, or the prompts of a table, for what spoils a clip: tags that are not\n"
    "closed or not known, no description of the sound, more text than the model sees. TEXT may be\n"
    "\"-\": standard input.";
constexpr const char* kDescription =
    "With a model (--model, OVI_MODEL_PATH) the length in tokens is known, and which tags its\n"
    "variant wants; only its tokenizer is read.\n"
    "\n"
    "Ends with 0 when there is nothing to mend, 1 when there is, 2 for wrong arguments. That "
    "nobody\n"
    "speaks, and that tags are rewritten, is told and is no fault.";

struct Remark {
  ovi_warning_code code;
  int64_t position;
  std::string message;
};

struct Verdict {
  std::string error;
  std::vector<Remark> remarks;
  ovi_prompt_facts facts{};

  bool good() const {
    const auto is_fault = [](const Remark& remark) {
      return remark.code != OVI_WARNING_NO_SPEECH && remark.code != OVI_WARNING_STYLE;
    };
    return error.empty() && std::none_of(remarks.begin(), remarks.end(), is_fault);
  }
};

const char* name_of(ovi_warning_code code) {
  switch (code) {
    case OVI_WARNING_TAGS:
      return "tags";
    case OVI_WARNING_NO_AUDIO:
      return "no-audio";
    case OVI_WARNING_TRUNCATED:
      return "truncated";
    case OVI_WARNING_SETTINGS:
      return "settings";
    case OVI_WARNING_NO_SPEECH:
      return "no-speech";
    case OVI_WARNING_STYLE:
      return "style";
    case OVI_WARNING_MODEL:
      return "model";
  }
  return "other";
}

Verdict look_at(const Door& door, const std::string& prompt, const ovi_engine_config* model) {
  Verdict verdict;
  std::string text = utf8_of(prompt, verdict.error);
  if (!verdict.error.empty()) {
    verdict.error = "The prompt " + verdict.error + ".";
    return verdict;
  }
  verdict.facts.size = sizeof verdict.facts;
  ovi_error error{};
  error.size = sizeof error;
  const auto keep = [](void* user, const ovi_warning* warning) {
    static_cast<std::vector<Remark>*>(user)->push_back(
        {warning->code, warning->position, warning->message});
  };
  if (door.check_prompt(text.c_str(), model, keep, &verdict.remarks, &verdict.facts, &error) !=
      OVI_OK)
    verdict.error = error.message;
  return verdict;
}

void print(const Verdict& verdict, const std::string& prompt, const std::string& where) {
  if (!verdict.error.empty()) {
    answer(where + "error: " + verdict.error);
    return;
  }
  for (const Remark& remark : verdict.remarks) {
    std::string place;
    if (remark.position >= 0 && static_cast<size_t>(remark.position) <= prompt.size())
      place =
          "character " +
          std::to_string(g_utf8_strlen(prompt.c_str(), static_cast<gssize>(remark.position)) + 1) +
          ": ";
    answer(where + place + remark.message);
  }
  const ovi_prompt_facts& facts = verdict.facts;
  answer(where + std::to_string(facts.characters) + " characters" +
         (facts.tokens < 0 ? std::string()
                           : ", " + std::to_string(facts.tokens) + " of " +
                                 std::to_string(facts.most_tokens) + " tokens"));
}

void add(JsonWriter& json, const Verdict& verdict) {
  json.add("ok", verdict.good());
  if (!verdict.error.empty()) {
    json.add("error", verdict.error);
    return;
  }
  json.add("characters", verdict.facts.characters);
  if (verdict.facts.tokens >= 0) {
    json.add("tokens", int64_t{verdict.facts.tokens});
    json.add("most_tokens", verdict.facts.most_tokens);
  }
  json.begin_array("warnings");
  for (const Remark& remark : verdict.remarks) {
    json.begin_object();
    json.add("kind", name_of(remark.code));
    if (remark.position >= 0) json.add("byte", int64_t{remark.position});
    json.add("message", remark.message);
    json.end_object();
  }
  json.end_array();
}

struct Subject {
  size_t row = 0;  // of the table; 0: the only one
  std::string text, wrong;
};

/// The prompts of a table; `problem` as read_table().
std::vector<Subject> subjects_of(const std::string& text, GObjectClass* klass,
                                 std::string& problem) {
  std::vector<Subject> subjects;
  for (const TableRow& row : read_table(text, ".", klass, problem).rows) {
    Subject subject{row.number, "", ""};
    for (const Setting& setting : row.settings)
      if (setting.name() == "prompt") subject.text = g_value_get_string(&setting.value());
    if (subject.text.empty()) subject.wrong = row.wrong;
    subjects.push_back(subject);
  }
  return subjects;
}

/// Whether the model's tokenizer can be read; says why not.
bool model_is_there(const Door& door, const ovi_engine_config& config, std::string& why) {
  ovi_error error{};
  error.size = sizeof error;
  const bool there =
      door.check_prompt("Any.", &config, nullptr, nullptr, nullptr, &error) == OVI_OK;
  if (!there) why = error.message;
  return there;
}

}  // namespace

int run_prompt(int argc, char** argv) {
  ModelOptions model;
  Text csv;
  gboolean as_json = FALSE;
  const GOptionEntry entries[] = {
      {"csv", 0, 0, G_OPTION_ARG_FILENAME, csv.place(), "Look at all prompts of a table", "TABLE"},
      {"json", 0, 0, G_OPTION_ARG_NONE, &as_json, "What was found as JSON", nullptr},
      {nullptr, 0, 0, G_OPTION_ARG_NONE, nullptr, nullptr, nullptr}};
  Options options("prompt", "TEXT", kSummary, kDescription);
  options.add(entries);
  options.add(model.entries().data());
  options.add_gstreamer();
  std::vector<std::string> rest;
  if (!options.parse(argc, argv, rest)) return kUsage;
  if (csv ? !rest.empty() : rest.size() != 1) {
    complain(csv ? "With --csv prompts come from the table alone."
                 : "One TEXT is looked at: put it in quotes.");
    hint("\"ovi prompt --help\" has the arguments");
    return kUsage;
  }

  std::string problem, way_out;
  GstElement* source = make_source(problem, way_out);
  if (!source) {
    complain("error: " + problem);
    hint(way_out);
    return kFailed;
  }
  gst_object_ref_sink(source);
  const std::shared_ptr<GstElement> keeper(source, gst_object_unref);
  if (const std::string wrong = model.read(G_OBJECT_GET_CLASS(source)); !wrong.empty()) {
    complain(wrong);
    return kUsage;
  }
  Door door;
  if (!open_door(plugin_file(), door, problem)) {
    complain("error: " + problem);
    return kFailed;
  }
  if (!door.check_prompt) {
    complain("error: The engine " + shown_file(door.engine->path) +
             " is older than this program and cannot look at prompts.");
    return kFailed;
  }

  std::vector<Subject> subjects;
  if (csv) {
    std::string text;
    if (!read_input(csv.get(), text, problem)) {
      complain("error: " + problem);
      return kFailed;
    }
    subjects = subjects_of(text, G_OBJECT_GET_CLASS(source), problem);
    if (!problem.empty()) complain("error: " + problem);
  } else {
    Subject subject{0, rest.front(), ""};
    if (subject.text == "-" && !read_input("-", subject.text = {}, problem)) return kFailed;
    subjects.push_back(subject);
  }

  const ovi_engine_config config = model.config();
  const ovi_engine_config* used = model.folder().empty() ? nullptr : &config;
  if (std::string why; used && !model_is_there(door, config, why)) {
    complain(std::string(model.has_folder() ? "error: " : "warning: ") + why);
    if (model.has_folder()) return kFailed;
    used = nullptr;
  }

  bool good = problem.empty();
  JsonWriter json;
  if (csv) json.begin_array();
  for (const Subject& subject : subjects) {
    Verdict verdict;
    if (subject.wrong.empty())
      verdict = look_at(door, subject.text, used);
    else
      verdict.error = subject.wrong;
    good = good && verdict.good();
    if (as_json) {
      json.begin_object();
      if (subject.row) json.add("row", uint64_t{subject.row});
      add(json, verdict);
      json.end_object();
    } else {
      print(verdict, subject.text,
            subject.row ? "row " + std::to_string(subject.row) + ": " : std::string());
    }
  }
  if (csv) json.end_array();
  if (as_json) answer(json.text());
  return good ? kDone : kFailed;
}

}  // namespace ovii2v::tools
