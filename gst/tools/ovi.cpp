// `ovi`: makes clips from a command line; an application of the element.
// SPDX-License-Identifier: Apache-2.0
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif

#include <gst/gst.h>
#include <locale.h>
#include <signal.h>

#include <algorithm>
#include <string>
#include <vector>

#include "commands.h"
#include "door.h"
#include "plugin.h"
#include "words.h"

namespace ovii2v::tools {
namespace {

struct Command {
  const char* name;
  const char* arguments;
  const char* summary;
  int (*run)(int argc, char** argv);
};

constexpr Command kCommands[] = {
    {"make", "[PICTURE] PROMPT -o FILE", "Make a clip, or one for each row of a table", run_make},
    {"again", "CLIP", "Make a clip again from what its file says of it", run_again},
    {"fetch", "FOLDER", "Fetch the published weights", run_fetch},
    {"check", "[FOLDER]", "Say whether all is here, and what memory it takes", run_check},
    {"convert", "FOLDER TARGET", "Write a model anew, in fewer bits and quicker to load",
     run_convert},
    {"prompt", "TEXT", "Say what to mend in a prompt", run_prompt},
};

void print_help() {
  std::string text =
      "Usage:\n"
      "  ovi COMMAND ...\n"
      "\n"
      "Makes short clips with sound from a picture and a prompt, with Ovi.\n"
      "\n"
      "Commands:\n";
  for (const Command& command : kCommands) {
    std::string left = std::string("  ") + command.name + " " + command.arguments;
    left.resize(std::max<size_t>(left.size() + 2, 36), ' ');
    text += left + command.summary + "\n";
  }
  text +=
      "\n"
      "Options:\n"
      "  --version                         Versions of the plug-in, the engine and GStreamer\n"
      "  --help                            This; \"ovi COMMAND --help\" has a command's options\n"
      "\n"
      "A first clip:\n"
      "  ovi make picture.jpg \"She smiles. <S>Hello!<E> <AUDCAP>A calm voice.<ENDAUDCAP>\" \\\n"
      "      --model /opt/ovi -o clip.mp4\n"
      "\n"
      "It ends with 0 when all is done, 1 after a failure, 2 for wrong arguments, 3 when "
      "cancelled.";
  answer(text);
}

int print_version() {
  gst_init(nullptr, nullptr);
  const std::string plugin = plugin_version();
  g_autofree gchar* gstreamer = gst_version_string();
  Door door;
  std::string problem;
  const bool engine = open_door(plugin_file(), door, problem);
  answer("ovi " VERSION);
  answer(plugin.empty() ? std::string("plug-in ovii2v: not found")
                        : "plug-in ovii2v " + plugin + " (" + shown_file(plugin_file()) + ")");
  answer(engine ? std::string("engine ") + door.engine->version() + " (" +
                      shown_file(door.engine->path) + ")"
                : "engine: " + problem);
  answer(gstreamer);
  return plugin.empty() ? kFailed : kDone;
}

int run(int argc, char** argv) {
  const std::string word = argc > 1 ? argv[1] : "";
  if (word == "--help" || word == "-h" || word == "help") {
    // "ovi help make" is what some would type.
    if (word == "help" && argc > 2) {
      char help[] = "--help";
      char* words[] = {argv[0], argv[2], help, nullptr};
      return run(3, words);
    }
    print_help();
    return kDone;
  }
  if (word == "--version" || word == "-V") return print_version();
  for (const Command& command : kCommands)
    if (word == command.name) return command.run(argc - 1, argv + 1);
  if (word.empty()) {
    print_help();
    return kUsage;
  }
  std::vector<std::string> names;
  for (const Command& command : kCommands) names.emplace_back(command.name);
  const std::string meant = nearest(word, names);
  complain("there is no command \"" + shown(word) + "\"");
  hint(meant.empty() ? "\"ovi --help\" has the commands" : "is \"ovi " + meant + "\" meant?");
  return kUsage;
}

}  // namespace
}  // namespace ovii2v::tools

int main(int argc, char** argv) {
  // Names and messages in the user's encoding; numbers as everywhere in commands and files.
  setlocale(LC_CTYPE, "");
  setlocale(LC_MESSAGES, "");
  // A reader that is gone and a file that may not grow are errors of writing, not an end.
  signal(SIGPIPE, SIG_IGN);
  signal(SIGXFSZ, SIG_IGN);
  g_set_prgname("ovi");
  return ovii2v::tools::run(argc, argv);
}
