// ovii2vurisrc: ovii2vsrc for players, with pads that come late.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <gst/gst.h>

G_BEGIN_DECLS

GST_ELEMENT_REGISTER_DECLARE(ovii2vurisrc)

G_END_DECLS
