// What went out of a picture's source, for what decoders do not tell.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <gst/gst.h>

#include <cstdint>
#include <mutex>
#include <vector>

namespace ovii2v {

/// So much of the file is kept to look for its size, its orientation and its end.
constexpr size_t kHeadBytes = 64 << 20;

/// The first bytes that went out of the source, whatever order they were asked in.
struct Head {
  std::mutex lock;
  std::vector<uint8_t> bytes;

  static GstPadProbeReturn probe(GstPad*, GstPadProbeInfo* info, gpointer user) {
    auto* self = static_cast<Head*>(user);
    GstBuffer* buffer = GST_PAD_PROBE_INFO_BUFFER(info);
    if (buffer) self->take(buffer);
    return GST_PAD_PROBE_OK;
  }

  void take(GstBuffer* buffer) {
    std::lock_guard guard(lock);
    if (bytes.size() >= kHeadBytes) return;
    GstMapInfo map;
    if (!gst_buffer_map(buffer, &map, GST_MAP_READ)) return;
    const uint64_t offset =
        GST_BUFFER_OFFSET_IS_VALID(buffer) ? GST_BUFFER_OFFSET(buffer) : bytes.size();
    if (offset <= bytes.size() && offset + map.size > bytes.size())
      bytes.insert(bytes.end(), map.data + (bytes.size() - offset), map.data + map.size);
    gst_buffer_unmap(buffer, &map);
  }
};

}  // namespace ovii2v
