// Strict, so that a misspelt field is an error and not a clip of another size.
// SPDX-License-Identifier: Apache-2.0
#include "weights/model_settings.h"

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <initializer_list>
#include <nlohmann/json.hpp>
#include <string_view>
#include <system_error>

#include "runtime/error.h"
#include "weights/json_file.h"

namespace ovi {

namespace {

using Json = nlohmann::json;

class Reader {
 public:
  explicit Reader(const std::string& path) : path_(path) {}

  [[noreturn]] void refuse(const std::string& field, const Json& value,
                           const std::string& needed) const {
    throw Error(ErrorKind::kFormat,
                "'" + path_ + "': " + field + " is " + brief(value) + ", but " + needed + ".");
  }

  const Json* section(const Json& parent, const std::string& name,
                      std::initializer_list<std::string_view> fields) const {
    if (!parent.is_object()) refuse("the whole", parent, "an object is needed");
    const auto found = parent.find(name);
    if (found == parent.end()) return nullptr;
    check_fields(*found, name, fields);
    return &*found;
  }

  void check_fields(const Json& object, const std::string& name,
                    std::initializer_list<std::string_view> fields) const {
    if (!object.is_object()) refuse(name, object, "an object is needed");
    for (const auto& [key, value] : object.items()) {
      if (std::find(fields.begin(), fields.end(), key) != fields.end()) continue;
      std::string known;
      for (const std::string_view field : fields) {
        known += (known.empty() ? "" : ", ") + std::string(field);
      }
      throw Error(ErrorKind::kFormat, "'" + path_ + "' has an unknown field '" +
                                          (name.empty() ? "" : name + ".") + brief_name(key) +
                                          "'; known here: " + known + ".");
    }
  }

  std::optional<int64_t> natural(const Json* parent, const std::string& prefix, const char* name,
                                 int64_t least, int64_t most = INT64_MAX) const {
    if (!parent || !parent->contains(name)) return std::nullopt;
    const Json& value = (*parent)[name];
    if (!value.is_number_unsigned() || value.get<uint64_t>() < static_cast<uint64_t>(least) ||
        value.get<uint64_t>() > static_cast<uint64_t>(most)) {
      refuse(prefix + name, value,
             "a whole number from " + std::to_string(least) +
                 (most < INT64_MAX ? " to " + std::to_string(most) : "") + " is needed");
    }
    return value.get<int64_t>();
  }

 private:
  const std::string& path_;
};

}  // namespace

ModelSettings read_model_settings(const std::string& path) {
  std::error_code ignored;
  // A link that leads nowhere or to itself is there, and an error.
  using std::filesystem::file_type;
  if (std::filesystem::symlink_status(path, ignored).type() == file_type::not_found) return {};
  constexpr int64_t kMinArea = 32 * 32;
  constexpr double kMinScaling = 0.001, kMaxScaling = 1000;  // the published one is 0.19676
  const Reader reader(path);
  const Json json = read_json(path);
  reader.check_fields(json, "", {"variant", "fusion"});
  const Json* variant =
      reader.section(json, "variant", {"name", "area", "video_latents", "audio_latents"});
  const Json* fusion = reader.section(json, "fusion", {"num_heads", "audio_rope_scaling"});

  ModelSettings settings;
  if (variant && variant->contains("name")) {
    const Json& name = (*variant)["name"];
    if (!name.is_string()) reader.refuse("variant.name", name, "a text is needed");
    settings.variant_name = name.get<std::string>();
  }
  settings.area = reader.natural(variant, "variant.", "area", kMinArea);
  settings.video_latents = reader.natural(variant, "variant.", "video_latents", 1);
  settings.audio_latents = reader.natural(variant, "variant.", "audio_latents", 1);
  settings.num_heads = reader.natural(fusion, "fusion.", "num_heads", 1, 1024);
  if (fusion && fusion->contains("audio_rope_scaling")) {
    const Json& value = (*fusion)["audio_rope_scaling"];
    if (!value.is_number() || !(value.get<double>() >= kMinScaling) ||
        value.get<double>() > kMaxScaling) {
      reader.refuse("fusion.audio_rope_scaling", value, "a number from 0.001 to 1000 is needed");
    }
    settings.audio_rope_scaling = value.get<double>();
  }
  return settings;
}

}  // namespace ovi
