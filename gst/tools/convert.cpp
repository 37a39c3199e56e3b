// ovi convert: a model folder written anew, one safetensors file a component.
// SPDX-License-Identifier: Apache-2.0
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif

#include <gst/gst.h>
#include <signal.h>

#include <string>
#include <utility>
#include <vector>

#include "commands.h"
#include "door.h"
#include "engine/lora.h"
#include "json.h"
#include "options.h"
#include "plugin.h"
#include "progress.h"
#include "words.h"

namespace ovii2v::tools {
namespace {

constexpr const char* kSummary =
    "Writes the model in FOLDER anew to TARGET: one safetensors file a component, which is mapped\n"
    "as it lies, with the tokenizer and the settings. TARGET is then a model's folder as any "
    "other.";
constexpr const char* kDescription =
    "  bf16    what the engine computes with on a GPU: the same clips to the bit (the default)\n"
    "  fp8     large matrices in 8 bits with factors, half the size; the rest as bf16\n"
    "  fp32    everything in float32\n"
    "  stored  as it is\n"
    "\n"
    "Nothing has its name before all is whole; what was cancelled, or failed, leaves nothing. The\n"
    "digests of all files are in TARGET/SHA256SUMS: \"ovi convert --verify TARGET\" reads them\n"
    "again, as \"sha256sum -c SHA256SUMS\" does.\n"
    "\n"
    "Ends with 0 when all is done, 1 after a failure, 2 for wrong arguments, 3 when cancelled.";

constexpr int kEnding[] = {SIGINT, SIGTERM, SIGHUP};

const Engine* engine;  // whose cancel the signals trigger
ovi_cancel* cancel;

/// Only an atomic flag is set. The next signal ends the program at once.
void on_signal(int) {
  engine->cancel_trigger(cancel);
  for (const int number : kEnding) signal(number, SIG_DFL);
}

class Signals {
 public:
  explicit Signals(const Engine& from) {
    engine = &from;
    cancel = from.cancel_new();
    for (const int number : kEnding) {
      // What the parent wants ignored (nohup, a script's background) stays so.
      struct sigaction before {};
      sigaction(number, nullptr, &before);
      if (before.sa_handler == SIG_IGN) continue;
      struct sigaction wanted {};
      wanted.sa_handler = on_signal;
      wanted.sa_flags = SA_RESTART;
      sigaction(number, &wanted, nullptr);
    }
  }
  ~Signals() {
    for (const int number : kEnding) {
      struct sigaction now {};
      sigaction(number, nullptr, &now);
      if (now.sa_handler == on_signal) signal(number, SIG_DFL);
    }
    engine->cancel_free(cancel);
  }
  Signals(const Signals&) = delete;
  Signals& operator=(const Signals&) = delete;
};

struct File {
  std::string path, source, dtypes, sha256;
  uint64_t bytes = 0, tensors = 0;
};

struct Report {
  explicit Report(bool quiet) : progress(quiet) {}

  ovi_conversion_callbacks callbacks() {
    ovi_conversion_callbacks to{};
    to.size = sizeof to;
    to.user = this;
    to.progress = [](void* user, const ovi_conversion_progress* told) {
      static_cast<Report*>(user)->show(*told);
    };
    to.file = [](void* user, const ovi_converted_file* told) {
      static_cast<Report*>(user)->files.push_back({told->path, told->source ? told->source : "",
                                                   told->dtypes, told->sha256, told->bytes,
                                                   told->tensors});
    };
    to.warning = [](void* user, const char* message) {
      auto* self = static_cast<Report*>(user);
      self->progress.end();
      complain(std::string("warning: ") + message);
    };
    return to;
  }

  void show(const ovi_conversion_progress& told) {
    const double share =
        told.total ? static_cast<double>(told.done) / static_cast<double>(told.total) : 1;
    const std::string time =
        told.seconds_left > 0 ? ", " + duration_text(told.seconds_left) + " left" : "";
    const std::string said =
        (told.verifying ? "verifying " : "converting ") + shown_file(told.file);
    progress.show(told.verifying ? "verify" : "convert", static_cast<int>(100 * share), time, said);
  }

  Progress progress;
  std::vector<File> files;
};

std::string json_of(const std::string& folder, const Report& report, const std::string& problem) {
  JsonWriter json;
  json.begin_object();
  json.add("ok", problem.empty());
  json.add("folder", folder);
  json.begin_array("files");
  for (const File& file : report.files) {
    json.begin_object();
    json.add("file", file.path);
    if (!file.source.empty()) json.add("source", file.source);
    json.add("bytes", file.bytes);
    if (file.tensors) {
      json.add("tensors", file.tensors);
      json.add("dtype", file.dtypes);
    }
    json.add("sha256", file.sha256);
    json.end_object();
  }
  json.end_array();
  if (!problem.empty()) json.add("problem", problem);
  json.end_object();
  return json.text();
}

struct Wishes {
  Text weights, scales, variant, lora;
  gboolean force = FALSE, verify = FALSE, as_json = FALSE, quiet = FALSE;
};

/// One of a few words. False when it was told that it is none of them.
template <typename Value>
bool read_word(const char* option, const Text& text,
               const std::vector<std::pair<std::string, Value>>& known, Value& value) {
  if (!text) return true;
  std::string all;
  for (const auto& [word, one] : known) {
    all += (all.empty() ? "" : ", ") + word;
    if (word != text.get()) continue;
    value = one;
    return true;
  }
  complain(std::string(option) + " is one of " + all + ", not \"" + shown(text.get()) + "\".");
  return false;
}

}  // namespace

int run_convert(int argc, char** argv) {
  Wishes wishes;
  const GOptionEntry entries[] = {
      {"weights", 'w', 0, G_OPTION_ARG_STRING, wishes.weights.place(), "bf16, fp8, fp32 or stored",
       "TYPE"},
      {"scales", 0, 0, G_OPTION_ARG_STRING, wishes.scales.place(),
       "With fp8: a factor for each row, or one for each tensor", "row|tensor"},
      {"variant", 0, 0, G_OPTION_ARG_STRING, wishes.variant.place(), "Which checkpoint of several",
       "VARIANT"},
      {"lora", 0, 0, G_OPTION_ARG_FILENAME, wishes.lora.place(),
       "LoRA files to merge into the transformer", "FILE:STRENGTH,..."},
      {"force", 'f', 0, G_OPTION_ARG_NONE, &wishes.force, "Write into a folder that is there",
       nullptr},
      {"verify", 0, 0, G_OPTION_ARG_NONE, &wishes.verify,
       "Read what was written again; of one folder: only that", nullptr},
      {"json", 0, 0, G_OPTION_ARG_NONE, &wishes.as_json, "What was written as JSON", nullptr},
      {"quiet", 'q', 0, G_OPTION_ARG_NONE, &wishes.quiet, "Say nothing but errors", nullptr},
      {nullptr, 0, 0, G_OPTION_ARG_NONE, nullptr, nullptr, nullptr}};
  Options options("convert", "FOLDER TARGET", kSummary, kDescription);
  options.add(entries);
  options.add_gstreamer();
  std::vector<std::string> rest;
  if (!options.parse(argc, argv, rest)) return kUsage;
  const bool only_verify = rest.size() == 1 && wishes.verify;
  if (rest.size() != 2 && !only_verify) {
    complain("Two folders are needed: of the model, and to write to.");
    hint("\"ovi convert --verify TARGET\" looks at one that was written");
    return kUsage;
  }
  ovi_conversion wanted{};
  wanted.size = sizeof wanted;
  if (!read_word<ovi_weights>("--weights", wishes.weights,
                              {{"bf16", OVI_WEIGHTS_BF16},
                               {"fp8", OVI_WEIGHTS_FP8},
                               {"fp32", OVI_WEIGHTS_FP32},
                               {"stored", OVI_WEIGHTS_STORED}},
                              wanted.weights) ||
      !read_word<ovi_factors>("--scales", wishes.scales,
                              {{"row", OVI_FACTORS_ROW}, {"tensor", OVI_FACTORS_TENSOR}},
                              wanted.factors) ||
      !read_word<ovi_variant>("--variant", wishes.variant,
                              {{"auto", OVI_VARIANT_AUTO},
                               {"720x720-5s", OVI_VARIANT_720X720_5S},
                               {"960x960-5s", OVI_VARIANT_960X960_5S},
                               {"960x960-10s", OVI_VARIANT_960X960_10S}},
                              wanted.variant))
    return kUsage;
  if (wishes.scales && wanted.weights != OVI_WEIGHTS_FP8) {
    complain("--scales goes with --weights=fp8.");
    return kUsage;
  }
  std::vector<Lora> loras;
  if (wishes.lora) {
    std::string wrong;
    auto read = read_loras(wishes.lora.get(), wrong);
    if (!read) {
      complain(wrong);
      return kUsage;
    }
    loras = std::move(*read);
  }
  const std::vector<ovi_lora> merged = engine_loras(loras);
  wanted.loras = merged.data();
  wanted.lora_count = static_cast<uint32_t>(merged.size());
  wanted.model_path = rest.front().c_str();
  wanted.target_path = rest.back().c_str();
  wanted.force = wishes.force;
  wanted.verify = wishes.verify;

  Door door;
  std::string problem;
  if (!open_door(plugin_file(), door, problem)) {
    complain("error: " + problem);
    return kFailed;
  }
  if (!door.convert || !door.verify) {
    complain("error: The engine " + shown_file(door.engine->path) +
             " is older than this program and cannot convert models.");
    return kFailed;
  }
  Report report(wishes.quiet || wishes.as_json);
  report.progress.begin(rest.back(), {});
  const ovi_conversion_callbacks callbacks = report.callbacks();
  ovi_error error{};
  error.size = sizeof error;
  ovi_status status;
  {
    const Signals signals(*door.engine);
    status = only_verify ? door.verify(rest.front().c_str(), &callbacks, cancel, &error)
                         : door.convert(&wanted, &callbacks, cancel, &error);
  }
  report.progress.end();
  if (status == OVI_CANCELLED) {
    complain("cancelled");
    return kCancelled;
  }
  if (wishes.as_json) {
    answer(json_of(rest.back(), report, status == OVI_OK ? "" : error.message));
    return status == OVI_OK ? kDone : kFailed;
  }
  if (status != OVI_OK) {
    complain(std::string("error: ") + error.message);
    return kFailed;
  }
  uint64_t bytes = 0;
  for (const File& file : report.files) {
    bytes += file.bytes;
    if (file.tensors && !wishes.quiet)
      answer(shown_file(file.path) + ": " + bytes_text(file.bytes) + ", " + file.dtypes);
  }
  if (wishes.quiet) return kDone;
  answer(shown_file(rest.back()) + (wishes.verify ? ": verified, " : ": ") + bytes_text(bytes) +
         " in " + std::to_string(report.files.size()) + " files");
  return kDone;
}

}  // namespace ovii2v::tools
