// What a pad's peer wants buffers to lie in.
// SPDX-License-Identifier: Apache-2.0
#include "allocation.h"

#include <algorithm>

namespace ovii2v {
namespace {

/// The engine's memory is aligned to that at least (malloc's promise).
constexpr gsize kAlignment = 15;

/// Set up and active, or null: then the peer takes what it gets.
GstBufferPool* activate(GstBufferPool* pool, GstCaps* caps, guint size, guint min, guint max,
                        const GstAllocationParams& params) {
  GstStructure* config = gst_buffer_pool_get_config(pool);
  gst_buffer_pool_config_set_params(config, caps, size, min, max);
  gst_buffer_pool_config_set_allocator(config, nullptr, &params);
  if (!gst_buffer_pool_set_config(pool, config)) {
    // It changed what it cannot do: agree, if it is still of use.
    config = gst_buffer_pool_get_config(pool);
    if (!gst_buffer_pool_config_validate_params(config, caps, size, min, max)) {
      gst_structure_free(config);
      return nullptr;
    }
    if (!gst_buffer_pool_set_config(pool, config)) return nullptr;
  }
  return gst_buffer_pool_set_active(pool, TRUE) ? pool : nullptr;
}

}  // namespace

void Allocation::negotiate(GstPad* pad, GstCaps* caps) {
  clear();
  g_autoptr(GstQuery) query = gst_query_new_allocation(caps, TRUE);
  if (!gst_video_info_from_caps(&info_, caps) || !gst_pad_peer_query(pad, query)) return;
  if (gst_query_find_allocation_meta(query, GST_VIDEO_META_API_TYPE, nullptr)) return;
  if (gst_query_get_n_allocation_pools(query) == 0) return;

  g_autoptr(GstBufferPool) offered = nullptr;
  guint size = 0, min = 0, max = 0;
  gst_query_parse_nth_allocation_pool(query, 0, &offered, &size, &min, &max);
  if (!offered) return;
  GstAllocationParams params;
  gst_allocation_params_init(&params);
  if (gst_query_get_n_allocation_params(query) > 0)
    gst_query_parse_nth_allocation_param(query, 0, nullptr, &params);
  g_autoptr(GstStructure) config = gst_buffer_pool_get_config(offered);
  const bool plain =
      size <= GST_VIDEO_INFO_SIZE(&info_) && params.align <= kAlignment && params.prefix == 0 &&
      params.padding == 0 &&
      !gst_buffer_pool_config_has_option(config, GST_BUFFER_POOL_OPTION_VIDEO_ALIGNMENT);
  if (plain) return;
  const guint bytes = std::max<guint>(size, GST_VIDEO_INFO_SIZE(&info_));
  if (activate(offered, caps, bytes, min, max, params)) take(offered);
}

GstBufferPool* Allocation::pool() const {
  g_mutex_lock(&lock_);
  auto* pool = pool_ ? GST_BUFFER_POOL(gst_object_ref(pool_)) : nullptr;
  g_mutex_unlock(&lock_);
  return pool;
}

void Allocation::take(GstBufferPool* pool) {
  g_mutex_lock(&lock_);
  GstBufferPool* old = pool_;
  pool_ = pool ? GST_BUFFER_POOL(gst_object_ref(pool)) : nullptr;
  g_mutex_unlock(&lock_);
  if (!old) return;
  gst_buffer_pool_set_active(old, FALSE);
  gst_object_unref(old);
}

GstBuffer* Allocation::fit(GstBuffer* buffer) {
  g_autoptr(GstBufferPool) pool = this->pool();
  if (!pool) return buffer;
  g_autoptr(GstBuffer) owned = buffer;
  GstBuffer* copy = nullptr;
  if (gst_buffer_pool_acquire_buffer(pool, &copy, nullptr) != GST_FLOW_OK) return nullptr;
  GstVideoFrame from, to;
  if (!gst_video_frame_map(&to, &info_, copy, GST_MAP_WRITE)) {
    gst_buffer_unref(copy);
    return gst_buffer_ref(buffer);
  }
  gst_video_frame_map(&from, &info_, buffer, GST_MAP_READ);
  gst_video_frame_copy(&to, &from);
  gst_video_frame_unmap(&from);
  gst_video_frame_unmap(&to);
  gst_buffer_copy_into(
      copy, buffer,
      static_cast<GstBufferCopyFlags>(GST_BUFFER_COPY_FLAGS | GST_BUFFER_COPY_TIMESTAMPS), 0,
      static_cast<gsize>(-1));
  return copy;
}

void Allocation::set_flushing(bool flushing) {
  g_autoptr(GstBufferPool) pool = this->pool();
  if (pool) gst_buffer_pool_set_flushing(pool, flushing);
}

void Allocation::clear() { take(nullptr); }

}  // namespace ovii2v
