// Presets: those that come with the element, and a user's own.
// SPDX-License-Identifier: Apache-2.0
#include <glib/gstdio.h>

#include "fixture.h"

using namespace fixture;

namespace {

std::string text_of(GstElement* source, const char* name) {
  GParamSpec* spec = g_object_class_find_property(G_OBJECT_GET_CLASS(source), name);
  fail_unless(spec != nullptr, "%s", name);
  GValue value = G_VALUE_INIT;
  g_value_init(&value, spec->value_type);
  g_object_get_property(G_OBJECT(source), name, &value);
  std::string out;
  if (G_IS_PARAM_SPEC_ENUM(spec)) {
    out =
        g_enum_get_value(G_PARAM_SPEC_ENUM(spec)->enum_class, g_value_get_enum(&value))->value_nick;
  } else {
    g_autofree char* text =
        G_VALUE_HOLDS_STRING(&value) ? g_value_dup_string(&value) : gst_value_serialize(&value);
    out = text ? text : "";
  }
  g_value_unset(&value);
  return out;
}

}  // namespace

GST_START_TEST(presets_come_with_the_element) {
  const struct {
    const char* preset;
    const char* settings[7][2];
  } rows[] = {
      {"exact", {{"acceleration", "none"}, {"steps", "50"}, {"shift", "5"}, {"slg-layer", "11"}}},
      {"fast", {{"acceleration", "fast"}, {"steps", "50"}}},
      {"fastwan",
       {{"steps", "6"},
        {"shift", "6"},
        {"video-guidance-scale", "1"},
        {"audio-guidance-scale", "1"},
        {"acceleration", "none"}}},
      {"few-steps",
       {{"steps", "6"},
        {"shift", "6"},
        {"video-guidance-scale", "1"},
        {"audio-guidance-scale", "1"},
        {"acceleration", "none"}}},
      {"live-channel",
       {{"is-live", "true"},
        {"hold", "last-frame"},
        {"num-clips", "0"},
        {"continuity", "last-frame"},
        {"acceleration", "fast"}}},
  };
  GstElement* source = make_source();
  g_auto(GStrv) names = gst_preset_get_preset_names(GST_PRESET(source));
  fail_unless_equals_int(g_strv_length(names), G_N_ELEMENTS(rows));
  for (const auto& row : rows) {
    // Each from a state that is not its own.
    g_object_set(source, "steps", 3, "shift", 2.0, "slg-layer", 4, "video-guidance-scale", 9.0,
                 "audio-guidance-scale", 9.0, nullptr);
    fail_unless(gst_preset_load_preset(GST_PRESET(source), row.preset), "%s", row.preset);
    for (const auto& [name, value] : row.settings) {
      if (!name) break;
      fail_unless(text_of(source, name) == value, "%s: %s=%s", row.preset, name,
                  text_of(source, name).c_str());
    }
    g_autofree char* comment = nullptr;
    fail_unless(gst_preset_get_meta(GST_PRESET(source), row.preset, "comment", &comment));
  }
  drop(source);
}
GST_END_TEST

/// Every line of the file counts: a name that is no property, or a value that is none of its,
/// would be passed over in silence.
GST_START_TEST(every_line_of_the_file_is_a_setting) {
  const char* path = g_getenv("OVI_PRESETS");
  g_autoptr(GKeyFile) file = g_key_file_new();
  fail_unless(g_key_file_load_from_file(file, path, G_KEY_FILE_NONE, nullptr), "%s", path);
  GstElement* source = make_source();
  g_auto(GStrv) settings = gst_preset_get_property_names(GST_PRESET(source));
  g_auto(GStrv) groups = g_key_file_get_groups(file, nullptr);
  for (char** group = groups + 1; *group; ++group) {
    g_auto(GStrv) keys = g_key_file_get_keys(file, *group, nullptr, nullptr);
    fail_unless(gst_preset_load_preset(GST_PRESET(source), *group));
    for (char** key = keys; *key; ++key) {
      if (g_str_has_prefix(*key, "_meta/")) continue;
      fail_unless(g_strv_contains(settings, *key), "%s: %s", *group, *key);
      g_autofree char* value = g_key_file_get_value(file, *group, *key, nullptr);
      fail_unless(text_of(source, *key) == value, "%s: %s=%s", *group, *key, value);
    }
  }
  drop(source);
}
GST_END_TEST

GST_START_TEST(a_user_has_presets_of_their_own) {
  GstElement* source = make_source();
  g_object_set(source, "steps", 17, "shift", 2.5, "audio-negative-prompt", "secret", "prompt",
               "secret", "model-path", "/secret", nullptr);
  gst_util_set_object_arg(G_OBJECT(source), "solver", "dpm++");
  fail_unless(gst_preset_save_preset(GST_PRESET(source), "mine"));
  GstElement* other = make_source();
  fail_unless(gst_preset_load_preset(GST_PRESET(other), "mine"));
  g_auto(GStrv) names = gst_preset_get_preset_names(GST_PRESET(other));
  fail_unless_equals_int(g_strv_length(names), 6);
  for (const char* name : {"steps", "shift", "solver"})
    fail_unless(text_of(other, name) == text_of(source, name), "%s: %s", name,
                text_of(other, name).c_str());
  // What the clip shows, and where the model lies, stay what they were.
  fail_unless(text_of(other, "prompt") == "A cat. <S>Meow<E>");
  g_autofree char* path = g_build_filename(g_get_user_data_dir(), "gstreamer-1.0", "presets",
                                           "GstOvii2vSrc.prs", nullptr);
  g_autofree char* saved = nullptr;
  fail_unless(g_file_get_contents(path, &saved, nullptr, nullptr), "%s", path);
  fail_unless(!strstr(saved, "secret") && !strstr(saved, "parent"), "%s", saved);
  // One of the same name as the element's goes before it, until it is deleted.
  fail_unless(gst_preset_save_preset(GST_PRESET(source), "fast"));
  fail_unless(gst_preset_load_preset(GST_PRESET(other), "fast"));
  fail_unless(text_of(other, "steps") == "17");
  fail_unless(gst_preset_delete_preset(GST_PRESET(source), "fast"));
  fail_unless(gst_preset_load_preset(GST_PRESET(other), "fast"));
  fail_unless(text_of(other, "steps") == "50" && text_of(other, "acceleration") == "fast");
  fail_unless(!gst_preset_load_preset(GST_PRESET(other), "fst"));
  fail_unless(gst_preset_delete_preset(GST_PRESET(source), "mine"));
  fail_unless_equals_int(g_unlink(path), 0);
  drop(source);
  drop(other);
}
GST_END_TEST

GST_START_TEST(a_launch_line_takes_a_preset) {
  g_autoptr(GError) error = nullptr;
  GstElement* source = gst_parse_launch("ovii2vsrc prompt=p @preset=few-steps", &error);
  fail_unless(source && !error, "%s", error ? error->message : "");
  gst_object_ref_sink(source);
  fail_unless(text_of(source, "steps") == "6" && text_of(source, "shift") == "6");
  gst_object_unref(source);
}
GST_END_TEST

OVI_TEST_MAIN(presets,
              OVI_TEST(presets_come_with_the_element) OVI_TEST(every_line_of_the_file_is_a_setting)
                  OVI_TEST(a_user_has_presets_of_their_own) OVI_TEST(a_launch_line_takes_a_preset))
