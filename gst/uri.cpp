// Settings as an `ovi:` URI, and back.
// SPDX-License-Identifier: Apache-2.0
#include "uri.h"

#include <string.h>

#include <algorithm>
#include <cmath>
#include <set>
#include <string_view>

#include "gstovii2vsrc.h"

namespace ovii2v {
namespace {

/// What a picture may be and where it may come from is not for a URI to say.
constexpr const char* kRules[] = {"image-schemes", "image-folder", "isolation"};
constexpr const char* kShortModel = "model";

using Bad = GstURIError;

bool refuse(GError** error, Bad code, const std::string& message) {
  g_set_error_literal(error, GST_URI_ERROR, code, message.c_str());
  return false;
}

/// So that a long or strange name stays one readable line.
std::string shown(std::string_view text) {
  constexpr size_t kMost = 40;
  std::string out;
  for (const char one : text.substr(0, kMost)) out.push_back(g_ascii_isgraph(one) ? one : '?');
  if (text.size() > kMost) out.append("...");
  return out;
}

/// Percent-encoded UTF-8 without NUL.
std::optional<std::string> decode(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      out += text[i];
      continue;
    }
    if (i + 2 >= text.size() || !g_ascii_isxdigit(text[i + 1]) || !g_ascii_isxdigit(text[i + 2]))
      return std::nullopt;
    out += static_cast<char>(g_ascii_xdigit_value(text[i + 1]) * 16 +
                             g_ascii_xdigit_value(text[i + 2]));
    i += 2;
  }
  // Refuses a NUL too.
  if (!g_utf8_validate(out.data(), static_cast<gssize>(out.size()), nullptr)) return std::nullopt;
  return out;
}

std::string nicks(GParamSpecEnum* spec) {
  std::string all;
  for (guint i = 0; i < spec->enum_class->n_values; ++i) {
    if (i) all.append(", ");
    all.append(spec->enum_class->values[i].value_nick);
  }
  return all;
}

bool read_double(const std::string& text, double& number) {
  // Digits first: no blanks, "inf" or "nan".
  const char first = text.empty() ? ' ' : text[text[0] == '-'];
  char* end = nullptr;
  number = g_ascii_strtod(text.c_str(), &end);
  return (g_ascii_isdigit(first) || first == '.') && *end == '\0' && std::isfinite(number);
}

/// Fills `value` as `spec` says; what is wrong with `text` in words, empty when nothing is.
std::string read_value(GParamSpec* spec, const std::string& text, GValue* value) {
  g_value_init(value, spec->value_type);
  if (G_IS_PARAM_SPEC_STRING(spec)) {
    g_value_set_string(value, text.c_str());
    return {};
  }
  if (G_IS_PARAM_SPEC_BOOLEAN(spec)) {
    const bool yes = text == "true" || text == "yes" || text == "1";
    g_value_set_boolean(value, yes);
    return yes || text == "false" || text == "no" || text == "0" ? "" : "is neither true nor false";
  }
  if (auto* choice = G_IS_PARAM_SPEC_ENUM(spec) ? G_PARAM_SPEC_ENUM(spec) : nullptr) {
    const GEnumValue* one = g_enum_get_value_by_nick(choice->enum_class, text.c_str());
    if (one) g_value_set_enum(value, one->value);
    return one ? "" : "is none of " + nicks(choice);
  }
  g_autofree char* range = nullptr;
  bool good = false;
  if (auto* of = G_IS_PARAM_SPEC_UINT(spec) ? G_PARAM_SPEC_UINT(spec) : nullptr) {
    guint64 number = 0;
    good = g_ascii_string_to_unsigned(text.c_str(), 10, of->minimum, of->maximum, &number, nullptr);
    g_value_set_uint(value, static_cast<guint>(number));
    range = g_strdup_printf("%u to %u", of->minimum, of->maximum);
  } else if (auto* wide = G_IS_PARAM_SPEC_INT64(spec) ? G_PARAM_SPEC_INT64(spec) : nullptr) {
    gint64 number = 0;
    good =
        g_ascii_string_to_signed(text.c_str(), 10, wide->minimum, wide->maximum, &number, nullptr);
    g_value_set_int64(value, number);
    range =
        g_strdup_printf("%" G_GINT64_FORMAT " to %" G_GINT64_FORMAT, wide->minimum, wide->maximum);
  } else if (auto* real = G_IS_PARAM_SPEC_DOUBLE(spec) ? G_PARAM_SPEC_DOUBLE(spec) : nullptr) {
    double number = 0;
    good = read_double(text, number) && number >= real->minimum && number <= real->maximum;
    g_value_set_double(value, number);
    range = g_strdup_printf("%g to %g", real->minimum, real->maximum);
  } else {
    return "has no form as a text";
  }
  return good ? std::string() : std::string("is not a number from ") + range;
}

/// The property of the element's own class that a URI may set.
GParamSpec* find(GObjectClass* klass, const std::string& name, GError** error) {
  GParamSpec* spec =
      g_object_class_find_property(klass, name == kShortModel ? "model-path" : name.c_str());
  // GLib takes "model_path" too: one spelling here.
  const bool exact = spec && (name == kShortModel || name == spec->name);
  if (!exact || spec->owner_type != GST_TYPE_OVII2V_SRC) {
    refuse(error, GST_URI_ERROR_BAD_REFERENCE,
           "ovii2vsrc has no property \"" + shown(name) + "\" (in the ovi: URI).");
    return nullptr;
  }
  const bool rule = std::any_of(std::begin(kRules), std::end(kRules),
                                [&](const char* one) { return name == one; });
  if (rule || !(spec->flags & G_PARAM_WRITABLE) || G_IS_PARAM_SPEC_BOXED(spec)) {
    refuse(error, GST_URI_ERROR_BAD_REFERENCE,
           "An ovi: URI may not set \"" + name + "\": the application sets it on the element.");
    return nullptr;
  }
  return spec;
}

bool take(Settings& settings, GObjectClass* klass, std::string_view pair,
          std::set<std::string>& seen, GError** error) {
  const size_t equals = pair.find('=');
  if (equals == std::string_view::npos)
    return refuse(error, GST_URI_ERROR_BAD_URI,
                  "In the ovi: URI this is no name=value: " + shown(pair));
  const auto name = decode(pair.substr(0, equals));
  if (!name)
    return refuse(error, GST_URI_ERROR_BAD_URI,
                  "The name \"" + shown(pair.substr(0, equals)) +
                      "\" in the ovi: URI is no percent-encoded UTF-8.");
  GParamSpec* spec = find(klass, *name, error);
  if (!spec) return false;
  if (!seen.insert(spec->name).second)
    return refuse(error, GST_URI_ERROR_BAD_URI,
                  std::string("The ovi: URI has \"") + spec->name + "\" twice.");
  const auto text = decode(pair.substr(equals + 1));
  if (!text)
    return refuse(error, GST_URI_ERROR_BAD_URI,
                  "The value of \"" + *name + "\" in the ovi: URI is no percent-encoded UTF-8.");
  GValue value = G_VALUE_INIT;
  const std::string wrong = read_value(spec, *text, &value);
  if (wrong.empty()) settings.set(spec->param_id, &value);
  g_value_unset(&value);
  return wrong.empty() || refuse(error, GST_URI_ERROR_BAD_URI,
                                 "The value of \"" + *name + "\" in the ovi: URI " + wrong + ".");
}

std::string as_text(GParamSpec* spec, const GValue* value) {
  if (G_VALUE_HOLDS_STRING(value)) {
    const char* text = g_value_get_string(value);
    return text ? text : "";
  }
  if (auto* choice = G_IS_PARAM_SPEC_ENUM(spec) ? G_PARAM_SPEC_ENUM(spec) : nullptr)
    return g_enum_get_value(choice->enum_class, g_value_get_enum(value))->value_nick;
  if (G_VALUE_HOLDS_DOUBLE(value)) {
    char digits[G_ASCII_DTOSTR_BUF_SIZE];
    return g_ascii_dtostr(digits, sizeof digits, g_value_get_double(value));
  }
  g_autofree char* text = gst_value_serialize(value);
  return text ? text : "";
}

}  // namespace

std::optional<Settings> settings_from_uri(const char* uri, GObjectClass* klass, GError** error) {
  const size_t scheme = strlen(kUriScheme);
  if (g_ascii_strncasecmp(uri, kUriScheme, scheme) != 0 || uri[scheme] != ':') {
    refuse(error, GST_URI_ERROR_UNSUPPORTED_PROTOCOL, "ovii2vsrc opens ovi: URIs alone.");
    return std::nullopt;
  }
  std::string_view rest(uri + scheme + 1);
  const size_t query = rest.find('?');
  const std::string_view before = rest.substr(0, query);
  if (!before.empty() && before != "//" && before != "///") {
    refuse(error, GST_URI_ERROR_BAD_URI,
           "An ovi: URI begins with ovi:?prompt=..., not with " + shown(before));
    return std::nullopt;
  }
  rest = query == std::string_view::npos ? std::string_view() : rest.substr(query + 1);
  if (before.find('#') != std::string_view::npos || rest.find('#') != std::string_view::npos) {
    refuse(error, GST_URI_ERROR_BAD_URI, "An ovi: URI has no fragment: write %23 for a \"#\".");
    return std::nullopt;
  }
  Settings settings;
  std::set<std::string> seen;
  while (!rest.empty()) {
    const size_t end = std::min(rest.find('&'), rest.size());
    if (!take(settings, klass, rest.substr(0, end), seen, error)) return std::nullopt;
    if (end + 1 == rest.size()) {
      refuse(error, GST_URI_ERROR_BAD_URI, "The ovi: URI ends with \"&\".");
      return std::nullopt;
    }
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  return settings;
}

std::string uri_from_settings(const Settings& settings, GObjectClass* klass) {
  std::string uri = std::string(kUriScheme) + ":";
  const Settings defaults;
  char separator = '?';
  guint count = 0;
  g_autofree GParamSpec** specs = g_object_class_list_properties(klass, &count);
  for (guint i = 0; i < count; ++i) {
    GParamSpec* spec = specs[i];
    const bool rule = std::any_of(std::begin(kRules), std::end(kRules),
                                  [&](const char* one) { return g_str_equal(spec->name, one); });
    if (spec->owner_type != GST_TYPE_OVII2V_SRC || rule || G_IS_PARAM_SPEC_BOXED(spec)) continue;
    GValue value = G_VALUE_INIT, usual = G_VALUE_INIT;
    g_value_init(&value, spec->value_type);
    g_value_init(&usual, spec->value_type);
    if (settings.get(spec->param_id, &value) && defaults.get(spec->param_id, &usual) &&
        g_param_values_cmp(spec, &value, &usual) != 0) {
      const std::string text = as_text(spec, &value);
      // Bytes that are no UTF-8 are escaped as well.
      g_autofree char* escaped = g_uri_escape_string(text.c_str(), "/:,", FALSE);
      uri.append(1, separator).append(spec->name).append("=").append(escaped);
      separator = '&';
    }
    g_value_unset(&value);
    g_value_unset(&usual);
  }
  return uri;
}

}  // namespace ovii2v
