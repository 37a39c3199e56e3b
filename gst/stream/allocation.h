// What a pad's peer wants buffers to lie in.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <gst/gst.h>
#include <gst/video/video.h>

#include <atomic>
#include <optional>

#include "messages.h"

namespace ovii2v {

/// Frames come from the engine's own memory, in GStreamer's default layout, with a
/// video meta: nothing to do for a peer that knows the meta, or takes that layout. A
/// peer that offers a pool of another layout or alignment and does not know the meta
/// gets copies in buffers of its pool. A pool that is needed and does not work is an error.
/// Used by the pad's task, but for the ones named.
class Allocation {
 public:
  ~Allocation() { clear(); }

  /// Asks the peer of `pad`; again after every CAPS event.
  std::optional<Failure> negotiate(GstPad* pad, GstCaps* caps);
  /// Takes `buffer` and gives what is to be pushed to the peer of `pad`; null with the reason in
  /// `failure`. When pad or peer are stopped it is `buffer` itself, whose push then says so.
  GstBuffer* fit(GstPad* pad, GstBuffer* buffer, std::optional<Failure>& failure);

  /// From any thread: a buffer that is waited for is not waited for any more.
  void set_flushing(bool flushing);
  /// Not while the task runs.
  void clear();

 private:
  GstBufferPool* pool() const;
  void take(GstBufferPool* pool);

  mutable GMutex lock_{};  // pool_; a leaf
  GstBufferPool* pool_ = nullptr;
  std::atomic<bool> flushing_{false};
  GstVideoInfo info_{};
};

}  // namespace ovii2v
