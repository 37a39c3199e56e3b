// From the value of the property "image" to what is read, and what messages call it.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>

#include "messages.h"

namespace ovii2v {

/// By what a picture may be reached, and where: for whoever takes pictures from strangers.
struct Reach {
  std::string schemes;                // "file,http": of URIs; a path counts as file
  std::optional<std::string> folder;  // local files only below it

  /// `scheme` in any case.
  bool allows(const std::string& scheme) const;
};

struct Location {
  enum class Kind { kFile, kData, kRemote };
  Kind kind = Kind::kFile;
  std::string where;   // a path, or a URI
  std::string scheme;  // in lower case
  std::string name;    // "The image http://host/a.png?...": as messages call it
};

/// Reads nothing but whether a file of that name is there. Empty with `failure` set when it is
/// of a scheme that is not allowed.
std::optional<Location> locate(const std::string& image, const Reach& reach,
                               std::optional<Failure>& failure);

/// Valid UTF-8 with a ? for each character that would not be seen: controls, line breaks, marks of
/// direction.
std::string printable_line(const std::string& text);

/// A URI or path for people: without user, password, query and fragment, without control
/// characters, and not endless.
std::string shown_location(const std::string& image);

/// A regular file's descriptor, to be closed by the caller, or -1 with `failure` set. Never waits
/// for who writes a pipe.
int open_local(const Location& location, const Reach& reach, std::optional<Failure>& failure);

}  // namespace ovii2v
