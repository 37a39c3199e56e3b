// What a clip was made from, as its file says, and whether that is still here.
// SPDX-License-Identifier: Apache-2.0
#include "record.h"

#include <gst/pbutils/pbutils.h>

#include <algorithm>
#include <atomic>
#include <optional>

#include "clip/clip_record.h"
#include "engine/lora.h"
#include "picture/picture.h"
#include "plugin.h"
#include "words.h"

namespace ovii2v::tools {
namespace {

constexpr double kFrameRate = 24;  // frames per second
constexpr GstClockTime kLongestLook = 10 * GST_SECOND;

/// Recorded by the name of the property that they are set by.
constexpr const char* kSame[] = {"prompt",
                                 "video-negative-prompt",
                                 "audio-negative-prompt",
                                 "seed",
                                 "steps",
                                 "shift",
                                 "solver",
                                 "video-guidance-scale",
                                 "audio-guidance-scale",
                                 "slg-layer",
                                 "acceleration",
                                 "continuity",
                                 "lora",
                                 "device",
                                 "devices",
                                 "precision",
                                 "memory"};

void add_records(const GstTagList* tags, std::vector<Record>& records) {
  if (!tags || !records.empty()) return;
  for (GstStructure* one : records_of_tags(tags)) records.emplace_back(one, gst_structure_free);
}

/// As a setting's text; empty when it was not recorded.
std::string written(const Record& record, const char* field) {
  const GValue* value = gst_structure_get_value(record.get(), field);
  if (!value) return {};
  if (G_VALUE_HOLDS_STRING(value)) return g_value_get_string(value);
  if (G_VALUE_HOLDS_DOUBLE(value)) {
    char buffer[G_ASCII_DTOSTR_BUF_SIZE];
    return g_ascii_dtostr(buffer, sizeof buffer, g_value_get_double(value));
  }
  g_autofree gchar* text = gst_value_serialize(value);
  return text ? text : "";
}

std::string with_hyphens(std::string text) {
  std::replace(text.begin(), text.end(), '_', '-');
  return text;
}

std::string property_text(GObject* object, const char* name) {
  const Setting now = Setting::of(object, name);
  if (G_VALUE_HOLDS_STRING(&now.value())) {
    const char* text = g_value_get_string(&now.value());
    return text ? text : "";
  }
  g_autofree gchar* text = gst_value_serialize(&now.value());
  return text ? text : "";
}

/// Empty: they are the same.
std::string compare(GObject* source, const Told& told) {
  const Record& record = told.records.front();
  std::vector<Setting> recorded = settings_of(record, G_OBJECT_GET_CLASS(source));
  for (const Setting& setting : recorded) {
    const char* name = setting.name().c_str();
    GParamSpec* spec = g_object_class_find_property(G_OBJECT_GET_CLASS(source), name);
    const Setting wished = Setting::of(source, setting.name());
    if (g_param_values_cmp(spec, &wished.value(), &setting.value()) == 0) continue;
    // What is left to the element, or to chance, may be anything.
    const bool free = g_param_value_defaults(spec, const_cast<GValue*>(&wished.value())) &&
                      (setting.name() == "seed" || setting.name() == "variant" ||
                       setting.name() == "device" || setting.name() == "precision");
    if (free || setting.name() == "memory" ||
        (setting.name() == "device" && property_text(source, "device") == "cuda"))
      continue;
    if (G_VALUE_HOLDS_STRING(&setting.value())) return "it was made with another " + setting.name();
    g_autofree gchar* was = gst_value_serialize(&setting.value());
    return "it was made with " + setting.name() + "=" + was + ", not " +
           property_text(source, name);
  }
  // Of an element that knows it, and a record that does not say.
  if (g_object_class_find_property(G_OBJECT_GET_CLASS(source), "lora") &&
      property_text(source, "lora") != text_of(record, "lora"))
    return "it was made with another lora";
  if (!loras_differ(record, text_of(record, "lora")).empty())
    return "it was made with another lora";
  guint clips = 0;
  g_object_get(source, "num-clips", &clips, nullptr);
  if (clips != clips_of(told))
    return "it has " + std::to_string(clips_of(told)) + " clips, not " + std::to_string(clips);
  const std::string picture = property_text(source, "image");
  if (picture.empty() != text_of(record, "image").empty())
    return picture.empty() ? "it was made with an image" : "it was made without an image";
  std::string unread;
  if (!picture.empty() && !(picture_differs(record, picture, unread) + unread).empty())
    return "it was made with another picture";
  if (!model_differs(record, property_text(source, "model-path")).empty())
    return "it was made with other model files";
  return {};
}

}  // namespace

Told read_records(const std::string& path, std::string& problem) {
  Told told;
  // A pipe would be waited for.
  if (!g_file_test(path.c_str(), G_FILE_TEST_IS_REGULAR) &&
      g_file_test(path.c_str(), G_FILE_TEST_EXISTS)) {
    problem = shown_file(path) + " is not a regular file.";
    return told;
  }
  std::vector<Record>& records = told.records;
  g_autoptr(GError) error = nullptr;
  g_autofree gchar* whole = g_canonicalize_filename(path.c_str(), nullptr);
  g_autofree gchar* uri = g_filename_to_uri(whole, nullptr, nullptr);
  GstDiscoverer* discoverer = gst_discoverer_new(kLongestLook, &error);
  GstDiscovererInfo* info =
      discoverer && uri ? gst_discoverer_discover_uri(discoverer, uri, &error) : nullptr;
  if (info) {
    told.seconds = static_cast<double>(gst_discoverer_info_get_duration(info)) / GST_SECOND;
    add_records(gst_discoverer_info_get_tags(info), records);
    GList* streams = gst_discoverer_info_get_stream_list(info);
    for (GList* one = streams; one; one = one->next)
      add_records(gst_discoverer_stream_info_get_tags(GST_DISCOVERER_STREAM_INFO(one->data)),
                  records);
    gst_discoverer_stream_info_list_free(streams);
    gst_discoverer_info_unref(info);
  }
  if (discoverer) g_object_unref(discoverer);
  if (!records.empty()) return told;
  problem = shown_file(path) + (error ? " cannot be read: " + shown(error->message)
                                      : " does not say that ovii2vsrc made it, and from what: it was "
                                        "made by another program, or cut or copied by one.");
  return told;
}

unsigned clips_of(const Told& told) {
  if (told.records.size() != 1) return static_cast<unsigned>(told.records.size());
  const Record& record = told.records.front();
  guint frames = 0;
  gst_structure_get_uint(record.get(), "frames", &frames);
  // The frame that a clip begins with is the last one of the clip before, and is not shown again.
  const double shared = text_of(record, "continuity") == "last-frame" ? 1 : 0;
  if (frames <= shared) return 1;
  const double clips = (told.seconds * kFrameRate - shared) / (frames - shared);
  return clips > 1 && clips < G_MAXINT ? static_cast<unsigned>(clips + 0.5) : 1;
}

std::vector<Setting> settings_of(const Record& record, GObjectClass* klass) {
  std::vector<Setting> settings;
  for (const char* name : kSame)
    if (const std::string text = written(record, name); gst_structure_has_field(record.get(), name))
      read_setting(klass, name, text, settings);
  read_setting(klass, "variant", with_hyphens(written(record, "variant")), settings);
  for (const char* side : {"width", "height"})
    if (const std::string text = written(record, (std::string("asked-") + side).c_str());
        !text.empty())
      read_setting(klass, side, text, settings);
  return settings;
}

std::string no_film(const std::vector<Record>& records) {
  const auto number = [](const Record& record, const char* name) {
    gint64 value = 0;
    guint64 positive = 0;
    if (gst_structure_get_uint64(record.get(), name, &positive))
      return static_cast<gint64>(positive);
    gst_structure_get_int64(record.get(), name, &value);
    return value;
  };
  const bool follows = text_of(records.front(), "continuity") == "last-frame";
  for (size_t i = 0; i < records.size(); ++i) {
    if (number(records[i], "clip") != static_cast<gint64>(i))
      return "It is of a film of which not all clips are told.";
    if (number(records[i], "seed") != number(records.front(), "seed") + static_cast<gint64>(i))
      return "Its clips have no seeds in a row, so that one was left out.";
    for (const char* name : kSame)
      if (!g_str_equal(name, "seed") && text_of(records[i], name) != text_of(records.front(), name))
        return std::string("Its clips were made with more than one ") + name + ".";
    if (!follows && text_of(records[i], "image-digest") != text_of(records.front(), "image-digest"))
      return "Its clips were made from more than one picture.";
  }
  return {};
}

std::string text_of(const Record& record, const char* field) { return written(record, field); }

std::string picture_differs(const Record& record, const std::string& picture, std::string& unread) {
  find_picture_decoder();
  std::optional<Failure> failure;
  const std::atomic<bool> never{false};
  const auto image =
      read_image(picture, Reach{"file,http,https,data", std::nullopt}, never, failure);
  if (!image) {
    unread = failure ? failure->message : "The picture cannot be read.";
    return {};
  }
  if (picture_digest(*image, never) == text_of(record, "image-digest")) return {};
  return "The picture " + shown_file(picture) + " is another one than the clip was made from.";
}

std::string model_differs(const Record& record, const std::string& folder) {
  const std::string recorded = text_of(record, "model-files");
  if (recorded.empty() || recorded == files_of_model(folder)) return {};
  return "The model's files in " + shown_file(folder) +
         " are not those that the clip was made with (" + recorded + ").";
}

std::string loras_differ(const Record& record, const std::string& lora) {
  std::string problem;
  const auto list = read_loras(lora, problem);
  if (!list) return problem;
  const std::string recorded = text_of(record, "lora-digests");
  const std::atomic<bool> never{false};
  g_auto(GStrv) digests = g_strsplit(recorded.c_str(), " ", -1);
  const size_t count = g_strv_length(digests);
  for (size_t i = 0; i < list->size(); ++i) {
    const std::string& path = (*list)[i].path;
    const std::string digest = file_digest(path, never);
    if (digest.empty()) return "The LoRA " + shown_file(path) + " is not found.";
    if (i >= count || digest != digests[i])
      return "The LoRA " + shown_file(path) + " is another one than the clip was made with.";
  }
  return list->size() == count ? "" : "The clip was made with more LoRAs.";
}

std::string what_differs(const std::string& path, GstElement* source,
                         const std::vector<Setting>& settings) {
  std::string problem;
  const Told told = read_records(path, problem);
  if (told.records.empty()) return "it does not say what it was made from";
  if (!no_film(told.records).empty()) return "it was made otherwise";
  GObject* object = G_OBJECT(source);
  std::vector<Setting> before;
  for (const Setting& setting : settings) {
    before.push_back(Setting::of(object, setting.name()));
    setting.apply(object);
  }
  const std::string different = compare(object, told);
  for (const Setting& setting : before) setting.apply(object);
  return different;
}

}  // namespace ovii2v::tools
