// From the value of the property "image" to an element that reads its bytes.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <gst/gst.h>

#include <optional>
#include <string>

#include "messages.h"

namespace ovii2v {

/// What is known without reading: a local file, the form of a data: URI, and whether all
/// elements are installed that reading it takes.
std::optional<Failure> check_image_location(const std::string& location);

/// A floating element that reading images takes, or null with `failure` set.
GstElement* make_image_element(const char* factory, std::optional<Failure>& failure);

/// A floating source element for a path or URI; `name` is what messages call it.
/// Null with `failure` set when it does not exist or may not be read.
GstElement* make_image_source(const std::string& location, std::string& name,
                              std::optional<Failure>& failure);

}  // namespace ovii2v
