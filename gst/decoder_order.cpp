// Which decoder a picture is given to.
// SPDX-License-Identifier: Apache-2.0
#include "decoder_order.h"

namespace ovii2v {

GValueArray* exact_decoders_first(GstCaps* caps, GValueArray* factories) {
  const GstStructure* what = gst_caps_get_structure(caps, 0);
  const char* preferred = nullptr;
  if (gst_structure_has_name(what, "image/jpeg")) {
    gboolean parsed = FALSE;
    gst_structure_get_boolean(what, "parsed", &parsed);
    preferred = parsed ? "avdec_mjpeg" : "jpegparse";
    g_autoptr(GstElementFactory) decoder = gst_element_factory_find("avdec_mjpeg");
    if (!decoder) preferred = "jpegdec";
  } else if (g_str_has_prefix(gst_structure_get_name(what), "image/")) {
    preferred = "gdkpixbufdec";
  }
  g_autoptr(GstElementFactory) first = preferred ? gst_element_factory_find(preferred) : nullptr;
  if (!first || !gst_element_factory_can_sink_any_caps(first, caps)) return nullptr;
  G_GNUC_BEGIN_IGNORE_DEPRECATIONS  // the signal's own type
      GValueArray* sorted = g_value_array_new(factories->n_values + 1);
  GValue value = G_VALUE_INIT;
  g_value_init(&value, G_TYPE_OBJECT);
  g_value_set_object(&value, first);
  g_value_array_append(sorted, &value);
  g_value_unset(&value);
  for (guint i = 0; i < factories->n_values; ++i) {
    const GValue* other = g_value_array_get_nth(factories, i);
    if (g_value_get_object(other) != G_OBJECT(first)) g_value_array_append(sorted, other);
  }
  G_GNUC_END_IGNORE_DEPRECATIONS
  return sorted;
}

}  // namespace ovii2v
