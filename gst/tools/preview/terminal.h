// A picture in the terminal that stdout is, in one place while it changes.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>

#include "preview/pixels.h"

namespace ovii2v::tools {

/// Above the line that the cursor is in. What else is said in between pushes it up; the next
/// picture then has a new place.
class TerminalPicture {
 public:
  /// None where stdout is no terminal, or none that shows pictures. Those with kitty's graphics
  /// are known by name; others are asked what they are, which takes as long as they take to answer
  /// (a quarter of a second at most) and leaves their settings as they were.
  static std::optional<TerminalPicture> find();

  void show(const Pixels& pixels);
  /// The next picture is another one: what is shown stays.
  void begin_another() { rows_ = 0; }

 private:
  enum class Language { kKitty, kSixel };
  explicit TerminalPicture(Language language) : language_(language) {}

  Language language_;
  unsigned rows_ = 0, columns_ = 0;  // of the place; 0: none
  unsigned place_ = 0;
  uint64_t lines_ = 0;  // that were said when it was taken
};

}  // namespace ovii2v::tools
