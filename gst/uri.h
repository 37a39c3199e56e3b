// Settings as an `ovi:` URI, and back.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <gst/gst.h>

#include <optional>
#include <string>

#include "settings.h"

namespace ovii2v {

constexpr const char* kUriScheme = "ovi";

/// `ovi:?name=value&name=value...`: the names are those of the properties (and `model` for
/// `model-path`), the values percent-encoded UTF-8; `+` is a plus. What is not named is as it is
/// by default. Nothing with `error` set (domain GST_URI_ERROR): BAD_URI for what is malformed,
/// BAD_REFERENCE for a name that does not exist or that no URI may set. A message names the
/// parameter, and never shows a text that was its value.
///
/// A URI may come from a stranger, so it sets none of the rules by which pictures are fetched:
/// they are the application's, and hold for the URI's picture too.
std::optional<Settings> settings_from_uri(const char* uri, GObjectClass* klass, GError** error);

/// The URI that gives `settings`: it names what is not as by default. A picture in memory has no
/// place in it.
std::string uri_from_settings(const Settings& settings, GObjectClass* klass);

}  // namespace ovii2v
