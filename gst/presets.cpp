// The presets that come with the element, and which settings one holds.
// SPDX-License-Identifier: Apache-2.0
#include "presets.h"

#include <cstring>
#include <string>

#include "gstovii2vsrc.h"

namespace ovii2v {
namespace {

/// Of one clip: a preset is for all. Texts are none of it either: they are what a clip shows and
/// where things lie, and GStreamer escapes them twice when it saves, and once when it loads.
bool is_saved(const GParamSpec* spec) {
  return spec->owner_type == GST_TYPE_OVII2V_SRC &&
         (spec->flags & G_PARAM_READWRITE) == G_PARAM_READWRITE && !G_IS_PARAM_SPEC_STRING(spec) &&
         !G_IS_PARAM_SPEC_BOXED(spec) && !g_str_equal(spec->name, "seed");
}

gchar** names(GstPreset* preset) {
  guint count = 0;
  g_autofree GParamSpec** specs =
      g_object_class_list_properties(G_OBJECT_GET_CLASS(preset), &count);
  GPtrArray* found = g_ptr_array_new();
  for (guint i = 0; i < count; ++i) {
    const GParamSpec* spec = specs[i];
    if (is_saved(spec)) g_ptr_array_add(found, g_strdup(spec->name));
  }
  g_ptr_array_add(found, nullptr);
  return reinterpret_cast<gchar**>(g_ptr_array_free(found, FALSE));
}

/// GStreamer looks for presets where it is installed itself, and in GST_PRESET_PATH: those of a
/// plug-in that lies elsewhere would not be found. So they lie in the plug-in.
constexpr char kOwnPresets[] =
#include "own_presets.inc"
    ;

/// The file's first group describes the file.
constexpr char kHeader[] = "_presets_";

GKeyFile* own_presets() {
  static GKeyFile* const own = [] {
    GKeyFile* file = g_key_file_new();
    g_key_file_load_from_data(file, kOwnPresets, sizeof kOwnPresets - 1, G_KEY_FILE_NONE, nullptr);
    g_key_file_remove_group(file, kHeader, nullptr);
    return file;
  }();
  return own;
}

/// GStreamer's way: what it finds in files. A user's preset goes before one of the same name here.
GstPresetInterface of_files;

gchar** preset_names(GstPreset* preset) {
  g_auto(GStrv) own = g_key_file_get_groups(own_presets(), nullptr);
  g_auto(GStrv) found = of_files.get_preset_names(preset);
  GPtrArray* all = g_ptr_array_new();
  for (gchar** name = found; name && *name; ++name) g_ptr_array_add(all, g_strdup(*name));
  for (gchar** name = own; *name; ++name)
    if (!found || !g_strv_contains(found, *name)) g_ptr_array_add(all, g_strdup(*name));
  g_ptr_array_sort(all, [](gconstpointer one, gconstpointer other) {
    return strcmp(*static_cast<const char* const*>(one), *static_cast<const char* const*>(other));
  });
  g_ptr_array_add(all, nullptr);
  return reinterpret_cast<gchar**>(g_ptr_array_free(all, FALSE));
}

gboolean load_preset(GstPreset* preset, const gchar* name) {
  if (of_files.load_preset(preset, name)) return TRUE;
  if (!g_key_file_has_group(own_presets(), name)) return FALSE;
  g_auto(GStrv) settings = names(preset);
  for (gchar** setting = settings; *setting; ++setting) {
    g_autofree gchar* text = g_key_file_get_value(own_presets(), name, *setting, nullptr);
    if (text) gst_util_set_object_arg(G_OBJECT(preset), *setting, text);
  }
  return TRUE;
}

gboolean meta_of_preset(GstPreset* preset, const gchar* name, const gchar* tag, gchar** value) {
  if (of_files.get_meta(preset, name, tag, value)) return TRUE;
  const std::string key = std::string("_meta/") + tag;
  *value = g_key_file_get_value(own_presets(), name, key.c_str(), nullptr);
  return *value != nullptr;
}

}  // namespace

void init_presets(gpointer iface, gpointer) {
  auto* presets = static_cast<GstPresetInterface*>(iface);
  of_files = *presets;
  presets->get_property_names = names;
  presets->get_preset_names = preset_names;
  presets->load_preset = load_preset;
  presets->get_meta = meta_of_preset;
}

}  // namespace ovii2v
