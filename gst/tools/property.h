// Settings of the element as a user writes them: NAME=VALUE.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <gst/gst.h>

#include <memory>
#include <string>
#include <vector>

namespace ovii2v::tools {

/// A value for a property; it is one that the property takes.
class Setting {
 public:
  Setting(std::string name, const GValue& value);
  const std::string& name() const { return name_; }
  void apply(GObject* object) const { g_object_set_property(object, name_.c_str(), value_.get()); }
  /// As the property has it now.
  static Setting of(GObject* object, const std::string& name);
  const GValue& value() const { return *value_; }

 private:
  std::string name_;
  std::shared_ptr<GValue> value_;
};

/// Properties that can be set from a text, sorted.
std::vector<std::string> settable(GObjectClass* klass);

/// Reads `text` as a value of the property `name` ('_' for '-' is fine) and appends it to
/// `settings`. Else returns what is wrong, in a sentence that names the property and the values
/// that it takes. Strings are taken as they are.
std::string read_setting(GObjectClass* klass, const std::string& name, const std::string& text,
                         std::vector<Setting>& settings);
/// The same of "NAME=VALUE".
std::string read_setting(GObjectClass* klass, const std::string& assignment,
                         std::vector<Setting>& settings);

/// "auto, 720x720-5s, ...", "1 to 1000", "a text": what the property takes.
std::string values_of(GParamSpec* spec);

}  // namespace ovii2v::tools
