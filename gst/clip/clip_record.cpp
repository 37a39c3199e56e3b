// What a clip was made from, as a structure, and as a text that lies in files.
// SPDX-License-Identifier: Apache-2.0
#include "clip/clip_record.h"

#include <algorithm>
#include <optional>

#include "clip/flat_json.h"
#include "engine/model_paths.h"

namespace ovii2v {
namespace {

constexpr const char* kStructure = "ovii2v-clip-record";
constexpr const char* kVersionName = "ovii2v";
/// How a text begins.
constexpr std::string_view kMark = "{\"ovii2v\":";

struct Name {
  const char* name;
  GType type;
  bool needed;
};

/// In the order of the text.
constexpr Name kNames[] = {
    {kVersionName, G_TYPE_UINT, true},
    {"prompt", G_TYPE_STRING, true},
    {"video-negative-prompt", G_TYPE_STRING, true},
    {"audio-negative-prompt", G_TYPE_STRING, true},
    {"seed", G_TYPE_INT64, true},
    {"steps", G_TYPE_UINT, true},
    {"shift", G_TYPE_DOUBLE, true},
    {"solver", G_TYPE_STRING, true},
    {"video-guidance-scale", G_TYPE_DOUBLE, true},
    {"audio-guidance-scale", G_TYPE_DOUBLE, true},
    {"slg-layer", G_TYPE_UINT, true},
    {"acceleration", G_TYPE_STRING, true},
    {"image", G_TYPE_STRING, false},
    {"image-digest", G_TYPE_STRING, false},
    {"image-width", G_TYPE_UINT, false},
    {"image-height", G_TYPE_UINT, false},
    {"asked-width", G_TYPE_UINT, false},
    {"asked-height", G_TYPE_UINT, false},
    {"clip", G_TYPE_UINT64, true},
    {"continuity", G_TYPE_STRING, true},
    {"width", G_TYPE_UINT, true},
    {"height", G_TYPE_UINT, true},
    {"frames", G_TYPE_UINT, true},
    {"samples", G_TYPE_UINT, true},
    {"variant", G_TYPE_STRING, true},
    {"device", G_TYPE_STRING, true},
    {"devices", G_TYPE_STRING, false},
    {"precision", G_TYPE_STRING, true},
    {"memory", G_TYPE_STRING, true},
    {"model", G_TYPE_STRING, false},
    {"model-files", G_TYPE_STRING, false},
    {"lora", G_TYPE_STRING, false},
    {"lora-digests", G_TYPE_STRING, false},
    {"plugin-version", G_TYPE_STRING, true},
    {"engine-version", G_TYPE_STRING, true},
};

template <typename Enum, size_t N>
const char* nick(const char* const (&nicks)[N], Enum value) {
  return nicks[std::min(static_cast<size_t>(value), N - 1)];
}

FlatValue flat(const GValue* value) {
  switch (G_VALUE_TYPE(value)) {
    case G_TYPE_UINT:
      return int64_t{g_value_get_uint(value)};
    case G_TYPE_INT64:
      return static_cast<int64_t>(g_value_get_int64(value));
    case G_TYPE_UINT64:
      return static_cast<int64_t>(g_value_get_uint64(value));
    case G_TYPE_DOUBLE:
      return g_value_get_double(value);
    default:
      return std::string(g_value_get_string(value));
  }
}

/// False: the value is not of the type, or not in its range.
bool set(GstStructure* record, const Name& name, const FlatValue& value) {
  const auto* text = std::get_if<std::string>(&value);
  const auto* integer = std::get_if<int64_t>(&value);
  const auto* real = std::get_if<double>(&value);
  if (name.type == G_TYPE_STRING && text) {
    gst_structure_set(record, name.name, G_TYPE_STRING, text->c_str(), nullptr);
  } else if (name.type == G_TYPE_DOUBLE && (real || integer)) {
    gst_structure_set(record, name.name, G_TYPE_DOUBLE,
                      real ? *real : static_cast<double>(*integer), nullptr);
  } else if (name.type == G_TYPE_UINT && integer && *integer >= 0 && *integer <= G_MAXUINT) {
    gst_structure_set(record, name.name, G_TYPE_UINT, static_cast<guint>(*integer), nullptr);
  } else if (name.type == G_TYPE_INT64 && integer && *integer >= 0) {
    gst_structure_set(record, name.name, G_TYPE_INT64, *integer, nullptr);
  } else if (name.type == G_TYPE_UINT64 && integer && *integer >= 0) {
    gst_structure_set(record, name.name, G_TYPE_UINT64, static_cast<guint64>(*integer), nullptr);
  } else {
    return false;
  }
  return true;
}

/// What GStreamer's Matroska muxer writes, and other programs read there: in quotes, and a
/// backslash before whatever is neither letter nor digit.
std::string without_quotes(std::string_view text) {
  std::string out;
  for (size_t at = 1; at < text.size() && text[at] != '"'; ++at) {
    if (text[at] == '\\' && ++at == text.size()) break;
    out += text[at];
  }
  return out;
}

/// The record that begins at `text`; `used` as of read_flat_json().
GstStructure* read(std::string_view text, size_t& used, std::string& problem) {
  FlatObject object;
  if (!read_flat_json(text, object, used, problem)) {
    problem = "The record of the clip " + problem + ".";
    return nullptr;
  }
  GstStructure* record = gst_structure_new_empty(kStructure);
  auto refuse = [&](const std::string& why) {
    problem = "The record of the clip " + why + ".";
    gst_structure_free(record);
    return nullptr;
  };
  for (const auto& member : object) {
    const auto* known = std::find_if(std::begin(kNames), std::end(kNames), [&](const Name& one) {
      return member.first == one.name;
    });
    if (known != std::end(kNames) && !set(record, *known, member.second))
      return refuse("has a \"" + std::string(known->name) + "\" that is no such value");
  }
  guint version = 0;
  gst_structure_get_uint(record, kVersionName, &version);
  if (version > kRecordVersion)
    return refuse("is of version " + std::to_string(version) + ", and " +
                  std::to_string(kRecordVersion) + " is the newest known here: update ovii2vsrc");
  for (const Name& one : kNames)
    if (one.needed && !gst_structure_has_field(record, one.name))
      return refuse(std::string("lacks \"") + one.name + "\"");
  return record;
}

}  // namespace

GstStructure* clip_record(const Settings& settings, const ovi_plan& plan,
                          const ClipSource& source) {
  static const char* const solvers[] = {"unipc", "dpm++", "euler"};
  static const char* const accelerations[] = {"none", "balanced", "fast"};
  static const char* const memories[] = {"auto", "resident", "offload", "stream"};
  static const char* const continuities[] = {"none", "last-frame"};
  FlatObject values;
  auto add = [&values](const char* name, FlatValue value) {
    values.emplace_back(name, std::move(value));
  };
  add(kVersionName, int64_t{kRecordVersion});
  add("prompt", settings.prompt.value_or(""));
  add("video-negative-prompt", settings.video_negative_prompt);
  add("audio-negative-prompt", settings.audio_negative_prompt);
  add("seed", source.seed);
  add("steps", int64_t{settings.steps});
  add("shift", settings.shift);
  add("solver", nick(solvers, settings.solver));
  add("video-guidance-scale", settings.video_guidance_scale);
  add("audio-guidance-scale", settings.audio_guidance_scale);
  add("slg-layer", int64_t{settings.slg_layer});
  add("acceleration", nick(accelerations, settings.acceleration));
  if (!source.image.empty()) {
    add("image", source.image);
    add("image-digest", source.image_digest);
    add("image-width", int64_t{source.image_width});
    add("image-height", int64_t{source.image_height});
  } else {
    add("asked-width", int64_t{settings.width});
    add("asked-height", int64_t{settings.height});
  }
  add("clip", static_cast<int64_t>(source.clip));
  add("continuity", nick(continuities, settings.continuity));
  add("width", int64_t{plan.width});
  add("height", int64_t{plan.height});
  add("frames", int64_t{plan.frames});
  add("samples", int64_t{plan.samples});
  add("variant", plan.variant_name);
  add("device", plan.device);
  if (!settings.devices.empty()) add("devices", settings.devices);
  add("precision", plan.precision);
  add("memory", nick(memories, settings.memory));
  if (settings.model_path) {
    std::string names;
    for (const std::string& path : model_paths(*settings.model_path)) {
      g_autofree char* whole = g_canonicalize_filename(path.c_str(), nullptr);
      g_autofree char* name = g_path_get_basename(whole);
      if (!names.empty()) names.append(":");
      names.append(name);
    }
    add("model", printable_line(names));
  }
  if (!source.model_files.empty()) add("model-files", source.model_files);
  if (settings.lora) {
    add("lora", *settings.lora);
    add("lora-digests", source.lora_digests);
  }
  add("plugin-version", source.plugin);
  add("engine-version", source.engine);

  GstStructure* record = gst_structure_new_empty(kStructure);
  for (const auto& [name, value] : values)
    for (const Name& one : kNames)
      if (name == one.name) set(record, one, value);
  return record;
}

std::string text_of_record(const GstStructure* record) {
  FlatObject object;
  for (const Name& one : kNames)
    if (const GValue* value = gst_structure_get_value(record, one.name))
      object.emplace_back(one.name, flat(value));
  return write_flat_json(object);
}

GstStructure* record_of_text(std::string_view text, std::string& problem) {
  std::string unwrapped;
  if (!text.empty() && text[0] == '"') text = unwrapped = without_quotes(text);
  const size_t begin = text.find(kMark);
  if (begin == std::string_view::npos) {
    problem = "This is no record of a clip of ovii2vsrc.";
    return nullptr;
  }
  size_t used = 0;
  return read(text.substr(begin), used, problem);
}

std::vector<GstStructure*> records_of_tags(const GstTagList* tags) {
  std::vector<GstStructure*> records;
  const guint count = gst_tag_list_get_tag_size(tags, GST_TAG_COMMENT);
  for (guint i = 0; i < count; ++i) {
    const gchar* comment = nullptr;
    if (!gst_tag_list_peek_string_index(tags, GST_TAG_COMMENT, i, &comment)) continue;
    std::string_view text = comment;
    std::string unwrapped, problem;
    if (!text.empty() && text[0] == '"') text = unwrapped = without_quotes(text);
    // A muxer may have put several comments into one.
    for (size_t at = text.find(kMark); at != std::string_view::npos; at = text.find(kMark, at)) {
      size_t used = 0;
      if (GstStructure* record = read(text.substr(at), used, problem)) records.push_back(record);
      at += std::max(used, kMark.size());
    }
  }
  return records;
}

}  // namespace ovii2v
