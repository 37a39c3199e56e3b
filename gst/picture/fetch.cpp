// The bytes of a picture in memory, from a data: URI or by a GStreamer source element.
// SPDX-License-Identifier: Apache-2.0
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "picture/fetch.h"

#include <errno.h>
#include <gio/gio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <chrono>

#include "picture/transfer.h"

namespace ovii2v {
namespace {

using Clock = std::chrono::steady_clock;

constexpr int kMostRedirects = 5;
constexpr std::chrono::milliseconds kPollInterval{20};

Failure resource(gint code, const std::string& message, const std::string& detail = {}) {
  return {GST_RESOURCE_ERROR, code, message, detail};
}

Failure malformed(const Location& location) {
  return {
      GST_STREAM_ERROR, GST_STREAM_ERROR_WRONG_TYPE,
      location.name + " is malformed: write data:image/png;base64, and then the file in base64.",
      ""};
}

Failure too_long(const Location& location, const FetchBudget& budget) {
  return {GST_STREAM_ERROR, GST_STREAM_ERROR_FORMAT,
          location.name + " has more than the " + std::to_string(budget.bytes >> 20) +
              " MiB that are fetched: scale it down.",
          ""};
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

Failure unsuitable(const Location& location, const std::string& element) {
  return resource(GST_RESOURCE_ERROR_OPEN_READ,
                  location.name + " is not read: " + element +
                      ", which GStreamer has for it, does not give the bytes of one file and end. "
                      "Use a local copy, or http:, https: or data:.");
}

/// Where a server's answer leads; empty when that is no URI.
std::string resolve(const std::string& uri, const std::string& redirect) {
  const auto flags = static_cast<GUriFlags>(G_URI_FLAGS_ENCODED | G_URI_FLAGS_PARSE_RELAXED);
  g_autofree char* target = g_uri_resolve_relative(uri.c_str(), redirect.c_str(), flags, nullptr);
  return target ? target : "";
}

Failure wrong_redirect(const Location& location, const std::string& target) {
  const std::string leads = location.name + " leads to " +
                            (target.empty() ? "no address" : shown_location(target)) + ": ";
  const bool web =
      gst_uri_has_protocol(target.c_str(), "http") || gst_uri_has_protocol(target.c_str(), "https");
  return resource(GST_RESOURCE_ERROR_NOT_AUTHORIZED,
                  leads + (web ? "redirects to another scheme are not followed; set \"image\" to "
                                 "that address."
                               : "redirects to another scheme are not followed; use a local copy "
                                 "of the picture."));
}

/// In words of its own: those of a server or a library may hold the whole address.
Failure failure_of(const Location& location, const Transfer::Result& result) {
  std::string detail = "no answer";
  if (result.domain)
    detail = std::string(g_quark_to_string(result.domain)) + " " + std::to_string(result.code);
  if (result.status) {
    const std::string answered = "the server answered " + std::to_string(result.status) + ".";
    switch (result.status) {
      case 404:
      case 410:
        return resource(GST_RESOURCE_ERROR_NOT_FOUND,
                        location.name + " does not exist there: " + answered, detail);
      case 401:
      case 403:
      case 407:
        return resource(GST_RESOURCE_ERROR_NOT_AUTHORIZED,
                        location.name + " may not be read: " + answered, detail);
      default:
        break;
    }
    if (result.status >= 300)
      return resource(GST_RESOURCE_ERROR_OPEN_READ, location.name + " cannot be read: " + answered,
                      detail);
    return resource(GST_RESOURCE_ERROR_READ,
                    location.name + " broke off on its way: try again, or use a local copy of it.",
                    detail);
  }
  const bool known =
      result.domain == GST_RESOURCE_ERROR && (result.code == GST_RESOURCE_ERROR_NOT_FOUND ||
                                              result.code == GST_RESOURCE_ERROR_NOT_AUTHORIZED);
  return resource(known ? result.code : GST_RESOURCE_ERROR_OPEN_READ,
                  location.name + " cannot be read: check its address and the network.", detail);
}

/// What libsoup takes; it says more of others than a user wants to read.
bool is_web_address(const std::string& uri) {
  g_autoptr(GUri) parsed =
      g_uri_parse(uri.c_str(),
                  static_cast<GUriFlags>(G_URI_FLAGS_HAS_PASSWORD | G_URI_FLAGS_ENCODED_PATH |
                                         G_URI_FLAGS_ENCODED_QUERY | G_URI_FLAGS_ENCODED_FRAGMENT),
                  nullptr);
  return parsed && g_uri_get_host(parsed) && *g_uri_get_host(parsed);
}

/// Waits for it. False: cancelled, or too late (then with `failure` set).
bool finish(Transfer& transfer, const Location& location, const FetchBudget& budget,
            Clock::time_point deadline, const std::atomic<bool>& cancelled,
            std::optional<Failure>& failure) {
  while (!cancelled) {
    if (transfer.wait(kPollInterval)) return true;
    if (Clock::now() > deadline) {
      failure = resource(GST_RESOURCE_ERROR_READ, location.name + " did not come within " +
                                                      std::to_string(budget.seconds) +
                                                      " seconds: use a local copy of it.");
      break;
    }
  }
  transfer.abandon();
  return false;
}

}  // namespace

std::optional<Failure> check_data(const Location& location) {
  if (location.where.find(',') == std::string::npos) return malformed(location);
  return std::nullopt;
}

std::optional<Failure> check_remote(const Location& location) {
  const bool web = location.scheme == "http" || location.scheme == "https";
  if (web && !is_web_address(location.where))
    return resource(GST_RESOURCE_ERROR_NOT_FOUND,
                    location.name + " is malformed: write " + location.scheme +
                        "://host/path, with %40 for an @ in a password.");
  std::string others;
  g_autoptr(GstElementFactory) source = find_source(location.scheme, others);
  if (source) return std::nullopt;
  if (!others.empty()) return unsuitable(location, others);
  return Failure{GST_CORE_ERROR,
                 GST_CORE_ERROR_MISSING_PLUGIN,
                 location.name + " cannot be opened: no GStreamer plug-in reads " +
                     location.scheme + ": URIs. " +
                     (web ? "Install gstreamer1.0-plugins-good (souphttpsrc) with libsoup, or "
                            "use a local copy."
                          : "Use a file, or install the plug-in for them."),
                 "",
                 {Missing::Kind::kUriSource, location.scheme}};
}

int read_data(const Location& location, const FetchBudget& budget,
              std::optional<Failure>& failure) {
  g_autoptr(GBytes) bytes = data_uri_bytes(location.where);
  if (!bytes) {
    failure = malformed(location);
    return -1;
  }
  gsize size = 0;
  const auto* data = static_cast<const char*>(g_bytes_get_data(bytes, &size));
  if (size > budget.bytes) {
    failure = too_long(location, budget);
    return -1;
  }
  const int file = memfd_create("ovii2v-image", MFD_CLOEXEC);
  for (gsize at = 0; file >= 0 && at < size;) {
    const ssize_t put = write(file, data + at, size - at);
    if (put < 0 && errno == EINTR) continue;
    if (put <= 0) {
      close(file);
      failure = resource(GST_RESOURCE_ERROR_NO_SPACE_LEFT,
                         location.name + " does not fit into memory: scale it down.");
      return -1;
    }
    at += static_cast<gsize>(put);
  }
  if (file < 0)
    failure = resource(GST_RESOURCE_ERROR_FAILED, location.name +
                                                      " cannot be read: the process "
                                                      "has no descriptors or memory left.");
  return file;
}

int fetch_remote(const Location& location, const FetchBudget& budget,
                 const std::atomic<bool>& cancelled, std::optional<Failure>& failure) {
  const auto deadline = Clock::now() + std::chrono::seconds(budget.seconds);
  std::string uri = location.where;
  for (int redirects = 0; redirects <= kMostRedirects; ++redirects) {
    const std::shared_ptr<Transfer> transfer = Transfer::start(uri, budget.bytes);
    if (!finish(*transfer, location, budget, deadline, cancelled, failure)) return -1;
    const Transfer::Result result = transfer->result();
    if (result.end == Transfer::End::kWhole) return transfer->take_file();
    const bool redirected = result.status >= 300 && result.status < 400 && !result.redirect.empty();
    if (result.end == Transfer::End::kTooLong)
      failure = too_long(location, budget);
    else if (result.end == Transfer::End::kUnsuitable)
      failure = unsuitable(location, result.element);
    else if (!redirected)
      failure = failure_of(location, result);
    if (failure) return -1;
    uri = resolve(uri, result.redirect);
    if (!gst_uri_has_protocol(uri.c_str(), location.scheme.c_str()) || !is_web_address(uri)) {
      failure = wrong_redirect(location, uri);
      return -1;
    }
  }
  failure = resource(GST_RESOURCE_ERROR_OPEN_READ,
                     location.name +
                         " leads from one address to the next without end: set "
                         "\"image\" to the picture's own.");
  return -1;
}

}  // namespace ovii2v
