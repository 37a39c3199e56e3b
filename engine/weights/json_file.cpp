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

/// Called by the parser at each value and name, before it is kept.
class Watch {
 public:
  explicit Watch(const JsonLimits& limits) : limits_(limits) {}

  void see(int depth, Json::parse_event_t event, const Json& value) {
    switch (event) {
      case Json::parse_event_t::object_start:
        names_.emplace_back();
        [[fallthrough]];
      case Json::parse_event_t::array_start:
        if (depth >= limits_.depth) {
          throw JsonProblem("is nested too deeply (more than " + std::to_string(limits_.depth) +
                            " levels)");
        }
        break;
      case Json::parse_event_t::object_end:
        names_.pop_back();
        return;
      case Json::parse_event_t::array_end:
        return;
      case Json::parse_event_t::key:
        see_name(value.get_ref<const std::string&>());
        break;
      case Json::parse_event_t::value:
        break;
    }
    if (++values_ > limits_.values) {
      throw JsonProblem("holds more than " + std::to_string(limits_.values) + " values");
    }
  }

 private:
  void see_name(const std::string& name) {
    if (name.size() > kMaxNameBytes) {
      throw JsonProblem("has a name longer than " + std::to_string(kMaxNameBytes) + " bytes");
    }
    if (!names_.back().insert(name).second) throw JsonProblem("has '" + name + "' twice");
  }

  const JsonLimits& limits_;
  std::vector<std::unordered_set<std::string>> names_;  // of the objects that are open
  size_t values_ = 0;
};

void check_size(size_t bytes, const JsonLimits& limits) {
  if (bytes <= limits.bytes) return;
  throw JsonProblem("is too large: it has " + std::to_string(bytes) + " bytes, at most " +
                    std::to_string(limits.bytes) + " are read");
}

}  // namespace

std::string brief(const Json& value) { return shortened(ascii(value), kShown); }

Json parse_json(std::string_view text, const JsonLimits& limits) {
  check_size(text.size(), limits);
  Watch watch(limits);
  try {
    return Json::parse(text.begin(), text.end(),
                       [&](int depth, Json::parse_event_t event, const Json& value) {
                         watch.see(depth, event, value);
                         return true;
                       });
  } catch (const Json::parse_error& error) {
    throw JsonProblem("is not JSON (at byte " + std::to_string(error.byte) + ")",
                      shortened(error.what(), kLogged));
  } catch (const Json::exception& error) {  // a number past every type
    throw JsonProblem("is not JSON", shortened(error.what(), kLogged));
  }
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
