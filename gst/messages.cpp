// What the element says on the bus: errors and warnings.
// SPDX-License-Identifier: Apache-2.0
#include "messages.h"

#include <gst/pbutils/missing-plugins.h>

#include <algorithm>
#include <string_view>

#include "isolation/engine_process.h"

namespace ovii2v {
namespace {

/// Whether a character moves a terminal's cursor or turns the direction of writing.
bool is_unseen(gunichar c) {
  return c < 0x20 || (c >= 0x7F && c <= 0x9F) || c == 0x061C || c == 0x200E || c == 0x200F ||
         (c >= 0x2028 && c <= 0x202E) || (c >= 0x2066 && c <= 0x2069);
}

/// Valid UTF-8 without control characters, of a few KB at most: what comes from files, networks
/// and other elements goes to terminals. `lines` keeps line feeds. The caller frees it.
gchar* plain(const std::string& text, bool lines) {
  constexpr size_t kMost = 4096;  // bytes
  g_autofree gchar* valid =
      g_utf8_make_valid(text.data(), static_cast<gssize>(std::min(text.size(), kMost + 4)));
  std::string result;
  for (const char* at = valid; *at; at = g_utf8_next_char(at)) {
    const gunichar c = g_utf8_get_char(at);
    const std::string_view bytes(at, static_cast<size_t>(g_utf8_next_char(at) - at));
    if (result.size() + bytes.size() > kMost) {
      result += "…";
      break;
    }
    if (c == '\n' && lines)
      result += '\n';
    else if (!is_unseen(c))
      result += bytes;
    else
      result += c == '\n' || c == '\r' || c == '\t' || c == 0x2028 || c == 0x2029 ? " " : "\uFFFD";
  }
  return g_strdup(result.c_str());
}

GstMessage* missing_message(GstElement* element, const Missing& missing) {
  switch (missing.kind) {
    case Missing::Kind::kUriSource:
      return gst_missing_uri_source_message_new(element, missing.what.c_str());
    case Missing::Kind::kNothing:
      break;
  }
  return nullptr;
}

}  // namespace

Failure from_engine(const ovi_error& error) {
  Failure failure{GST_LIBRARY_ERROR, GST_LIBRARY_ERROR_FAILED, error.message, error.detail};
  auto is = [&failure](GQuark domain, gint code) {
    failure.domain = domain;
    failure.code = code;
  };
  if (error.status == kWorkerDied) is(GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_FAILED);
  switch (error.status) {
    case OVI_NOT_FOUND:
      is(GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_NOT_FOUND);
      break;
    case OVI_NOT_AUTHORIZED:
      is(GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_NOT_AUTHORIZED);
      break;
    case OVI_OPEN_READ:
      is(GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_OPEN_READ);
      break;
    case OVI_READ:
      is(GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_READ);
      break;
    case OVI_FORMAT:
      is(GST_STREAM_ERROR, GST_STREAM_ERROR_FORMAT);
      break;
    case OVI_LIBRARY_INIT:
      is(GST_LIBRARY_ERROR, GST_LIBRARY_ERROR_INIT);
      break;
    case OVI_NO_SPACE:
      is(GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_NO_SPACE_LEFT);
      break;
    case OVI_SETTINGS:
      is(GST_LIBRARY_ERROR, GST_LIBRARY_ERROR_SETTINGS);
      break;
    case OVI_RANK_GONE:
      is(GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_FAILED);
      failure.lasting = true;
      break;
    case OVI_OK:
    case OVI_CANCELLED:
    case OVI_FAILED:
      break;
  }
  if (failure.message.empty()) failure.message = "The generation failed without saying why.";
  return failure;
}

Failure from_worker(const WorkerError& error) {
  ovi_error same{};
  same.status = error.status;
  Failure failure = from_engine(same);
  failure.message = error.message;
  failure.detail = error.detail;
  return failure;
}

Failure from_warning(const ovi_warning& warning) {
  Failure failure{GST_LIBRARY_ERROR, GST_LIBRARY_ERROR_SETTINGS,
                  warning.message ? warning.message : "", ""};
  static const char* const names[] = {"tags",     "no-audio",  "truncated",
                                      "settings", "no-speech", "style"};
  if (warning.code >= 0 && warning.code < static_cast<int>(G_N_ELEMENTS(names)))
    failure.detail = std::string("kind: ") + names[warning.code];
  if (warning.position >= 0)
    failure.detail += ", at byte " + std::to_string(warning.position) + " of the prompt";
  return failure;
}

// The core takes both strings and frees them.
void post_error(GstElement* element, const Failure& failure) {
  if (GstMessage* message = missing_message(element, failure.missing))
    gst_element_post_message(element, message);
  gst_element_message_full(element, GST_MESSAGE_ERROR, failure.domain, failure.code,
                           plain(failure.message, false), plain(failure.detail, true), __FILE__,
                           GST_FUNCTION, __LINE__);
}

void post_flow_error(GstElement* element, GstFlowReturn flow, const Failure& failure) {
  gst_element_message_full_with_details(
      element, GST_MESSAGE_ERROR, failure.domain, failure.code, plain(failure.message, false),
      plain(failure.detail, true), __FILE__, GST_FUNCTION, __LINE__,
      gst_structure_new("details", "flow-return", G_TYPE_INT, flow, nullptr));
}

void post_warning(GstElement* element, const Failure& failure) {
  gst_element_message_full(element, GST_MESSAGE_WARNING, failure.domain, failure.code,
                           plain(failure.message, false), plain(failure.detail, true), __FILE__,
                           GST_FUNCTION, __LINE__);
}

}  // namespace ovii2v
