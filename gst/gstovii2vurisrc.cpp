// ovii2vurisrc: ovii2vsrc for players, with pads that come late.
// SPDX-License-Identifier: Apache-2.0

/**
 * SECTION:element-ovii2vurisrc
 * @title: ovii2vurisrc
 *
 * What players get for an `ovi:` URI: #GstOvii2vSrc with its properties, but its pads are
 * there from PAUSED to READY only. Of a source whose pads are always there, uridecodebin takes
 * one alone, and urisourcebin decides on caps that no pad has yet. In a pipeline of your own,
 * use ovii2vsrc.
 */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif

#include "gstovii2vurisrc.h"

#include "gstovii2vsrc.h"
#include "stream/caps.h"

namespace {

constexpr const char* kPads[] = {"video", "audio"};

GstStaticPadTemplate video_template = GST_STATIC_PAD_TEMPLATE(
    "video", GST_PAD_SRC, GST_PAD_SOMETIMES, GST_STATIC_CAPS(OVII2V_VIDEO_CAPS));
GstStaticPadTemplate audio_template = GST_STATIC_PAD_TEMPLATE(
    "audio", GST_PAD_SRC, GST_PAD_SOMETIMES, GST_STATIC_CAPS(OVII2V_AUDIO_CAPS));

GstElementClass* parent_class = nullptr;
GQuark pad_quark(const char* name) { return g_quark_from_string(name); }

GstPad* pad_of(GstElement* element, const char* name) {
  return GST_PAD(g_object_get_qdata(G_OBJECT(element), pad_quark(name)));
}

/// Nothing goes out before all pads were announced, for a pad that is not linked by then may
/// never be.
void add_pads(GstElement* element) {
  gulong blocks[G_N_ELEMENTS(kPads)];
  for (size_t i = 0; i < G_N_ELEMENTS(kPads); ++i) {
    GstPad* pad = pad_of(element, kPads[i]);
    blocks[i] = gst_pad_add_probe(
        pad, GST_PAD_PROBE_TYPE_BLOCK_DOWNSTREAM,
        [](GstPad*, GstPadProbeInfo*, gpointer) { return GST_PAD_PROBE_OK; }, nullptr, nullptr);
    gst_pad_set_active(pad, TRUE);
    gst_element_add_pad(element, pad);
  }
  gst_element_no_more_pads(element);
  for (size_t i = 0; i < G_N_ELEMENTS(kPads); ++i)
    gst_pad_remove_probe(pad_of(element, kPads[i]), blocks[i]);
}

void remove_pads(GstElement* element) {
  for (const char* name : kPads) {
    GstPad* pad = pad_of(element, name);
    if (GST_OBJECT_PARENT(pad) == GST_OBJECT(element)) gst_element_remove_pad(element, pad);
  }
}

GstStateChangeReturn change_state(GstElement* element, GstStateChange transition) {
  const GstStateChangeReturn result = parent_class->change_state(element, transition);
  if (transition == GST_STATE_CHANGE_READY_TO_PAUSED && result != GST_STATE_CHANGE_FAILURE)
    add_pads(element);
  else if (transition == GST_STATE_CHANGE_PAUSED_TO_READY)
    remove_pads(element);
  return result;
}

void class_init(gpointer klass, gpointer) {
  parent_class = GST_ELEMENT_CLASS(g_type_class_peek_parent(klass));
  auto* element_class = GST_ELEMENT_CLASS(klass);
  element_class->change_state = GST_DEBUG_FUNCPTR(change_state);
  gst_element_class_add_static_pad_template(element_class, &video_template);
  gst_element_class_add_static_pad_template(element_class, &audio_template);
  gst_element_class_set_static_metadata(
      element_class, "Ovi image-to-video source for players", "Source/Video/Audio",
      "Generates video and sound from what an ovi: URI says", "The ovii2v authors");
}

void init(GTypeInstance* instance, gpointer) {
  GstElement* element = GST_ELEMENT(instance);
  for (const char* name : kPads) {
    GstPad* pad = gst_element_get_static_pad(element, name);
    g_object_set_qdata_full(G_OBJECT(element), pad_quark(name), pad, gst_object_unref);
    gst_element_remove_pad(element, pad);
  }
}

GType get_type() {
  static const GType type = [] {
    GTypeQuery parent;
    g_type_query(GST_TYPE_OVII2V_SRC, &parent);
    return g_type_register_static_simple(GST_TYPE_OVII2V_SRC, "GstOvii2vUriSrc", parent.class_size,
                                         class_init, parent.instance_size, init,
                                         static_cast<GTypeFlags>(0));
  }();
  return type;
}

}  // namespace

// Before ovii2vsrc, which opens the same URIs, and below what is ever plugged by itself.
GST_ELEMENT_REGISTER_DEFINE(ovii2vurisrc, "ovii2vurisrc", GST_RANK_NONE + 1, get_type())
