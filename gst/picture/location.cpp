// From the value of the property "image" to what is read, and what messages call it.
// SPDX-License-Identifier: Apache-2.0
#include "picture/location.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <limits.h>
#include <linux/magic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>

namespace ovii2v {
namespace {

constexpr size_t kMostShown = 300;  // bytes
constexpr const char* kBase64 =
    "neither a path nor a URI; base64 needs data:image/png;base64, before";

Failure resource(gint code, const std::string& message, const std::string& detail = {}) {
  return {GST_RESOURCE_ERROR, code, message, detail};
}

std::string lower(std::string text) {
  for (char& c : text) c = g_ascii_tolower(c);
  return text;
}

/// Cut in its middle where it is long: a path is known by its begin and its end.
std::string printable(const std::string& text) {
  const std::string shown = printable_line(text);
  if (shown.size() <= kMostShown) return shown;
  size_t begin = kMostShown / 2, end = shown.size() - kMostShown / 2;
  auto inside = [&shown](size_t at) { return (shown[at] & 0xC0) == 0x80; };
  while (inside(begin)) --begin;
  while (inside(end)) ++end;
  return shown.substr(0, begin) + "..." + shown.substr(end);
}

/// The length of "scheme" in "scheme:..."; 0 where there is none.
size_t scheme_length(const std::string& text) {
  size_t length = 0;
  while (length < text.size() && (g_ascii_isalnum(text[length]) || strchr("+-.", text[length])))
    ++length;
  const bool is_one =
      length > 1 && length < text.size() && text[length] == ':' && g_ascii_isalpha(text[0]);
  return is_one ? length : 0;
}

/// Behind the last @, however it is written: a password may hold /, ? and #, and who forgot to
/// escape them is not to find it in a log.
size_t end_of_user(const std::string& text) {
  size_t end = 0;
  if (const size_t at = text.rfind('@'); at != std::string::npos) end = at + 1;
  if (const size_t at = text.rfind("%40"); at != std::string::npos) end = std::max(end, at + 3);
  return end;
}

/// What follows "//" of a URI, or stands for it.
std::string without_secrets(const std::string& rest) {
  const size_t query = std::min(rest.find_first_of("?#"), rest.size());
  const size_t user = end_of_user(rest);
  if (user > query) return "...";  // which of both it belongs to is not to be known
  const size_t path = std::min(rest.find('/'), query);
  const std::string marked = query < rest.size() ? "?..." : "";
  if (user == 0 || user <= path) return rest.substr(user, query - user) + marked;
  return "..." + rest.substr(user - 1, query - user + 1) + marked;  // "...@2x.png"
}

bool is_there(const std::string& path) {
  struct stat info;
  return stat(path.c_str(), &info) == 0 || errno == EACCES;
}

/// Text that somebody took for a picture: a name is no longer, and has a dot or a space.
bool is_no_name(const std::string& text) {
  constexpr size_t kShort = 64;
  if (text.size() >= PATH_MAX) return true;
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = std::min(text.find('/', begin), text.size());
    if (end - begin > NAME_MAX) return true;
    begin = end + 1;
  }
  return text.size() >= kShort && std::all_of(text.begin(), text.end(), [](char c) {
           return g_ascii_isalnum(c) || strchr("+/=-_\r\n", c);
         });
}

std::string name_of_junk(const std::string& text) {
  return "The image (a text of " + std::to_string(text.size()) + " characters that is " + kBase64 +
         " it)";
}

/// Whether `path` is `folder` or lies below it; both without links.
bool is_below(const std::string& path, const std::string& folder) {
  if (folder == "/") return true;
  return path.compare(0, folder.size(), folder) == 0 &&
         (path.size() == folder.size() || path[folder.size()] == '/');
}

std::optional<std::string> without_links(const std::string& path) {
  g_autofree char* whole = realpath(path.c_str(), nullptr);  // free() is g_free()
  if (!whole) return std::nullopt;
  return std::string(whole);
}

std::optional<Failure> check_folder(const Location& location, const Reach& reach,
                                    const std::optional<std::string>& really) {
  if (!reach.folder) return std::nullopt;
  const auto folder = without_links(*reach.folder);
  if (!folder)
    return resource(GST_RESOURCE_ERROR_NOT_FOUND,
                    "The image-folder " + printable(*reach.folder) +
                        " does not exist: set \"image-folder\" to the folder of the pictures.");
  g_autofree char* plain = g_canonicalize_filename(location.where.c_str(), nullptr);
  g_autofree char* named = g_canonicalize_filename(reach.folder->c_str(), nullptr);
  // What is not there is judged by its name: nobody learns what else there is.
  if (really ? is_below(*really, *folder) : is_below(plain, *folder) || is_below(plain, named))
    return std::nullopt;
  return resource(GST_RESOURCE_ERROR_NOT_AUTHORIZED,
                  location.name + " may not be read: it is not below the image-folder " +
                      printable(*reach.folder) + ". Put it there, or set \"image-folder\".");
}

std::string path_of_descriptor(int file) {
  char path[PATH_MAX];
  const std::string link = "/proc/self/fd/" + std::to_string(file);
  const ssize_t size = readlink(link.c_str(), path, sizeof path);
  return size > 0 ? std::string(path, static_cast<size_t>(size)) : std::string();
}

/// What is called a regular file there has no end, or has effects when it is read.
bool is_of_the_kernel(int file) {
  struct statfs info;
  if (fstatfs(file, &info) != 0) return true;
  const auto kind = static_cast<unsigned long>(info.f_type);
  constexpr unsigned long kinds[] = {PROC_SUPER_MAGIC,   SYSFS_MAGIC,      DEBUGFS_MAGIC,
                                     TRACEFS_MAGIC,      SECURITYFS_MAGIC, CGROUP_SUPER_MAGIC,
                                     CGROUP2_SUPER_MAGIC};
  return std::find(std::begin(kinds), std::end(kinds), kind) != std::end(kinds);
}

Failure no_file(const Location& location) {
  return resource(GST_RESOURCE_ERROR_OPEN_READ,
                  location.name + " is not a file: set \"image\" to a picture file or its URI.");
}

Failure cannot_open(const Location& location, int error) {
  if (error == EACCES || error == EPERM)
    return resource(
        GST_RESOURCE_ERROR_NOT_AUTHORIZED,
        location.name + " may not be read: check the permissions of it and its folder.");
  if (error == ENXIO || error == ENODEV) return no_file(location);  // a socket, a device
  if (error == ENOENT || error == ENOTDIR || error == ENAMETOOLONG || error == ELOOP)
    return resource(GST_RESOURCE_ERROR_NOT_FOUND, location.name + " does not exist.",
                    g_strerror(error));
  return resource(GST_RESOURCE_ERROR_OPEN_READ,
                  location.name + " cannot be opened: " + g_strerror(error) + ".");
}

}  // namespace

std::string printable_line(const std::string& text) {
  g_autofree char* valid = g_utf8_make_valid(text.data(), static_cast<gssize>(text.size()));
  std::string shown;
  for (const char* at = valid; *at; at = g_utf8_next_char(at)) {
    const auto length = static_cast<size_t>(g_utf8_next_char(at) - at);
    shown += g_unichar_isprint(g_utf8_get_char(at)) ? std::string(at, length) : "?";
  }
  return shown;
}

bool Reach::allows(const std::string& scheme) const {
  g_auto(GStrv) words = g_strsplit_set(schemes.c_str(), ", ", -1);
  for (char** word = words; *word; ++word)
    if (g_ascii_strcasecmp(*word, scheme.c_str()) == 0) return true;
  return false;
}

std::string shown_location(const std::string& image) {
  const size_t length = scheme_length(image);
  const std::string scheme = lower(image.substr(0, length));
  if (scheme == "data") return "(a data: URI)";
  if (!length) {
    // No URI, and no file: as "%68ttp://user:password@host" is, and "host/a.png?key=...".
    return printable(is_there(image) ? image : without_secrets(image));
  }
  std::string rest = image.substr(length + 1);
  const size_t slashes = std::min(rest.find_first_not_of('/'), rest.size());
  if (slashes == 0) return printable(scheme) + ":...";
  return printable(scheme + ":" + rest.substr(0, slashes) + without_secrets(rest.substr(slashes)));
}

std::optional<Location> locate(const std::string& image, const Reach& reach,
                               std::optional<Failure>& failure) {
  Location location;
  const size_t length = scheme_length(image);
  // A file whose name looks like a URI is still a file.
  const bool is_uri = length && !is_there(image);
  location.scheme = is_uri ? lower(image.substr(0, length)) : "file";
  location.name = "The image " + shown_location(image);
  location.where = image;
  if (!is_uri && is_no_name(image) && !is_there(image)) {
    failure = resource(GST_RESOURCE_ERROR_NOT_FOUND, name_of_junk(image) + " cannot be read.");
    return std::nullopt;
  }
  if (location.scheme == "data") location.kind = Location::Kind::kData;
  if (is_uri && location.scheme == "file") {
    g_autofree char* host = nullptr;
    g_autofree char* path = g_filename_from_uri(image.c_str(), &host, nullptr);
    // A file of another machine is none of this one's.
    if (!path || (host && *host && g_ascii_strcasecmp(host, "localhost") != 0)) {
      failure = resource(
          GST_RESOURCE_ERROR_NOT_FOUND,
          location.name + " names no file here: write file:///folder/file, with %20 for a space.");
      return std::nullopt;
    }
    location.where = path;
  } else if (is_uri && location.scheme != "data") {
    location.kind = Location::Kind::kRemote;
  }
  if (!reach.allows(location.scheme)) {
    failure =
        resource(GST_RESOURCE_ERROR_NOT_AUTHORIZED,
                 location.name + " may not be read: " + printable(location.scheme) +
                     ": is not among the image-schemes (" + printable(reach.schemes) +
                     "). Add it to \"image-schemes\", or use a " + "picture that they reach.");
    return std::nullopt;
  }
  return location;
}

int open_local(const Location& location, const Reach& reach, std::optional<Failure>& failure) {
  // Looked at before it is opened, for opening some of them has effects; and again after.
  const auto really = without_links(location.where);
  const int missing = really ? 0 : errno;
  failure = check_folder(location, reach, really);
  if (failure) return -1;
  struct stat info;
  if (missing || stat(really->c_str(), &info) != 0) {
    failure = cannot_open(location, missing ? missing : errno);
    return -1;
  }
  if (!S_ISREG(info.st_mode)) {
    failure = no_file(location);
    return -1;
  }
  const int file = open(really->c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  if (file < 0) {
    failure = cannot_open(location, errno);
    return -1;
  }
  if (fstat(file, &info) != 0 || !S_ISREG(info.st_mode) || is_of_the_kernel(file))
    failure = no_file(location);
  else if (reach.folder)
    failure = check_folder(location, reach, path_of_descriptor(file));
  if (!failure) return file;
  close(file);
  return -1;
}

}  // namespace ovii2v
