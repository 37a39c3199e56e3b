// What a pad and what is behind it agree on, before the model is touched. The rest of Stream.
// SPDX-License-Identifier: Apache-2.0
#include <chrono>

#include "source.h"
#include "stream/caps.h"

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

std::string described(const Stream& stream, const ovi_plan& plan) {
  return stream.kind() == Kind::kVideo
             ? std::to_string(plan.width) + "x" + std::to_string(plan.height) +
                   " video at 24 frames/s: put videoconvert, videoscale and videorate between"
             : "16000 Hz mono sound: put audioconvert and audioresample between";
}

/// What is linked takes none of `possible`.
Failure refusal(const Stream& stream, const ovi_plan& plan, GstCaps* possible) {
  g_autoptr(GstCaps) wanted = gst_pad_peer_query_caps(stream.pad(), nullptr);
  g_autofree char* ours = gst_caps_to_string(possible);
  g_autofree char* theirs = gst_caps_to_string(wanted);
  return {GST_CORE_ERROR, GST_CORE_ERROR_NEGOTIATION,
          std::string("What is linked to the ") + stream.name() + " pad does not take " +
              described(stream, plan) + ".",
          std::string("possible here: ") + ours + "\ntaken there: " + theirs};
}

/// Comes back when queues behind the pad have handed on what was sent before.
void pass_queues(GstPad* pad, GstCaps* caps) {
  g_autoptr(GstQuery) query = gst_query_new_allocation(caps, FALSE);
  gst_pad_peer_query(pad, query);
}

GstPad* refusing_pad(GstPad* source, int depth);

GstPad* refusing_pad_behind(GstPad* sink, int depth) {
  if (GST_IS_PROXY_PAD(sink)) {
    g_autoptr(GstProxyPad) inside = gst_proxy_pad_get_internal(GST_PROXY_PAD(sink));
    return inside ? refusing_pad(GST_PAD(inside), depth) : nullptr;
  }
  GstIterator* all = gst_pad_iterate_internal_links(sink);
  if (!all) return nullptr;
  struct Search {
    int depth;
    GstPad* found;
  } search{depth, nullptr};
  gst_iterator_foreach(
      all,
      [](const GValue* item, gpointer data) {
        auto* to = static_cast<Search*>(data);
        if (!to->found) to->found = refusing_pad(GST_PAD(g_value_get_object(item)), to->depth);
      },
      &search);
  gst_iterator_free(all);
  return search.found;
}

/// A pad behind `source` that was told of caps and did not take them; the caller unrefs it.
/// A CAPS event itself brings no answer back: it is kept by pads that took it alone.
GstPad* refusing_pad(GstPad* source, int depth) {
  if (depth == 0 || gst_pad_is_blocked(source)) return nullptr;
  g_autoptr(GstPad) sink = gst_pad_get_peer(source);
  g_autoptr(GstCaps) told = gst_pad_get_current_caps(source);
  if (!sink || !told || !gst_pad_is_active(sink) || GST_PAD_IS_FLUSHING(sink)) return nullptr;
  g_autoptr(GstCaps) taken = gst_pad_get_current_caps(sink);
  if (taken && gst_caps_is_equal(taken, told)) return refusing_pad_behind(sink, depth - 1);
  // Whose lock is taken is at it just now.
  if (!GST_PAD_STREAM_TRYLOCK(sink)) return nullptr;
  GST_PAD_STREAM_UNLOCK(sink);
  return GST_PAD(gst_object_ref(sink));
}

}  // namespace

/// What stands further behind may refuse what its query did not. Behind a queue the event may be
/// on its way: only what stays is a refusal. Comes back with the lock held when it waited.
std::optional<Failure> Stream::refused_behind(Lock& lock, GstCaps* caps) {
  constexpr int kFarthest = 32, kLooks = 4;
  constexpr std::chrono::milliseconds kBetween{30};
  g_autoptr(GstPad) culprit = nullptr;
  for (int look = 0; look < kLooks; ++look) {
    if (look) {
      if (!lock.owns_lock()) lock.lock();
      if (source_.changed.wait_for(lock, kBetween, [this] { return interrupted(); }))
        return std::nullopt;
      lock.unlock();
    }
    GstPad* found = refusing_pad(pad_, kFarthest);
    const bool same = look == 0 || found == culprit;
    gst_clear_object(&culprit);
    culprit = found;
    if (!found || !same) return std::nullopt;
  }
  g_autoptr(GstElement) element = gst_pad_get_parent_element(culprit);
  g_autofree char* who = gst_object_get_path_string(GST_OBJECT(culprit));
  g_autofree char* ours = gst_caps_to_string(caps);
  g_autoptr(GstCaps) there = gst_pad_query_caps(culprit, nullptr);
  g_autofree char* theirs = gst_caps_to_string(there);
  ovi_plan plan{};
  plan.width = plan.height = 0;
  const GstStructure* first = gst_caps_get_structure(caps, 0);
  gint width = 0, height = 0;
  gst_structure_get_int(first, "width", &width);
  gst_structure_get_int(first, "height", &height);
  plan.width = static_cast<uint32_t>(width);
  plan.height = static_cast<uint32_t>(height);
  return Failure{GST_CORE_ERROR, GST_CORE_ERROR_NEGOTIATION,
                 std::string("The element ") + (element ? GST_OBJECT_NAME(element) : "") +
                     " behind the " + name() + " pad refused " + described(*this, plan) +
                     ", or look at its settings.",
                 std::string("told: ") + ours + "\nto: " + who + "\ntaken there: " + theirs};
}

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
  std::optional<Failure> refused, unfit;
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
      gst_stream_set_caps(gst_stream_, caps);
      const bool news = !current || !gst_caps_is_equal(current, caps);
      if (news) push_event(gst_event_new_caps(caps));
      if (kind_ == Kind::kVideo)
        unfit = allocation_.negotiate(pad_, caps);
      else if (news)
        pass_queues(pad_, caps);
      if (news && !unfit) refused = refused_behind(lock, caps);
    }
  }

  if (!lock.owns_lock()) lock.lock();
  gst_caps_replace(&caps_, caps);
  gst_clear_caps(&caps);
  if (!linked) return handle_flow(lock, GST_FLOW_NOT_LINKED);
  if (refused || unfit) {
    lock.unlock();
    if (unfit)
      source_.fail(*unfit, GST_FLOW_ERROR);
    else
      source_.fail(*refused, GST_FLOW_NOT_NEGOTIATED);
    return;
  }
  set_link(Link::kNegotiated);
  width_ = plan.width;
  height_ = plan.height;
  GST_INFO_OBJECT(pad_, "agreed on %" GST_PTR_FORMAT, caps_);
  source_.changed.notify_all();
  if (source_.streams_told) source_.tell_streams(lock, plan);
}

}  // namespace ovii2v
