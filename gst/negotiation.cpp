// What a pad and what is behind it agree on, before the model is touched. The rest of Stream.
// SPDX-License-Identifier: Apache-2.0
#include "caps.h"
#include "source.h"

namespace ovii2v {
namespace {

/// Linked to something that is no loose end of a bin.
bool is_linked(GstPad* pad) {
  g_autoptr(GstPad) peer = gst_pad_get_peer(pad);
  if (!peer) return false;
  if (!GST_IS_PROXY_PAD(peer) || GST_IS_GHOST_PAD(peer)) return true;
  g_autoptr(GstProxyPad) outer = gst_proxy_pad_get_internal(GST_PROXY_PAD(peer));
  return !outer || is_linked(GST_PAD(outer));
}

/// What is linked takes none of `possible`.
Failure refusal(const Stream& stream, const ovi_plan& plan, GstCaps* possible) {
  g_autoptr(GstCaps) wanted = gst_pad_peer_query_caps(stream.pad(), nullptr);
  g_autofree char* ours = gst_caps_to_string(possible);
  g_autofree char* theirs = gst_caps_to_string(wanted);
  return {GST_CORE_ERROR, GST_CORE_ERROR_NEGOTIATION,
          std::string("What is linked to the ") + stream.name() + " pad does not take " +
              (stream.kind() == Kind::kVideo
                   ? std::to_string(plan.width) + "x" + std::to_string(plan.height) +
                         " video at 24 frames/s: put videoconvert, videoscale and videorate "
                         "between."
                   : "16000 Hz mono sound: put audioconvert and audioresample between."),
          std::string("possible here: ") + ours + "\ntaken there: " + theirs};
}

}  // namespace

std::optional<Failure> Stream::size_refused(const ovi_plan& plan) {
  std::optional<ovi_pixel_format> pixels;
  {
    Lock lock(source_.lock);
    if (link_ != Link::kNegotiated) return std::nullopt;
    pixels = source_.reel.pixel_format();
  }
  g_autoptr(GstCaps) possible = video_caps(plan, pixels);
  g_autoptr(GstCaps) taken = gst_pad_peer_query_caps(pad_, possible);
  if (!gst_caps_is_empty(taken)) return std::nullopt;
  return refusal(*this, plan, possible);
}

void Stream::negotiate(Lock& lock) {
  set_link(Link::kPending);
  need_caps_ = false;
  const ovi_plan plan = coming().plan();
  const auto pixels = source_.reel.pixel_format();
  const auto samples = source_.reel.sample_format();
  lock.unlock();

  const bool linked = is_linked(pad_);
  GstCaps* caps = nullptr;
  std::optional<Failure> refused;
  if (linked) {
    g_autoptr(GstCaps) possible =
        kind_ == Kind::kVideo ? video_caps(plan, pixels) : audio_caps(plan, samples);
    caps = gst_pad_peer_query_caps(pad_, possible);
    if (gst_caps_is_empty(caps)) {
      refused = refusal(*this, plan, possible);
      gst_clear_caps(&caps);
    } else {
      caps = gst_caps_fixate(caps);
      g_autoptr(GstCaps) current = gst_pad_get_current_caps(pad_);
      if (!current || !gst_caps_is_equal(current, caps)) push_event(gst_event_new_caps(caps));
      if (kind_ == Kind::kVideo) allocation_.negotiate(pad_, caps);
    }
  }

  lock.lock();
  gst_caps_replace(&caps_, caps);
  gst_clear_caps(&caps);
  if (!linked) return handle_flow(lock, GST_FLOW_NOT_LINKED);
  if (refused) {
    lock.unlock();
    source_.fail(*refused, GST_FLOW_NOT_NEGOTIATED);
    return;
  }
  set_link(Link::kNegotiated);
  width_ = plan.width;
  height_ = plan.height;
  GST_INFO_OBJECT(pad_, "agreed on %" GST_PTR_FORMAT, caps_);
  source_.changed.notify_all();
}

}  // namespace ovii2v
