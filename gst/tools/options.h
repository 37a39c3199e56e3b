// A command's options, read by GLib's parser.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <glib.h>

#include <string>
#include <vector>

namespace ovii2v::tools {

class Options {
 public:
  /// "ovi NAME ARGUMENTS"; `summary` stands before the list of options, `description` after it.
  Options(const char* name, const char* arguments, const char* summary, const char* description);
  ~Options();
  Options(const Options&) = delete;
  Options& operator=(const Options&) = delete;

  /// `entries` end with an empty one; what they point at outlives the parsing.
  void add(const GOptionEntry* entries);
  /// GStreamer's own, which parsing initialises.
  void add_gstreamer();

  /// False when it was told what is wrong. --help ends the program.
  /// `rest` gets what is no option, in the bytes of the command line.
  bool parse(int argc, char** argv, std::vector<std::string>& rest);

 private:
  std::string name_;
  GOptionContext* context_;
  std::vector<std::string> known_;  // "--seed"
};

/// A text that GOption allocated, or NULL.
class Text {
 public:
  Text() = default;
  ~Text() { g_free(text_); }
  Text(const Text&) = delete;
  Text& operator=(const Text&) = delete;
  char** place() { return &text_; }
  explicit operator bool() const { return text_ != nullptr; }
  std::string get() const { return text_ ? text_ : ""; }

 private:
  char* text_ = nullptr;
};

/// Likewise of an option that may be given more than once.
class Texts {
 public:
  Texts() = default;
  ~Texts() { g_strfreev(texts_); }
  Texts(const Texts&) = delete;
  Texts& operator=(const Texts&) = delete;
  char*** place() { return &texts_; }
  std::vector<std::string> get() const;

 private:
  char** texts_ = nullptr;
};

}  // namespace ovii2v::tools
