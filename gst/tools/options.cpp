// A command's options, read by GLib's parser.
// SPDX-License-Identifier: Apache-2.0
#include "options.h"

#include <gst/gst.h>

#include "words.h"

namespace ovii2v::tools {

Options::Options(const char* name, const char* arguments, const char* summary,
                 const char* description)
    : name_(name), context_(g_option_context_new(arguments)) {
  g_option_context_set_summary(context_, summary);
  g_option_context_set_description(context_, description);
}

Options::~Options() { g_option_context_free(context_); }

void Options::add(const GOptionEntry* entries) {
  g_option_context_add_main_entries(context_, entries, nullptr);
  for (const GOptionEntry* entry = entries; entry->long_name; ++entry)
    known_.push_back(std::string("--") + entry->long_name);
}

void Options::add_gstreamer() { g_option_context_add_group(context_, gst_init_get_option_group()); }

bool Options::parse(int argc, char** argv, std::vector<std::string>& rest) {
  // The parser takes apart what it is given.
  char** words = g_new0(char*, static_cast<gsize>(argc) + 1);
  for (int i = 0; i < argc; ++i) words[i] = g_strdup(argv[i]);
  g_set_prgname(("ovi " + name_).c_str());
  g_autoptr(GError) error = nullptr;
  const bool good = g_option_context_parse_strv(context_, &words, &error);
  if (good) {
    bool all = false;  // "--" stays in the list; after it everything is an argument
    for (char** word = words + 1; *word; ++word) {
      if (!all && g_str_equal(*word, "--"))
        all = true;
      else
        rest.emplace_back(*word);
    }
  } else {
    const std::string text = error->message;
    complain(shown(text));
    if (g_error_matches(error, G_OPTION_ERROR, G_OPTION_ERROR_UNKNOWN_OPTION)) {
      const size_t dashes = text.find("--");
      const std::string meant =
          dashes == std::string::npos
              ? ""
              : nearest(text.substr(dashes, text.find_first_of("= ", dashes) - dashes), known_);
      if (!meant.empty()) hint("is " + meant + " meant?");
    }
    hint("\"ovi " + name_ + " --help\" has the options");
  }
  g_strfreev(words);
  g_set_prgname("ovi");
  return good;
}

std::vector<std::string> Texts::get() const {
  std::vector<std::string> all;
  for (char** text = texts_; text && *text; ++text) all.emplace_back(*text);
  return all;
}

}  // namespace ovii2v::tools
