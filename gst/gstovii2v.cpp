// The plug-in: one element, registered whether or not the engine can be opened.
// SPDX-License-Identifier: Apache-2.0

/**
 * SECTION:plugin-ovii2v
 * @title: ovii2v
 *
 * Video with sound from a picture and a sentence, made by Ovi.
 */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif

#include <gst/pbutils/pbutils.h>

#include "gstovii2vsrc.h"
#include "gstovii2vurisrc.h"

static gboolean plugin_init(GstPlugin* plugin) {
  gst_pb_utils_init();  // messages on missing plug-ins
  return GST_ELEMENT_REGISTER(ovii2vsrc, plugin) && GST_ELEMENT_REGISTER(ovii2vurisrc, plugin);
}

GST_PLUGIN_DEFINE(GST_VERSION_MAJOR, GST_VERSION_MINOR, ovii2v,
                  "Generates video and sound from a picture and a prompt", plugin_init, VERSION,
                  GST_LICENSE, GST_PACKAGE_NAME, GST_PACKAGE_ORIGIN)
