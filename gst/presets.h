// The presets that come with the element, and which settings one holds.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <gst/gst.h>

namespace ovii2v {

/// The GstPreset interface: numbers and choices, but the seed; no texts. Those of
/// presets/GstOvii2vSrc.prs are always there.
void init_presets(gpointer iface, gpointer);

}  // namespace ovii2v
