// SPDX-License-Identifier: Apache-2.0
#include "sampling/magnitude_file.h"

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>
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

  Json parse() const {
    std::error_code unknown;
    if (std::filesystem::file_size(path_, unknown) == 0 && !unknown) refuse("it is empty");
    return read_json(path_, kWayOut);
  }

  [[noreturn]] void refuse(const std::string& problem) const {
    throw Error(ErrorKind::kFormat, "'" + path_ + "': " + problem + ". " + kWayOut);
  }

  void check_object(const Json& value, const std::string& name,
                    std::initializer_list<std::string_view> fields) const {
    if (!value.is_object()) refuse(brief_name(name) + " must be an object, not " + brief(value));
    for (const auto& [key, ignored] : value.items()) {
      if (std::find(fields.begin(), fields.end(), key) == fields.end()) {
        refuse("unknown field '" + brief_name(name) + "." + brief_name(key) + "'");
      }
    }
  }

  std::vector<double> numbers(const Json& parent, const std::string& prefix,
                              const char* name) const {
    const auto found = parent.find(name);
    const std::string full = prefix + "." + name;
    if (found == parent.end()) refuse(full + " is missing");
    if (!found->is_array()) refuse(full + " must be a list of numbers");
    std::vector<double> values;
    for (const Json& value : *found) {
      if (!value.is_number()) refuse(full + " holds " + brief(value) + ", which is no number");
      values.push_back(value.get<double>());
    }
    return values;
  }

  MagnitudeTable table(const Json& entry, const std::string& variant) const {
    check_object(entry, variant, {"about", "timesteps", "video", "audio"});
    MagnitudeRatios measured;
    measured.timesteps = numbers(entry, variant, "timesteps");
    size_t curve = 0;
    for (const char* stream : {"video", "audio"}) {
      const std::string prefix = variant + "." + stream;
      if (!entry.contains(stream)) refuse(prefix + " is missing");
      check_object(entry[stream], prefix, {"positive", "negative"});
      for (const char* pass : {"positive", "negative"}) {
        measured.ratios[curve++] = numbers(entry[stream], prefix, pass);
      }
    }
    try {
      // By its name alone: this goes into a sentence of limited length.
      const std::string name = std::filesystem::path(path_).filename().string();
      return MagnitudeTable(measured, name + ", " + variant);
    } catch (const Error& error) {
      throw Error(error.kind(), "'" + path_ + "': " + error.what() + " " + kWayOut);
    }
  }

 private:
  static constexpr const char* kWayOut =
      "Make it anew with ovi-bench --calibrate, or remove it: then a built-in table is used.";

  const std::string& path_;
};

}  // namespace

std::optional<MagnitudeTable> read_magnitudes(const std::string& path, const std::string& variant) {
  const Reader reader(path);
  const Json json = reader.parse();
  if (!json.is_object()) reader.refuse("an object is needed, with one field a variant");
  std::optional<MagnitudeTable> wanted;
  for (const auto& [name, entry] : json.items()) {
    const MagnitudeTable table = reader.table(entry, brief_name(name));
    if (name == variant) wanted = table;
  }
  return wanted;
}

void write_magnitudes(const std::string& path, const std::string& variant,
                      const MagnitudeRatios& measured, const std::string& about) {
  const MagnitudeTable checked(measured, "this run");
  Json json = Json::object();
  std::error_code ignored;
  if (std::filesystem::exists(path, ignored)) {
    read_magnitudes(path, variant);  // refuses to write over something else
    json = Reader(path).parse();
  }
  json[variant] = {{"about", about},
                   {"timesteps", measured.timesteps},
                   {"video", {{"positive", measured.ratios[0]}, {"negative", measured.ratios[1]}}},
                   {"audio", {{"positive", measured.ratios[2]}, {"negative", measured.ratios[3]}}}};
  const std::string text = json.dump(1) + "\n";
  // Beside it first: a half-written file would be refused by the next engine.
  const std::string beside = path + ".part";
  std::ofstream file(beside, std::ios::trunc);
  file << text;
  file.close();
  if (file) std::filesystem::rename(beside, path, ignored);
  if (!file || ignored) throw Error(ErrorKind::kFailed, "Cannot write '" + path + "'.");
}

}  // namespace ovi
