// Settings of the element as a user writes them: NAME=VALUE.
// SPDX-License-Identifier: Apache-2.0
#include "property.h"

#include <algorithm>

#include "words.h"

namespace ovii2v::tools {
namespace {

/// Whether a text can say a value of that type.
bool is_settable(const GParamSpec* spec) {
  if (!(spec->flags & G_PARAM_WRITABLE) || (spec->flags & G_PARAM_CONSTRUCT_ONLY)) return false;
  if (spec->owner_type == GST_TYPE_OBJECT) return false;  // the element's name
  const GType type = spec->value_type;
  return type == G_TYPE_STRING || G_TYPE_IS_ENUM(type) || G_TYPE_IS_FLAGS(type) ||
         type == G_TYPE_BOOLEAN || type == G_TYPE_INT || type == G_TYPE_UINT ||
         type == G_TYPE_INT64 || type == G_TYPE_UINT64 || type == G_TYPE_DOUBLE ||
         type == G_TYPE_FLOAT;
}

std::string number(double value) {
  char buffer[G_ASCII_DTOSTR_BUF_SIZE];
  return g_ascii_formatd(buffer, sizeof buffer, "%g", value);
}

template <typename Number>
std::string range(Number least, Number most, Number endless) {
  if (most == endless) return "a whole number from " + std::to_string(least) + " on";
  return "a whole number from " + std::to_string(least) + " to " + std::to_string(most);
}

std::string with_hyphens(std::string name) {
  std::replace(name.begin(), name.end(), '_', '-');
  return name;
}

/// gst_value_deserialize() reads "4.5" as 4 for some types, and numbers in units of its own.
bool read_number(GParamSpec* spec, const char* text, GValue* value) {
  g_autoptr(GError) error = nullptr;
  gint64 whole = 0;
  guint64 positive = 0;
  gchar* end = nullptr;
  double fraction = 0;
  switch (spec->value_type) {
    case G_TYPE_INT:
      if (!g_ascii_string_to_signed(text, 10, G_MININT, G_MAXINT, &whole, &error)) return false;
      g_value_set_int(value, static_cast<gint>(whole));
      return true;
    case G_TYPE_UINT:
      if (!g_ascii_string_to_unsigned(text, 10, 0, G_MAXUINT, &positive, &error)) return false;
      g_value_set_uint(value, static_cast<guint>(positive));
      return true;
    case G_TYPE_INT64:
      if (!g_ascii_string_to_signed(text, 10, G_MININT64, G_MAXINT64, &whole, &error)) return false;
      g_value_set_int64(value, whole);
      return true;
    case G_TYPE_UINT64:
      if (!g_ascii_string_to_unsigned(text, 10, 0, G_MAXUINT64, &positive, &error)) return false;
      g_value_set_uint64(value, positive);
      return true;
    case G_TYPE_FLOAT:
    case G_TYPE_DOUBLE:
      if (!g_ascii_isdigit(*text) && *text != '-' && *text != '+' && *text != '.') return false;
      fraction = g_ascii_strtod(text, &end);
      if (end == text || *end) return false;
      if (spec->value_type == G_TYPE_FLOAT)
        g_value_set_float(value, static_cast<gfloat>(fraction));
      else
        g_value_set_double(value, fraction);
      return true;
    default:
      return gst_value_deserialize(value, text);
  }
}

}  // namespace

Setting::Setting(std::string name, const GValue& value)
    : name_(std::move(name)), value_(new GValue(G_VALUE_INIT), [](GValue* old) {
        g_value_unset(old);
        delete old;
      }) {
  g_value_init(value_.get(), G_VALUE_TYPE(&value));
  g_value_copy(&value, value_.get());
}

Setting Setting::of(GObject* object, const std::string& name) {
  GParamSpec* spec = g_object_class_find_property(G_OBJECT_GET_CLASS(object), name.c_str());
  g_auto(GValue) value = G_VALUE_INIT;
  g_value_init(&value, spec->value_type);
  g_object_get_property(object, name.c_str(), &value);
  return {name, value};
}

std::vector<std::string> settable(GObjectClass* klass) {
  std::vector<std::string> names;
  guint count = 0;
  g_autofree GParamSpec** specs = g_object_class_list_properties(klass, &count);
  for (guint i = 0; i < count; ++i)
    if (is_settable(specs[i])) names.emplace_back(specs[i]->name);
  std::sort(names.begin(), names.end());
  return names;
}

std::string values_of(GParamSpec* spec) {
  if (G_TYPE_IS_ENUM(spec->value_type)) {
    std::string names;
    const GEnumClass* values = G_PARAM_SPEC_ENUM(spec)->enum_class;
    for (guint i = 0; i < values->n_values; ++i)
      names += std::string(i ? ", " : "") + values->values[i].value_nick;
    return "one of " + names;
  }
  switch (spec->value_type) {
    case G_TYPE_INT:
      return range(G_PARAM_SPEC_INT(spec)->minimum, G_PARAM_SPEC_INT(spec)->maximum, G_MAXINT);
    case G_TYPE_UINT: {
      const auto* of = G_PARAM_SPEC_UINT(spec);
      return range(of->minimum, of->maximum, of->maximum >= G_MAXINT ? of->maximum : G_MAXUINT);
    }
    case G_TYPE_INT64:
      return range(G_PARAM_SPEC_INT64(spec)->minimum, G_PARAM_SPEC_INT64(spec)->maximum,
                   gint64{G_MAXINT64});
    case G_TYPE_UINT64:
      return range(G_PARAM_SPEC_UINT64(spec)->minimum, G_PARAM_SPEC_UINT64(spec)->maximum,
                   guint64{G_MAXUINT64});
    case G_TYPE_FLOAT:
      return "a number from " + number(G_PARAM_SPEC_FLOAT(spec)->minimum) + " to " +
             number(G_PARAM_SPEC_FLOAT(spec)->maximum);
    case G_TYPE_DOUBLE:
      return "a number from " + number(G_PARAM_SPEC_DOUBLE(spec)->minimum) + " to " +
             number(G_PARAM_SPEC_DOUBLE(spec)->maximum);
    case G_TYPE_BOOLEAN:
      return "true or false";
    default:
      return "a text";
  }
}

std::string read_setting(GObjectClass* klass, const std::string& asked, const std::string& text,
                         std::vector<Setting>& settings) {
  const std::string name = with_hyphens(asked);
  GParamSpec* spec = g_object_class_find_property(klass, name.c_str());
  if (!spec || !is_settable(spec)) {
    if (spec && spec->owner_type != GST_TYPE_OBJECT)
      return "The property \"" + name + "\" of ovii2vsrc cannot be set" +
             (spec->flags & G_PARAM_WRITABLE ? " from a text." : ": it can only be read.");
    const std::string meant = nearest(name, settable(klass));
    return "ovii2vsrc has no property \"" + shown(name) + "\"" +
           (meant.empty() ? ". gst-inspect-1.0 ovii2vsrc lists all."
                          : ". Is \"" + meant + "\" meant?");
  }
  g_auto(GValue) value = G_VALUE_INIT;
  g_value_init(&value, spec->value_type);
  bool good = true;
  if (spec->value_type == G_TYPE_STRING) {
    g_value_set_string(&value, text.c_str());
  } else {
    // Validating changes a value that is not allowed into one that is.
    good = read_number(spec, text.c_str(), &value) && !g_param_value_validate(spec, &value);
  }
  if (!good)
    return "The property \"" + name + "\" takes " + values_of(spec) + ", not \"" + shown(text) +
           "\".";
  settings.emplace_back(name, value);
  return {};
}

std::string read_setting(GObjectClass* klass, const std::string& assignment,
                         std::vector<Setting>& settings) {
  const size_t equals = assignment.find('=');
  if (equals == std::string::npos || equals == 0)
    return shown(assignment) + " is no PROPERTY=VALUE.";
  return read_setting(klass, assignment.substr(0, equals), assignment.substr(equals + 1), settings);
}

}  // namespace ovii2v::tools
