// Texts that come from a file or from standard input.
// SPDX-License-Identifier: Apache-2.0
#include "input.h"

#include <glib.h>
#include <stdio.h>

#include "words.h"

namespace ovii2v::tools {

bool read_input(const std::string& name, std::string& text, std::string& problem) {
  if (name == "-") {
    char buffer[4096];
    while (const size_t got = fread(buffer, 1, sizeof buffer, stdin)) text.append(buffer, got);
    if (!ferror(stdin)) return true;
    problem = "Standard input cannot be read.";
    return false;
  }
  g_autoptr(GError) error = nullptr;
  g_autofree gchar* bytes = nullptr;
  gsize length = 0;
  if (!g_file_get_contents(name.c_str(), &bytes, &length, &error)) {
    problem = shown(error->message) + ".";
    return false;
  }
  text.assign(bytes, length);
  return true;
}

}  // namespace ovii2v::tools
