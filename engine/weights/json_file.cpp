// The library's parser uses no stack for what is nested, but most of what is done with its values
// does; and it keeps the last of several members of one name.
// SPDX-License-Identifier: Apache-2.0
#include "weights/json_file.h"

#include <nlohmann/json.hpp>
#include <unordered_set>
#include <vector>

#include "runtime/error.h"
#include "weights/mapped_file.h"

namespace ovi {

namespace {

using Json = nlohmann::json;

constexpr size_t kMaxNameBytes = 1024;
constexpr size_t kShown = 80;    // characters of a value
constexpr size_t kLogged = 300;  // bytes of the library's own words, which repeat the text

std::string shortened(std::string text, size_t most) {
  if (text.size() > most) text.replace(most - 3, std::string::npos, "...");
  return text;
}

std::string ascii(const Json& value) {
  return value.dump(-1, ' ', /*ensure_ascii=*/true, Json::error_handler_t::replace);
}

/// What the parser says as it goes; nothing is kept before this has seen all of it. (The
/// parser's own callback looks through all earlier members of an object at the end of each.)
class Watch final : public nlohmann::json_sax<Json> {
 public:
  explicit Watch(const JsonLimits& limits) : limits_(limits) {}

  bool null() override { return count(); }
  bool boolean(bool) override { return count(); }
  bool number_integer(int64_t) override { return count(); }
  bool number_unsigned(uint64_t) override { return count(); }
  bool number_float(double, const std::string&) override { return count(); }
  bool string(std::string&) override { return count(); }
  bool binary(Json::binary_t&) override { return count(); }
  bool start_object(size_t) override {
    names_.emplace_back();
    return enter();
  }
  bool end_object() override {
    names_.pop_back();
    return leave();
  }
  bool start_array(size_t) override { return enter(); }
  bool end_array() override { return leave(); }
  bool key(std::string& name) override {
    if (name.size() > kMaxNameBytes) {
      throw JsonProblem("has a name longer than " + std::to_string(kMaxNameBytes) + " bytes");
    }
    if (!names_.back().insert(name).second)
      throw JsonProblem("has '" + brief_name(name) + "' twice");
    return count();
  }
  bool parse_error(size_t position, const std::string&, const Json::exception& error) override {
    throw JsonProblem("is not JSON (at byte " + std::to_string(position) + ")",
                      shortened(error.what(), kLogged));
  }

 private:
  bool enter() {
    if (++depth_ > limits_.depth) {
      throw JsonProblem("is nested too deeply (more than " + std::to_string(limits_.depth) +
                        " levels)");
    }
    return count();
  }
  bool leave() {
    --depth_;
    return true;
  }
  bool count() {
    if (++values_ > limits_.values) {
      throw JsonProblem("holds more than " + std::to_string(limits_.values) + " values");
    }
    return true;
  }

  const JsonLimits& limits_;
  std::vector<std::unordered_set<std::string>> names_;  // of the objects that are open
  int depth_ = 0;
  size_t values_ = 0;
};

void check_size(size_t bytes, const JsonLimits& limits) {
  if (bytes <= limits.bytes) return;
  throw JsonProblem("is too large: it has " + std::to_string(bytes) + " bytes, at most " +
                    std::to_string(limits.bytes) + " are read");
}

}  // namespace

std::string brief(const Json& value) { return shortened(ascii(value), kShown); }

std::string brief_name(const std::string& name) {
  const std::string quoted = ascii(Json(name));
  return shortened(quoted.substr(1, quoted.size() - 2), kShown);
}

Json parse_json(std::string_view text, const JsonLimits& limits) {
  check_size(text.size(), limits);
  Watch watch(limits);
  Json::sax_parse(text.begin(), text.end(), &watch);
  return Json::parse(text.begin(), text.end());
}

Json read_json(const std::string& path, const std::string& way_out, const JsonLimits& limits) {
  const auto file = MappedFile::open(path);
  try {
    check_size(file->size(), limits);
    std::string text(file->size(), '\0');
    file->read(0, text.data(), text.size());
    return parse_json(text, limits);
  } catch (const JsonProblem& problem) {
    const std::string tail = way_out.empty() ? "" : " " + way_out;
    throw Error(ErrorKind::kFormat, "'" + path + "' " + problem.what() + "." + tail,
                problem.detail());
  }
}

}  // namespace ovi
