// What a pad's peer wants buffers to lie in.
// SPDX-License-Identifier: Apache-2.0
#include "stream/allocation.h"

#include <algorithm>

namespace ovii2v {
namespace {

/// The engine's memory is aligned to that at least (malloc's promise).
constexpr gsize kAlignment = 15;

/// What does not work of the pool that the peer offered; null when all does.
const char* activate(GstBufferPool* pool, GstCaps* caps, guint size, guint min, guint max,
                     const GstAllocationParams& params) {
  GstStructure* config = gst_buffer_pool_get_config(pool);
  gst_buffer_pool_config_set_params(config, caps, size, min, max);
  gst_buffer_pool_config_set_allocator(config, nullptr, &params);
  if (!gst_buffer_pool_set_config(pool, config)) {
    // It changed what it cannot do: agree, if it is still of use.
    config = gst_buffer_pool_get_config(pool);
    if (!gst_buffer_pool_config_validate_params(config, caps, size, min, max)) {
      gst_structure_free(config);
      return "it does not take the caps, or makes smaller buffers";
    }
    if (!gst_buffer_pool_set_config(pool, config)) return "it takes no configuration";
  }
  return gst_buffer_pool_set_active(pool, TRUE) ? nullptr : "it cannot be activated";
}

Failure broken(GstPad* pad, GstBufferPool* pool, const std::string& reason) {
  g_autoptr(GstPad) peer = gst_pad_get_peer(pad);
  g_autoptr(GstElement) element = peer ? gst_pad_get_parent_element(peer) : nullptr;
  return {GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_FAILED,
          std::string("The buffer pool that ") + (element ? GST_OBJECT_NAME(element) : "the peer") +
              " offers to the video pad does not work: " + reason +
              ". Put videoconvert or identity drop-allocation=true between.",
          std::string("pool ") + GST_OBJECT_NAME(pool) + " (" + G_OBJECT_TYPE_NAME(pool) + ")"};
}

/// A push would say so too.
bool is_stopped(GstPad* pad) {
  g_autoptr(GstPad) peer = gst_pad_get_peer(pad);
  return !peer || GST_PAD_IS_FLUSHING(pad) || GST_PAD_IS_FLUSHING(peer) || !gst_pad_is_active(peer);
}

}  // namespace

std::optional<Failure> Allocation::negotiate(GstPad* pad, GstCaps* caps) {
  clear();
  g_autoptr(GstQuery) query = gst_query_new_allocation(caps, TRUE);
  if (!gst_video_info_from_caps(&info_, caps) || !gst_pad_peer_query(pad, query))
    return std::nullopt;
  if (gst_query_find_allocation_meta(query, GST_VIDEO_META_API_TYPE, nullptr)) return std::nullopt;
  if (gst_query_get_n_allocation_pools(query) == 0) return std::nullopt;

  g_autoptr(GstBufferPool) offered = nullptr;
  guint size = 0, min = 0, max = 0;
  gst_query_parse_nth_allocation_pool(query, 0, &offered, &size, &min, &max);
  if (!offered) return std::nullopt;
  GstAllocationParams params;
  gst_allocation_params_init(&params);
  if (gst_query_get_n_allocation_params(query) > 0)
    gst_query_parse_nth_allocation_param(query, 0, nullptr, &params);
  g_autoptr(GstStructure) config = gst_buffer_pool_get_config(offered);
  const bool plain =
      size <= GST_VIDEO_INFO_SIZE(&info_) && params.align <= kAlignment && params.prefix == 0 &&
      params.padding == 0 &&
      !gst_buffer_pool_config_has_option(config, GST_BUFFER_POOL_OPTION_VIDEO_ALIGNMENT);
  if (plain) return std::nullopt;
  const guint bytes = std::max<guint>(size, GST_VIDEO_INFO_SIZE(&info_));
  if (const char* reason = activate(offered, caps, bytes, min, max, params)) {
    if (is_stopped(pad)) return std::nullopt;
    return broken(pad, offered, reason);
  }
  take(offered);
  return std::nullopt;
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

GstBuffer* Allocation::fit(GstPad* pad, GstBuffer* buffer, std::optional<Failure>& failure) {
  g_autoptr(GstBufferPool) pool = this->pool();
  if (!pool) return buffer;
  GstBuffer* copy = nullptr;
  const GstFlowReturn flow = gst_buffer_pool_acquire_buffer(pool, &copy, nullptr);
  std::string reason;
  if (flow != GST_FLOW_OK) {
    // Ours or theirs to say; a pool that was stopped under a peer that runs is broken.
    if (flushing_ || is_stopped(pad)) return buffer;
    reason = std::string("no buffer comes out of it (") + gst_flow_get_name(flow) + ")";
  } else {
    GstVideoFrame from, to;
    if (gst_buffer_get_size(copy) < GST_VIDEO_INFO_SIZE(&info_) ||
        !gst_video_frame_map(&to, &info_, copy, GST_MAP_WRITE)) {
      reason = "its buffers hold " + std::to_string(gst_buffer_get_size(copy)) + " bytes, and " +
               std::to_string(GST_VIDEO_INFO_SIZE(&info_)) + " are needed";
    } else if (!gst_video_frame_map(&from, &info_, buffer, GST_MAP_READ)) {
      gst_video_frame_unmap(&to);
      reason = "a frame cannot be copied into its buffers";
    } else {
      if (!gst_video_frame_copy(&to, &from)) reason = "its frames are of another format or size";
      gst_video_frame_unmap(&from);
      gst_video_frame_unmap(&to);
    }
  }
  if (!reason.empty()) {
    if (copy) gst_buffer_unref(copy);
    gst_buffer_unref(buffer);
    failure = broken(pad, pool, reason);
    return nullptr;
  }
  gst_buffer_copy_into(
      copy, buffer,
      static_cast<GstBufferCopyFlags>(GST_BUFFER_COPY_FLAGS | GST_BUFFER_COPY_TIMESTAMPS), 0,
      static_cast<gsize>(-1));
  gst_buffer_unref(buffer);
  return copy;
}

void Allocation::set_flushing(bool flushing) {
  flushing_ = flushing;
  g_autoptr(GstBufferPool) pool = this->pool();
  if (pool) gst_buffer_pool_set_flushing(pool, flushing);
}

void Allocation::clear() { take(nullptr); }

}  // namespace ovii2v
