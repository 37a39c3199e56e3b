// Which settings a preset holds.
// SPDX-License-Identifier: Apache-2.0
#include "presets.h"

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

}  // namespace

void init_presets(gpointer iface, gpointer) {
  static_cast<GstPresetInterface*>(iface)->get_property_names = names;
}

}  // namespace ovii2v
