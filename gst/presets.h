// Which settings a preset holds.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <gst/gst.h>

namespace ovii2v {

/// The GstPreset interface: numbers and choices, but the seed; no texts.
void init_presets(gpointer iface, gpointer);

}  // namespace ovii2v
