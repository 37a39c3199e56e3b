// ovii2vsrc, the source element.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <gst/gst.h>

G_BEGIN_DECLS

#define GST_TYPE_OVII2V_SRC (gst_ovii2v_src_get_type())
G_DECLARE_FINAL_TYPE(GstOvii2vSrc, gst_ovii2v_src, GST, OVII2V_SRC, GstElement)

GST_ELEMENT_REGISTER_DECLARE(ovii2vsrc)

G_END_DECLS
