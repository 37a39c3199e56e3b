// SPDX-License-Identifier: Apache-2.0
#include "join.h"

#include <glib.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "engine/gstovii2vloader.h"

namespace ovii2v::worker {
namespace {

constexpr const char* kUsage =
    "ovii2v-worker --join [--model-path=PATH] [--device=DEVICE]\n"
    "\n"
    "Makes clips together with an ovii2vsrc that has devices=ranks: as one of the ranks that\n"
    "torchrun, mpirun or srun starts, of which rank 0 is the element's process. PATH is where this\n"
    "rank has the model (default: where rank 0 has it), DEVICE is auto (the GPU of the local rank),\n"
    "cpu, cuda or cuda:N. Ends with rank 0.\n";

// What a signal's handler needs; both are set before one is.
const Engine* engine = nullptr;
ovi_cancel* cancel = nullptr;

void leave(int) { engine->cancel_trigger(cancel); }

/// "--name=VALUE" or "--name VALUE"; false: another option.
bool take(const std::vector<std::string>& words, size_t& at, const std::string& name,
          std::string& value) {
  const std::string option = "--" + name;
  if (words[at].rfind(option + "=", 0) == 0) {
    value = words[at].substr(option.size() + 1);
    return true;
  }
  if (words[at] != option || at + 1 == words.size()) return false;
  value = words[++at];
  return true;
}

void say(const std::string& message, const std::string& detail) {
  g_autofree char* text = g_utf8_make_valid(message.c_str(), -1);
  fprintf(stderr, "ovii2v-worker: %s\n", text);
  g_autofree char* more = g_utf8_make_valid(detail.c_str(), -1);
  if (*more) fprintf(stderr, "%s\n", more);
}

}  // namespace

int join(const std::vector<std::string>& words) {
  std::string model_path, device = "auto";
  for (size_t at = 0; at < words.size(); ++at) {
    if (words[at] == "--help") {
      fputs(kUsage, stdout);
      return EXIT_SUCCESS;
    }
    if (take(words, at, "model-path", model_path) || take(words, at, "device", device)) continue;
    say("Unknown or incomplete option " + words[at] + ".", kUsage);
    return 2;
  }
  // The engine lies beside this program.
  g_autofree char* self = g_file_read_link("/proc/self/exe", nullptr);
  std::string message, detail;
  engine = open_engine(message, detail, self ? self : "");
  if (!engine) {
    say(message, detail);
    return EXIT_FAILURE;
  }
  cancel = engine->cancel_new();
  if (!cancel) {
    say("Out of host memory.", "");
    return EXIT_FAILURE;
  }
  struct sigaction action {};
  action.sa_handler = leave;
  action.sa_flags = SA_RESTART | static_cast<int>(SA_RESETHAND);  // the second one ends at once
  sigaction(SIGTERM, &action, nullptr);
  sigaction(SIGINT, &action, nullptr);
  ovi_join_config config{};
  config.size = sizeof config;
  config.model_path = model_path.c_str();
  config.device = device.c_str();
  ovi_error error{};
  error.size = sizeof error;
  const ovi_status status = engine->join(&config, cancel, &error);
  if (status == OVI_OK || status == OVI_CANCELLED) return EXIT_SUCCESS;
  say(error.message, error.detail);
  return EXIT_FAILURE;
}

}  // namespace ovii2v::worker
