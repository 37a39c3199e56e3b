// Whose memory the frames lie in: the engine's, or a pool of a peer that needs its own.
// SPDX-License-Identifier: Apache-2.0
#include <gst/video/gstvideopool.h>
#include <gst/video/video.h>

#include "fixture.h"

using namespace fixture;

namespace {

enum class Offer { kNothing, kPool, kAlignedPool, kAlignedPoolAndMeta, kLargerPool };

struct Peer {
  Offer offer;
  int asked = 0;
};

/// Answers as a sink would that has buffers of its own.
gboolean answer(GstPad* pad, GstObject* parent, GstQuery* query) {
  auto* peer = static_cast<Peer*>(g_object_get_data(G_OBJECT(pad), "peer"));
  if (GST_QUERY_TYPE(query) != GST_QUERY_ALLOCATION)
    return gst_pad_query_default(pad, parent, query);
  ++peer->asked;
  GstCaps* caps = nullptr;
  gst_query_parse_allocation(query, &caps, nullptr);
  GstVideoInfo info;
  fail_unless(gst_video_info_from_caps(&info, caps));
  if (peer->offer == Offer::kNothing) return TRUE;
  GstBufferPool* pool = gst_video_buffer_pool_new();
  GstStructure* config = gst_buffer_pool_get_config(pool);
  const guint size = static_cast<guint>(GST_VIDEO_INFO_SIZE(&info)) +
                     (peer->offer == Offer::kLargerPool ? 4096 : 0);
  gst_buffer_pool_config_set_params(config, caps, size, 0, 0);
  if (peer->offer == Offer::kAlignedPool || peer->offer == Offer::kAlignedPoolAndMeta) {
    GstVideoAlignment alignment;
    gst_video_alignment_reset(&alignment);
    alignment.padding_left = alignment.padding_right = 16;
    alignment.padding_bottom = 2;
    gst_buffer_pool_config_add_option(config, GST_BUFFER_POOL_OPTION_VIDEO_META);
    gst_buffer_pool_config_add_option(config, GST_BUFFER_POOL_OPTION_VIDEO_ALIGNMENT);
    gst_buffer_pool_config_set_video_alignment(config, &alignment);
  }
  fail_unless(gst_buffer_pool_set_config(pool, config));
  gst_query_add_allocation_pool(query, pool, size, 0, 0);
  if (peer->offer == Offer::kAlignedPoolAndMeta)
    gst_query_add_allocation_meta(query, GST_VIDEO_META_API_TYPE, nullptr);
  gst_object_unref(pool);
  return TRUE;
}

std::string visible(GstBuffer* buffer, const GstVideoInfo& info) {
  std::string all;
  GstVideoFrame frame;
  fail_unless(gst_video_frame_map(&frame, &info, buffer, GST_MAP_READ));
  for (guint c = 0; c < 3; ++c)
    for (int y = 0; y < GST_VIDEO_FRAME_COMP_HEIGHT(&frame, c); ++y)
      all.append(reinterpret_cast<char*>(GST_VIDEO_FRAME_COMP_DATA(&frame, c)) +
                     y * GST_VIDEO_FRAME_COMP_STRIDE(&frame, c),
                 static_cast<size_t>(GST_VIDEO_FRAME_COMP_WIDTH(&frame, c)));
  gst_video_frame_unmap(&frame);
  return all;
}

/// The visible bytes of the clip; `copied` says whether a pool's buffers came.
std::string take_clip(Offer offer, bool& copied) {
  Peer peer{offer};
  Harnesses pads(make_source());
  g_object_set_data(G_OBJECT(pads.video->sinkpad), "peer", &peer);
  gst_pad_set_query_function(pads.video->sinkpad, answer);
  pads.play();
  Pulled frames, sound;
  pads.pull_all(frames, sound);
  fail_unless_equals_int(peer.asked, 1);
  fail_unless_equals_int(frames.buffers.size(), 121);
  GstCaps* caps = nullptr;
  gst_event_parse_caps(frames.of(GST_EVENT_CAPS).at(0), &caps);
  GstVideoInfo info;
  fail_unless(gst_video_info_from_caps(&info, caps));
  std::string all;
  copied = frames.buffers[0]->pool != nullptr;
  guint64 index = 0;
  for (GstBuffer* buffer : frames.buffers) {
    fail_unless_equals_int(buffer->pool != nullptr, copied);
    fail_unless_equals_uint64(GST_BUFFER_PTS(buffer), index * GST_SECOND / 24);
    fail_unless_equals_uint64(GST_BUFFER_OFFSET(buffer), index);
    fail_unless_equals_int(GST_BUFFER_FLAG_IS_SET(buffer, GST_BUFFER_FLAG_DISCONT), index == 0);
    ++index;
    if (offer == Offer::kAlignedPool)
      fail_unless(gst_buffer_get_video_meta(buffer)->stride[0] > GST_VIDEO_INFO_WIDTH(&info));
    all += visible(buffer, info);
  }
  return all;
}

}  // namespace

GST_START_TEST(frames_are_copied_only_for_who_needs_it) {
  bool copied = true;
  const std::string plain = take_clip(Offer::kNothing, copied);
  fail_unless(!copied);
  for (const auto& [offer, wanted] : {std::pair{Offer::kPool, false},
                                      {Offer::kAlignedPool, true},
                                      {Offer::kAlignedPoolAndMeta, false},
                                      {Offer::kLargerPool, true}}) {
    fail_unless(take_clip(offer, copied) == plain, "offer %d", static_cast<int>(offer));
    fail_unless_equals_int(copied, wanted);
    fail_unless_equals_int(fake().counters().buffers, 0);
  }
}
GST_END_TEST

GST_START_TEST(a_pool_that_is_empty_does_not_hold_a_stop) {
  // A queue of one buffer: the task waits for the pool while the state changes.
  Peer peer{Offer::kAlignedPool};
  Harnesses pads(make_source());
  g_object_set_data(G_OBJECT(pads.video->sinkpad), "peer", &peer);
  gst_pad_set_query_function(
      pads.video->sinkpad, [](GstPad* pad, GstObject* parent, GstQuery* query) -> gboolean {
        if (!answer(pad, parent, query)) return FALSE;
        if (GST_QUERY_TYPE(query) != GST_QUERY_ALLOCATION) return TRUE;
        GstBufferPool* pool = nullptr;
        guint size;
        gst_query_parse_nth_allocation_pool(query, 0, &pool, &size, nullptr, nullptr);
        gst_query_set_nth_allocation_pool(query, 0, pool, size, 2, 2);
        gst_object_unref(pool);
        return TRUE;
      });
  pads.play();
  GstBuffer* held[] = {gst_harness_pull(pads.video), gst_harness_pull(pads.video)};
  fail_unless(held[0] && held[1]);
  gst_element_set_state(pads.source, GST_STATE_READY);
  for (GstBuffer* buffer : held) gst_buffer_unref(buffer);
}
GST_END_TEST

/// A pool of a peer that needs it (its frames are larger), and that does not work.
enum class Broken { kNot, kConfig, kOtherCaps, kStart, kAcquire, kStopped, kSmall, kAlloc };

struct BrokenPool {
  GstBufferPool parent;
  Broken how;
};
struct BrokenPoolClass {
  GstBufferPoolClass parent;
};
GType broken_pool_get_type();
G_DEFINE_TYPE(BrokenPool, broken_pool, GST_TYPE_BUFFER_POOL)

static Broken how_of(GstBufferPool* pool) { return reinterpret_cast<BrokenPool*>(pool)->how; }

static void broken_pool_init(BrokenPool* pool) { pool->how = Broken::kNot; }

static void broken_pool_class_init(BrokenPoolClass* klass) {
  GstBufferPoolClass& pool_class = klass->parent;
  pool_class.set_config = [](GstBufferPool* pool, GstStructure* config) -> gboolean {
    if (how_of(pool) == Broken::kConfig) {
      GST_BUFFER_POOL_CLASS(broken_pool_parent_class)->set_config(pool, config);
      return FALSE;
    }
    if (how_of(pool) == Broken::kOtherCaps) {
      GstCaps* other = gst_caps_from_string("video/x-raw,format=RGB,width=16,height=16");
      gst_buffer_pool_config_set_params(config, other, 768, 0, 0);
      gst_caps_unref(other);
      GST_BUFFER_POOL_CLASS(broken_pool_parent_class)->set_config(pool, config);
      return FALSE;
    }
    return GST_BUFFER_POOL_CLASS(broken_pool_parent_class)->set_config(pool, config);
  };
  pool_class.start = [](GstBufferPool* pool) -> gboolean {
    return how_of(pool) != Broken::kStart &&
           GST_BUFFER_POOL_CLASS(broken_pool_parent_class)->start(pool);
  };
  pool_class.acquire_buffer = [](GstBufferPool* pool, GstBuffer** buffer,
                                 GstBufferPoolAcquireParams* params) -> GstFlowReturn {
    if (how_of(pool) == Broken::kAcquire) return GST_FLOW_ERROR;
    if (how_of(pool) == Broken::kStopped) return GST_FLOW_FLUSHING;
    return GST_BUFFER_POOL_CLASS(broken_pool_parent_class)->acquire_buffer(pool, buffer, params);
  };
  pool_class.alloc_buffer = [](GstBufferPool* pool, GstBuffer** buffer,
                               GstBufferPoolAcquireParams* params) -> GstFlowReturn {
    if (how_of(pool) == Broken::kAlloc) return GST_FLOW_ERROR;
    if (how_of(pool) == Broken::kSmall) {
      *buffer = gst_buffer_new_allocate(nullptr, 100, nullptr);
      return GST_FLOW_OK;
    }
    return GST_BUFFER_POOL_CLASS(broken_pool_parent_class)->alloc_buffer(pool, buffer, params);
  };
}

static gboolean offer_broken(GstPad* pad, GstObject* parent, GstQuery* query) {
  if (GST_QUERY_TYPE(query) != GST_QUERY_ALLOCATION)
    return gst_pad_query_default(pad, parent, query);
  GstCaps* caps = nullptr;
  gst_query_parse_allocation(query, &caps, nullptr);
  GstVideoInfo info;
  fail_unless(gst_video_info_from_caps(&info, caps));
  auto* pool = static_cast<BrokenPool*>(g_object_new(broken_pool_get_type(), nullptr));
  pool->how = static_cast<Broken>(GPOINTER_TO_INT(g_object_get_data(G_OBJECT(pad), "how")));
  gst_query_add_allocation_pool(query, &pool->parent,
                                static_cast<guint>(GST_VIDEO_INFO_SIZE(&info)) + 4096, 0, 0);
  gst_object_unref(gst_object_ref_sink(pool));
  return TRUE;
}

GST_START_TEST(a_pool_that_does_not_work_is_an_error) {
  for (Broken how : {Broken::kNot, Broken::kConfig, Broken::kOtherCaps, Broken::kStart,
                     Broken::kAcquire, Broken::kStopped, Broken::kSmall, Broken::kAlloc}) {
    fake().reset();
    Harnesses pads(make_source());
    g_object_set_data(G_OBJECT(pads.video->sinkpad), "how", GINT_TO_POINTER(static_cast<int>(how)));
    gst_pad_set_query_function(pads.video->sinkpad, offer_broken);
    pads.play();
    Pulled frames, sound;
    if (how == Broken::kNot) {
      pads.pull_all(frames, sound);
      fail_unless_equals_int(frames.buffers.size(), 121);
      fail_unless(frames.buffers[0]->pool != nullptr);
      continue;
    }
    std::vector<Posted> all;
    check_error(wait_error(pads.source, &all), GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_FAILED,
                "buffer pool");
    pads.pull_all(frames, sound);  // both are told of the end
    fail_unless_equals_int(frames.buffers.size(), 0);
    int errors = 0;
    for (const Posted& one : all) errors += one.type == GST_MESSAGE_ERROR;
    fail_unless_equals_int(errors, 1);
  }
}
GST_END_TEST

/// What uses the pool comes and goes while frames are copied into its buffers.
GST_START_TEST(a_pool_goes_with_what_is_linked) {
  Peer peer{Offer::kAlignedPool};
  const char* named = g_getenv("OVI_CYCLES");
  const int cycles = named ? atoi(named) : 24;
  GstElement* source = make_source();
  for (int i = 0; i < cycles; ++i) {
    GstElement* pipeline = gst_pipeline_new(nullptr);
    GstElement* video = gst_element_factory_make("fakesink", nullptr);
    GstElement* audio = gst_element_factory_make("fakesink", nullptr);
    for (GstElement* sink : {video, audio}) g_object_set(sink, "sync", FALSE, nullptr);
    gst_bin_add_many(GST_BIN(pipeline), GST_ELEMENT(gst_object_ref(source)), video, audio, nullptr);
    GstPad* sink = gst_element_get_static_pad(video, "sink");
    g_object_set_data(G_OBJECT(sink), "peer", &peer);
    gst_pad_set_query_function(sink, answer);
    fail_unless(gst_element_link_pads(source, "video", video, "sink"));
    fail_unless(gst_element_link_pads(source, "audio", audio, "sink"));
    gst_element_set_state(pipeline, GST_STATE_PLAYING);
    if (i % 4 < 2)  // frames are on their way, or not yet
      fail_unless_equals_int(gst_element_get_state(pipeline, nullptr, nullptr, 10 * GST_SECOND),
                             GST_STATE_CHANGE_SUCCESS);
    if (i % 6 == 1) {
      gst_element_send_event(source, gst_event_new_flush_start());
      gst_element_send_event(source, gst_event_new_flush_stop(TRUE));
    } else if (i % 6 == 3) {
      GstPad* ours = gst_element_get_static_pad(source, "video");
      gst_pad_unlink(ours, sink);
      gst_element_set_state(video, GST_STATE_READY);
      gst_pad_link(ours, sink);
      gst_element_sync_state_with_parent(video);
      gst_object_unref(ours);
    } else if (i % 6 == 5) {
      gst_element_set_state(video, GST_STATE_NULL);
    }
    gst_object_unref(sink);
    gst_element_set_state(pipeline, i % 2 ? GST_STATE_NULL : GST_STATE_READY);
    gst_element_set_state(pipeline, GST_STATE_NULL);
    GstBus* bus = gst_element_get_bus(pipeline);
    GstMessage* error = gst_bus_pop_filtered(bus, GST_MESSAGE_ERROR);
    fail_unless(error == nullptr, "cycle %d", i);
    gst_object_unref(bus);
    gst_bin_remove(GST_BIN(pipeline), source);
    gst_object_unref(pipeline);
  }
  gst_object_unref(source);
}
GST_END_TEST

OVI_TEST_MAIN(allocation, OVI_TEST(frames_are_copied_only_for_who_needs_it)
                              OVI_TEST(a_pool_that_is_empty_does_not_hold_a_stop)
                                  OVI_TEST(a_pool_that_does_not_work_is_an_error)
                                      OVI_TEST(a_pool_goes_with_what_is_linked))
