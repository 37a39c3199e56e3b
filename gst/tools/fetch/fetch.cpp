// ovi fetch: the published weights, from Hugging Face.
// SPDX-License-Identifier: Apache-2.0
#include <gst/gst.h>

#include <algorithm>
#include <string>
#include <vector>

#include "clip/flat_json.h"
#include "progress.h"
#include "commands.h"
#include "fetch/python.h"
#include "fetch_script.h"
#include "json.h"
#include "options.h"
#include "words.h"

namespace ovii2v::tools {
namespace {

constexpr const char* kSummary =
    "Fetches what the authors published into FOLDER: Ovi's transformer, and the text encoder and\n"
    "decoders that it works with. FOLDER is then a model's folder.";
constexpr const char* kDescription =
    "  720x720-5s    frames of 720x720 in area, 5 s (the default)\n"
    "  960x960-5s    of 960x960 in area, 5 s\n"
    "  960x960-10s   the same, 10 s\n"
    "\n"
    "A variant has 23 GB; what all have in common another 15 GB. What was stopped goes on where\n"
    "it was by the same command; each file is held against the digest that Hugging Face gives.\n"
    "The files come by huggingface_hub, a Python package, which gets an environment of its own in\n"
    "the user's cache folder; its variables count: HF_TOKEN, HF_ENDPOINT, HTTPS_PROXY.\n"
    "\n"
    "Ends with 0 when all is done, 1 after a failure, 2 for wrong arguments, 3 when cancelled.";

struct Published {
  const char* variant;  // null: every one needs it
  const char* folder;
  const char* repository;
  const char* pattern;
};

// As the reference's own script has them: in these folders the engine finds them first.
constexpr Published kPublished[] = {
    {"720x720-5s", "Ovi", "chetwinlow1/Ovi", "model.safetensors"},
    {"960x960-5s", "Ovi", "chetwinlow1/Ovi", "model_960x960.safetensors"},
    {"960x960-10s", "Ovi", "chetwinlow1/Ovi", "model_960x960_10s.safetensors"},
    {nullptr, "Wan2.2-TI2V-5B", "Wan-AI/Wan2.2-TI2V-5B", "google/*"},
    {nullptr, "Wan2.2-TI2V-5B", "Wan-AI/Wan2.2-TI2V-5B", "models_t5_umt5-xxl-enc-bf16.pth"},
    {nullptr, "Wan2.2-TI2V-5B", "Wan-AI/Wan2.2-TI2V-5B", "Wan2.2_VAE.pth"},
    {nullptr, "MMAudio", "hkchengrex/MMAudio", "ext_weights/best_netG.pt"},
    {nullptr, "MMAudio", "hkchengrex/MMAudio", "ext_weights/v1-16.pth"},
};

struct File {
  std::string place, repository, sha256;
  uint64_t bytes = 0;
  bool there = false;
};

/// What the script says, line by line.
class Talk {
 public:
  Talk(const std::string& folder, bool quiet) : progress_(quiet) { progress_.begin(folder, {}); }

  void line(const std::string& text) {
    FlatObject told;
    size_t used = 0;
    std::string problem;
    if (text.empty() || text[0] != '{' || !read_flat_json(text, told, used, problem)) {
      if (text.find_first_not_of(" \t\r") != std::string::npos) stray_ = text;
      return;
    }
    if (has(told, "place")) {
      files.push_back({word(told, "place"), word(told, "repository"), word(told, "sha256"),
                       number(told, "bytes"), truth(told, "there")});
    } else if (has(told, "total")) {
      total = number(told, "total");
      need = number(told, "need");
      begun_ = total - std::min(need, total);
      since_ = g_get_monotonic_time();
    } else if (has(told, "done")) {
      show(told);
    } else if (has(told, "note")) {
      complain("warning: " + shown(word(told, "note")));
    } else if (has(told, "error")) {
      problem_ = word(told, "error");
      hint_ = word(told, "hint");
    }
  }
  void end() { progress_.end(); }

  /// Why it ended badly.
  std::string problem() const { return problem_.empty() ? stray_ : problem_; }
  const std::string& way_out() const { return hint_; }

  std::vector<File> files;
  uint64_t total = 0, need = 0;

 private:
  static const FlatValue* find(const FlatObject& object, const char* name) {
    for (const auto& [its, value] : object)
      if (its == name) return &value;
    return nullptr;
  }
  static bool has(const FlatObject& object, const char* name) { return find(object, name); }
  static std::string word(const FlatObject& object, const char* name) {
    const FlatValue* value = find(object, name);
    const auto* text = value ? std::get_if<std::string>(value) : nullptr;
    return text ? *text : "";
  }
  static uint64_t number(const FlatObject& object, const char* name) {
    const FlatValue* value = find(object, name);
    const auto* found = value ? std::get_if<int64_t>(value) : nullptr;
    return found ? static_cast<uint64_t>(std::max<int64_t>(*found, 0)) : 0;
  }
  static bool truth(const FlatObject& object, const char* name) {
    const FlatValue* value = find(object, name);
    const auto* found = value ? std::get_if<bool>(value) : nullptr;
    return found && *found;
  }

  void show(const FlatObject& told) {
    const std::string file = shown(word(told, "file"));
    const uint64_t done = std::min(number(told, "done"), total);
    const int percent = total ? static_cast<int>(100 * done / total) : 100;
    if (has(told, "verifying")) {
      progress_.show("verify " + file, percent, {}, "verifying " + file);
      return;
    }
    const double seconds = static_cast<double>(g_get_monotonic_time() - since_) / G_USEC_PER_SEC;
    std::string time;
    if (done > begun_ && seconds > 2) {
      const double rate = static_cast<double>(done - begun_) / seconds;
      time = ", " + duration_text(static_cast<double>(total - done) / rate) + " left";
    }
    progress_.show("fetch", percent, time,
                   "fetching " + file + ", " + bytes_text(done) + " of " + bytes_text(total));
  }

  Progress progress_;
  std::string problem_, hint_, stray_;
  uint64_t begun_ = 0;
  gint64 since_ = 0;
};

std::string json_of(const std::string& folder, const Talk& talk, const std::string& problem) {
  JsonWriter json;
  json.begin_object();
  json.add("ok", problem.empty());
  json.add("folder", folder);
  json.add("bytes", talk.total);
  json.add("to_fetch", talk.need);
  json.begin_array("files");
  for (const File& file : talk.files) {
    json.begin_object();
    json.add("file", file.place);
    json.add("bytes", file.bytes);
    json.add("repository", file.repository);
    json.add("was_there", file.there);
    if (!file.sha256.empty()) json.add("sha256", file.sha256);
    json.end_object();
  }
  json.end_array();
  if (!problem.empty()) json.add("problem", problem);
  json.end_object();
  return json.text();
}

/// The variants by their names in the property or in the reference, "all", or one. False when it
/// was told that one is none.
bool read_variants(std::vector<std::string> asked, std::vector<std::string>& variants) {
  if (asked.empty()) asked.emplace_back("720x720-5s");
  std::string known;
  for (const Published& one : kPublished)
    if (one.variant) known += std::string(known.empty() ? "" : ", ") + one.variant;
  for (std::string name : asked) {
    const std::string typed = name;
    std::replace(name.begin(), name.end(), '_', '-');
    bool found = false;
    for (const Published& one : kPublished) {
      if (!one.variant || (name != one.variant && name != "all")) continue;
      found = true;
      variants.emplace_back(one.variant);
    }
    if (found) continue;
    complain("--variant is one of " + known + " or all, not \"" + shown(typed) + "\".");
    return false;
  }
  return true;
}

void print_plan(const Talk& talk) {
  for (const File& file : talk.files)
    answer(shown(file.place) + ": " + bytes_text(file.bytes) + ", " +
           (file.there ? "is there" : "huggingface.co/" + shown(file.repository)));
  answer(bytes_text(talk.need) + " of " + bytes_text(talk.total) + " are to be fetched");
}

}  // namespace

int run_fetch(int argc, char** argv) {
  Texts asked;
  gboolean plan = FALSE, verify = FALSE, as_json = FALSE, quiet = FALSE;
  const GOptionEntry entries[] = {
      {"variant", 0, 0, G_OPTION_ARG_STRING_ARRAY, asked.place(),
       "Which checkpoint, or all; may be given more than once", "VARIANT"},
      {"dry-run", 'n', 0, G_OPTION_ARG_NONE, &plan, "Only say what there is to fetch", nullptr},
      {"verify", 0, 0, G_OPTION_ARG_NONE, &verify, "Read files that are there already again, too",
       nullptr},
      {"json", 0, 0, G_OPTION_ARG_NONE, &as_json, "What was fetched as JSON", nullptr},
      {"quiet", 'q', 0, G_OPTION_ARG_NONE, &quiet, "Say nothing but errors", nullptr},
      {nullptr, 0, 0, G_OPTION_ARG_NONE, nullptr, nullptr, nullptr}};
  Options options("fetch", "FOLDER", kSummary, kDescription);
  options.add(entries);
  std::vector<std::string> rest, variants;
  if (!options.parse(argc, argv, rest)) return kUsage;
  if (rest.size() != 1) {
    complain("One folder is needed, for the files.");
    return kUsage;
  }
  if (!read_variants(asked.get(), variants)) return kUsage;
  const std::string& folder = rest.front();

  Runner runner;
  Trouble trouble;
  const std::string python = hub_python(
      runner,
      [&](const std::string& text) {
        if (!quiet) complain(text);
      },
      trouble);
  Talk talk(folder, quiet || as_json);
  bool good = false;
  if (!python.empty()) {
    std::vector<std::string> words = {
        python, "-I", "-c", kFetchScript, plan ? "plan" : verify ? "verify" : "fetch", folder};
    for (const Published& one : kPublished) {
      if (one.variant && std::find(variants.begin(), variants.end(), one.variant) == variants.end())
        continue;
      words.insert(words.end(), {one.folder, one.repository, one.pattern});
    }
    good = runner.run(words, [&talk](const std::string& line) { talk.line(line); });
    talk.end();
    if (!good) trouble = {talk.problem() + ".", talk.way_out()};
  }
  if (runner.cancelled()) {
    complain("cancelled; the same command goes on where it was stopped");
    return kCancelled;
  }
  if (as_json) answer(json_of(folder, talk, good ? "" : trouble.problem));
  if (!good) {
    if (!as_json) complain("error: " + shown(trouble.problem));
    if (!as_json && !trouble.way_out.empty()) hint(trouble.way_out);
    return kFailed;
  }
  if (as_json) return kDone;
  if (plan) {
    print_plan(talk);
  } else if (!quiet) {
    answer(shown_file(folder) + ": " + std::to_string(talk.files.size()) + " files, " +
           bytes_text(talk.total) + ", as they were published");
    hint("\"ovi check " + shown_file(folder) +
         "\" says what fits into memory, and how long it takes");
  }
  return kDone;
}

}  // namespace ovii2v::tools
