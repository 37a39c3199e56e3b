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

#include <algorithm>
#include <chrono>

#include "picture/transfer.h"
#include "stream/host_memory.h"

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

bool write_all(int file, const guchar* data, size_t count) {
  for (size_t at = 0; at < count;) {
    const ssize_t put = write(file, data + at, count - at);
    if (put < 0 && errno == EINTR) continue;
    if (put <= 0) return false;
    at += static_cast<size_t>(put);
  }
  return true;
}

/// The bytes of a data: URI (RFC 2397), a piece at a time: the text may be hundreds of MB.
class DataUri {
 public:
  explicit DataUri(const std::string& uri) : uri_(uri), at_(uri.find(',')) {
    if (at_ == std::string::npos) return;
    constexpr const char* kBase64 = ";base64";
    const size_t length = strlen(kBase64);
    base64_ = at_ >= length && !g_ascii_strncasecmp(&uri[at_ - length], kBase64, length);
    ++at_;
    good_ = true;
  }
  /// False once it is malformed.
  bool good() const { return good_; }
  /// The next of them; 0 at the end. Of base64 what is no letter of it is left out.
  size_t next(guchar* out, size_t most) {
    char text[kPiece];
    size_t got = 0;
    while (good_ && got == 0 && at_ < uri_.size()) {
      size_t count = 0;
      while (good_ && count < std::min(most, sizeof text) && at_ < uri_.size())
        text[count++] = letter();
      if (base64_)
        got = g_base64_decode_step(text, count, out, &state_, &save_);
      else
        memcpy(out, text, got = count);
    }
    return good_ ? got : 0;
  }

 private:
  static constexpr size_t kPiece = 48 << 10;

  char letter() {
    const char c = uri_[at_++];
    if (c != '%') return c;
    const int high = at_ < uri_.size() ? g_ascii_xdigit_value(uri_[at_]) : -1;
    const int low = at_ + 1 < uri_.size() ? g_ascii_xdigit_value(uri_[at_ + 1]) : -1;
    at_ += 2;
    if (high < 0 || low < 0) good_ = false;
    return static_cast<char>(high << 4 | low);
  }

  const std::string& uri_;
  size_t at_;
  bool base64_ = false, good_ = false;
  gint state_ = 0;
  guint save_ = 0;
};

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
  if (gst_uri_has_protocol(target.c_str(), location.scheme.c_str()))
    return resource(GST_RESOURCE_ERROR_OPEN_READ,
                    leads + "no address is in that; use a local copy of the picture.");
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
  DataUri uri(location.where);
  const int file = memfd_create("ovii2v-image", MFD_CLOEXEC);
  if (file < 0) {
    failure = resource(GST_RESOURCE_ERROR_FAILED, location.name +
                                                      " cannot be read: the process "
                                                      "has no descriptors or memory left.");
    return -1;
  }
  guchar piece[48 << 10];
  uint64_t bytes = 0;
  while (const size_t count = uri.next(piece, sizeof piece)) {
    bytes += count;
    if (bytes > budget.bytes)
      failure = too_long(location, budget);
    else if (!write_all(file, piece, count))
      failure = resource(GST_RESOURCE_ERROR_NO_SPACE_LEFT,
                         location.name + " does not fit into memory: scale it down.");
    if (failure) break;
  }
  if (!failure && !uri.good()) failure = malformed(location);
  if (!failure) return file;
  close(file);
  return -1;
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
    else if (result.end == Transfer::End::kNoThread)
      failure = out_of_threads("fetching the image");
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
