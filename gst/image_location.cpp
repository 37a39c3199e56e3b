// From the value of the property "image" to an element that reads its bytes.
// SPDX-License-Identifier: Apache-2.0
#include "image_location.h"

#include <errno.h>
#include <fcntl.h>
#include <gio/gio.h>
#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

namespace ovii2v {
namespace {

constexpr const char* kDataName = "The image (a data: URI)";

Failure resource(gint code, const std::string& message, const std::string& detail = {}) {
  return {GST_RESOURCE_ERROR, code, message, detail};
}

/// What reading takes beside an element for the URI, and where that is found.
constexpr struct {
  const char *factory, *package;
} kElements[] = {{"decodebin", "gstreamer1.0-plugins-base"},
                 {"videoconvert", "gstreamer1.0-plugins-base"},
                 {"capsfilter", "libgstreamer1.0-0"},
                 {"fakesink", "libgstreamer1.0-0"}};
/// For data: URIs; in gstreamer1.0-plugins-base.
constexpr const char* kMemorySource = "giostreamsrc";

Failure missing_element(const char* factory) {
  const char* package = "gstreamer1.0-plugins-base";
  for (const auto& one : kElements)
    if (g_str_equal(one.factory, factory)) package = one.package;
  return {GST_CORE_ERROR,
          GST_CORE_ERROR_MISSING_PLUGIN,
          std::string("The GStreamer element ") + factory +
              ", needed to read the image, is missing: install " + package + ".",
          "",
          {Missing::Kind::kElement, factory}};
}

bool is_installed(const char* name) {
  g_autoptr(GstElementFactory) factory = gst_element_factory_find(name);
  return factory;
}

Failure no_reader(const std::string& name, const char* protocol) {
  const bool web = g_str_equal(protocol, "http") || g_str_equal(protocol, "https");
  return {GST_CORE_ERROR,
          GST_CORE_ERROR_MISSING_PLUGIN,
          name + " cannot be opened: no GStreamer plug-in reads " + protocol + ": URIs. " +
              (web ? "Install gstreamer1.0-plugins-good (souphttpsrc) with libsoup, or "
                     "use a local copy."
                   : "Use a file, or install the plug-in for them."),
          "",
          {Missing::Kind::kUriSource, protocol}};
}

/// A local file that a source would fail on in a less telling way (or block on).
std::optional<Failure> check_file(const std::string& path, const std::string& name) {
  GStatBuf info;
  if (g_stat(path.c_str(), &info) != 0) {
    const int error = errno;
    if (error == EACCES)
      return resource(GST_RESOURCE_ERROR_NOT_AUTHORIZED,
                      name + " may not be read: check the permissions of its folder.");
    return resource(GST_RESOURCE_ERROR_NOT_FOUND, name + " does not exist.",
                    path + ": " + g_strerror(error));
  }
  if (!S_ISREG(info.st_mode))
    return resource(GST_RESOURCE_ERROR_OPEN_READ,
                    name + " is not a file: set \"image\" to a picture file or its URI.");
  const int file = g_open(path.c_str(), O_RDONLY | O_CLOEXEC, 0);
  if (file < 0)
    return resource(GST_RESOURCE_ERROR_NOT_AUTHORIZED,
                    name + " may not be read: check its permissions.");
  close(file);
  return std::nullopt;
}

/// The bytes of a data: URI (RFC 2397); null when it is malformed.
GBytes* data_uri_bytes(const std::string& uri) {
  const size_t comma = uri.find(',');
  if (comma == std::string::npos) return nullptr;
  const std::string header = uri.substr(0, comma);
  GBytes* raw = g_uri_unescape_bytes(uri.c_str() + comma + 1, -1, nullptr, nullptr);
  constexpr const char* kBase64 = ";base64";
  if (!raw || header.size() < strlen(kBase64) ||
      g_ascii_strcasecmp(header.c_str() + header.size() - strlen(kBase64), kBase64) != 0)
    return raw;
  gsize size = 0;
  const auto* data = static_cast<const char*>(g_bytes_get_data(raw, &size));
  const std::string text(data ? data : "", size);
  g_bytes_unref(raw);
  guchar* decoded = g_base64_decode(text.c_str(), &size);
  return g_bytes_new_take(decoded, size);
}

/// A file whose name looks like a URI is still a file. The caller frees it.
char* uri_of(const std::string& location) {
  if (!g_file_test(location.c_str(), G_FILE_TEST_EXISTS) && gst_uri_is_valid(location.c_str()))
    return g_strdup(location.c_str());
  return gst_filename_to_uri(location.c_str(), nullptr);
}

}  // namespace

std::optional<Failure> check_image_location(const std::string& location) {
  g_autofree char* uri = uri_of(location);
  if (uri && gst_uri_has_protocol(uri, "data")) {
    g_autoptr(GBytes) bytes = data_uri_bytes(uri);
    if (!bytes)
      return Failure{GST_STREAM_ERROR, GST_STREAM_ERROR_WRONG_TYPE,
                     std::string(kDataName) + " is malformed.", ""};
    if (!is_installed(kMemorySource)) return missing_element(kMemorySource);
  } else if (uri) {
    if (gst_uri_has_protocol(uri, "file")) {
      g_autofree char* path = g_filename_from_uri(uri, nullptr, nullptr);
      auto wrong = check_file(path ? path : location, "The image " + location);
      if (wrong) return wrong;
    }
    g_autofree char* protocol = gst_uri_get_protocol(uri);
    if (!gst_uri_protocol_is_supported(GST_URI_SRC, protocol))
      return no_reader("The image " + location, protocol);
  }
  for (const auto& one : kElements)
    if (!is_installed(one.factory)) return missing_element(one.factory);
  return std::nullopt;
}

GstElement* make_image_element(const char* factory, std::optional<Failure>& failure) {
  GstElement* element = gst_element_factory_make(factory, nullptr);
  if (!element) failure = missing_element(factory);
  return element;
}

GstElement* make_image_source(const std::string& location, std::string& name,
                              std::optional<Failure>& failure) {
  g_autofree char* uri = uri_of(location);
  name = "The image " + location;
  failure = check_image_location(location);
  if (failure) return nullptr;
  if (uri && gst_uri_has_protocol(uri, "data")) {
    name = kDataName;
    g_autoptr(GBytes) bytes = data_uri_bytes(uri);
    g_autoptr(GInputStream) input = g_memory_input_stream_new_from_bytes(bytes);
    GstElement* source = make_image_element(kMemorySource, failure);
    if (source) g_object_set(source, "stream", input, nullptr);
    return source;
  }
  g_autoptr(GError) error = nullptr;
  GstElement* source = uri ? gst_element_make_from_uri(GST_URI_SRC, uri, nullptr, &error) : nullptr;
  if (!source)
    failure = resource(GST_RESOURCE_ERROR_NOT_FOUND, name + " cannot be opened.",
                       error ? error->message : "");
  return source;
}

}  // namespace ovii2v
