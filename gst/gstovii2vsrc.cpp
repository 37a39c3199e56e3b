// ovii2vsrc, the source element: its GObject side. What it does is in source.h.
// SPDX-License-Identifier: Apache-2.0

/**
 * SECTION:element-ovii2vsrc
 * @title: ovii2vsrc
 *
 * Makes a short clip, video and sound together, from a picture and a prompt (or
 * from a prompt alone) with Ovi. Both pads always exist; one of them may be left
 * unlinked.
 *
 * The model is loaded and the clip is made in a thread of the element; PROGRESS
 * messages with the codes `load`, `encode`, `generate` and `decode` tell how far
 * it is, in their text and in these fields: `clip` (guint64, from 0), `num-clips` (guint, 0:
 * without end), `percent` (gint, of all stages of the clip), `stage-percent` (gint) and `time-left`
 * (GstClockTime, of all stages; %GST_CLOCK_TIME_NONE while not known). The time is that of the clip
 * before; in the first one the stages count by usual shares, and the time is told from the first
 * step on. A clip that is tried again begins at 0 %.
 *
 * An element message named `ovii2v-clip` is posted once for each clip, before its first buffer
 * leaves on either pad: `index` (guint64, from 0), `seed` (gint64), `prompt`, `image` (strings; the
 * latter without secrets, "last frame of clip N" where one goes on from the one before, and absent
 * without a picture), `running-time`, `stream-time`, `timestamp` (GstClockTime, of the first frame,
 * or of the sound when nothing takes the video), `duration` (GstClockTime, of the whole clip), and
 * `repeat` (gboolean): a seek plays it again. Its sequence number is the segment's.
 *
 * With #GstOvii2vSrc:preview an element message named `ovii2v-preview` is posted every so many steps
 * while a clip is made: `index` (guint64, of the clip), `step`, `steps`, `frame` (guint; the frame of
 * the clip that it is near), `running-time` (GstClockTime, of the clip's begin;
 * %GST_CLOCK_TIME_NONE for live clips, which have none yet) and `sample` (#GstSample of raw video,
 * RGB, one frame of an eighth of the clip's size).
 *
 * Each clip has tags of its own. The comment is a record of everything that it was made from, as
 * JSON that files keep.
 *
 * The clip stays in memory until the element goes back to READY, so that
 * it can be seeked and looped. READY keeps the model, NULL frees it.
 *
 * With #GstOvii2vSrc:num-clips clip follows clip, the next one made while the last
 * one is played, with prompt and picture as they are set by then. With
 * #GstOvii2vSrc:is-live they are sent by the pipeline's clock.
 *
 * ## Example launch lines
 * |[
 * gst-launch-1.0 ovii2vsrc name=s image=astronaut.png model-path=/opt/ovi \
 *     prompt="She smiles. <S>Hello there.<E> <AUDCAP>A calm voice.<ENDAUDCAP>" \
 *     s.video ! queue ! videoconvert ! x264enc ! mp4mux name=m ! filesink location=clip.mp4 \
 *     s.audio ! queue ! audioresample ! audio/x-raw,rate=48000 ! avenc_aac ! m.
 * ]| Makes a clip and writes it to a file.
 * |[
 * gst-launch-1.0 ovii2vsrc name=s model-path=/opt/ovi seed=7 \
 *     prompt="Rain on a tin roof. <AUDCAP>Heavy rain.<ENDAUDCAP>" \
 *     s.video ! queue ! videoconvert ! autovideosink  s.audio ! queue ! audioconvert ! \
 *     audioresample ! autoaudiosink
 * ]| Makes a clip from a prompt alone and plays it.
 * |[
 * gst-launch-1.0 -e ovii2vsrc name=s image=astronaut.png model-path=/opt/ovi num-clips=4 \
 *     continuity=last-frame prompt="She walks on. <AUDCAP>Footsteps.<ENDAUDCAP>" \
 *     s.video ! queue ! videoconvert ! x264enc ! mp4mux name=m ! filesink location=long.mp4 \
 *     s.audio ! queue ! audioresample ! audio/x-raw,rate=48000 ! avenc_aac ! m.
 * ]| Makes one film of four clips (481 frames), each from the last frame of the one before.
 * |[
 * gst-launch-1.0 -e ovii2vsrc name=s model-path=/opt/ovi num-clips=0 is-live=true \
 *     prompt="A fireplace. <AUDCAP>Crackling fire.<ENDAUDCAP>" \
 *     compositor name=c ! videoconvert ! autovideosink \
 *     audiomixer name=a ! audioconvert ! audioresample ! autoaudiosink \
 *     videotestsrc is-live=true pattern=black ! video/x-raw,width=992,height=512 ! c. \
 *     s.video ! queue ! c.  s.audio ! queue ! a.
 * ]| Goes on without end beside another live source, which is seen while nothing is ready.
 */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif

#include "gstovii2vsrc.h"

#include "presets.h"
#include "settings_ids.h"
#include "source.h"
#include "stream/caps.h"
#include "stream/host_memory.h"
#include "uri.h"

GST_DEBUG_CATEGORY(gst_ovii2v_src_debug);

/**
 * GstOvii2vSrc!video:
 *
 * Frames of the size that follows from the picture and the variant, 24 a second.
 */
static GstStaticPadTemplate video_template = GST_STATIC_PAD_TEMPLATE(
    "video", GST_PAD_SRC, GST_PAD_ALWAYS, GST_STATIC_CAPS(OVII2V_VIDEO_CAPS));

/**
 * GstOvii2vSrc!audio:
 *
 * Mono sound, 16000 samples a second. It ends a little before the last frame
 * does, and is not padded.
 */
static GstStaticPadTemplate audio_template = GST_STATIC_PAD_TEMPLATE(
    "audio", GST_PAD_SRC, GST_PAD_ALWAYS, GST_STATIC_CAPS(OVII2V_AUDIO_CAPS));

struct _GstOvii2vSrc {
  GstElement parent;
  ovii2v::Source* source;
};

static void gst_ovii2v_src_uri_handler_init(gpointer iface, gpointer);

#define gst_ovii2v_src_parent_class parent_class
G_DEFINE_TYPE_WITH_CODE(GstOvii2vSrc, gst_ovii2v_src, GST_TYPE_ELEMENT,
                        GST_DEBUG_CATEGORY_INIT(gst_ovii2v_src_debug, "ovii2vsrc", 0,
                                                "Ovi image-to-video source");
                        G_IMPLEMENT_INTERFACE(GST_TYPE_URI_HANDLER,
                                              gst_ovii2v_src_uri_handler_init);
                        G_IMPLEMENT_INTERFACE(GST_TYPE_PRESET, ovii2v::init_presets))
GST_ELEMENT_REGISTER_DEFINE(ovii2vsrc, "ovii2vsrc", GST_RANK_NONE, GST_TYPE_OVII2V_SRC)

static void gst_ovii2v_src_set_property(GObject* object, guint id, const GValue* value,
                                        GParamSpec* spec) {
  ovii2v::Source& source = *GST_OVII2V_SRC(object)->source;
  std::unique_lock held(source.lock);
  const bool known = source.settings.set(id, value);
  const bool late = source.running && !ovii2v::Settings::may_change_while_running(id);
  const bool longer =
      id == ovii2v::kNumClips && source.set_num_clips(held, source.settings.num_clips);
  held.unlock();
  if (longer)
    gst_element_post_message(GST_ELEMENT(object),
                             gst_message_new_duration_changed(GST_OBJECT(object)));
  if (!known)
    G_OBJECT_WARN_INVALID_PROPERTY_ID(object, id, spec);
  else if (late)
    GST_WARNING_OBJECT(object, "%s counts from the next time the element leaves READY", spec->name);
}

static void gst_ovii2v_src_get_property(GObject* object, guint id, GValue* value,
                                        GParamSpec* spec) {
  ovii2v::Source& source = *GST_OVII2V_SRC(object)->source;
  std::lock_guard guard(source.lock);
  if (id == ovii2v::Settings::end_id())
    g_value_set_boxed(value, source.stats);
  else if (!source.settings.get(id, value))
    G_OBJECT_WARN_INVALID_PROPERTY_ID(object, id, spec);
}

static GstStateChangeReturn gst_ovii2v_src_change_state(GstElement* element,
                                                        GstStateChange transition) {
  ovii2v::Source& source = *GST_OVII2V_SRC(element)->source;
  switch (transition) {
    case GST_STATE_CHANGE_NULL_TO_READY:
      if (!source.open()) return GST_STATE_CHANGE_FAILURE;
      break;
    case GST_STATE_CHANGE_READY_TO_PAUSED:
      try {
        if (!source.start()) return GST_STATE_CHANGE_FAILURE;
      } catch (const std::bad_alloc&) {
        ovii2v::post_error(element, ovii2v::out_of_host_memory("the settings"));
        return GST_STATE_CHANGE_FAILURE;
      }
      break;
    case GST_STATE_CHANGE_PAUSED_TO_PLAYING:
      source.play(true);
      break;
    case GST_STATE_CHANGE_PLAYING_TO_PAUSED:
      source.play(false);
      break;
    case GST_STATE_CHANGE_PAUSED_TO_READY:
      // Before the parent class waits for the pads' tasks.
      source.begin_stop();
      break;
    default:
      break;
  }
  GstStateChangeReturn result = GST_ELEMENT_CLASS(parent_class)->change_state(element, transition);
  switch (transition) {
    case GST_STATE_CHANGE_READY_TO_PAUSED:
      if (result != GST_STATE_CHANGE_FAILURE) {
        if (source.run.is_live) result = GST_STATE_CHANGE_NO_PREROLL;
        source.started();
        break;
      }
      source.begin_stop();
      source.finish_stop();
      break;
    case GST_STATE_CHANGE_PLAYING_TO_PAUSED:
      if (result != GST_STATE_CHANGE_FAILURE && source.run.is_live)
        result = GST_STATE_CHANGE_NO_PREROLL;
      break;
    case GST_STATE_CHANGE_PAUSED_TO_READY:
      source.finish_stop();
      break;
    case GST_STATE_CHANGE_READY_TO_NULL:
      source.close();
      break;
    default:
      break;
  }
  return result;
}

static void gst_ovii2v_src_finish(GstOvii2vSrc* self) { self->source->finish_after_clip(); }

static gboolean gst_ovii2v_src_send_event(GstElement* element, GstEvent* event) {
  GST_DEBUG_OBJECT(element, "got %" GST_PTR_FORMAT, event);
  return GST_OVII2V_SRC(element)->source->send_event(event);
}

static gboolean gst_ovii2v_src_query(GstElement* element, GstQuery* query) {
  bool answered = false;
  const bool result = GST_OVII2V_SRC(element)->source->element_query(query, answered);
  return answered ? result : GST_ELEMENT_CLASS(parent_class)->query(element, query);
}

static gchar* gst_ovii2v_src_get_uri(GstURIHandler* handler) {
  ovii2v::Source& source = *GST_OVII2V_SRC(handler)->source;
  std::lock_guard guard(source.lock);
  return g_strdup(ovii2v::uri_from_settings(source.settings, G_OBJECT_GET_CLASS(handler)).c_str());
}

static gboolean gst_ovii2v_src_set_uri(GstURIHandler* handler, const gchar* uri, GError** error) {
  ovii2v::Source& source = *GST_OVII2V_SRC(handler)->source;
  auto settings = ovii2v::settings_from_uri(uri, G_OBJECT_GET_CLASS(handler), error);
  if (!settings) return FALSE;
  std::lock_guard guard(source.lock);
  if (source.running) {
    g_set_error_literal(error, GST_URI_ERROR, GST_URI_ERROR_BAD_STATE,
                        "The URI of ovii2vsrc is set in NULL or READY.");
    return FALSE;
  }
  source.settings = *settings;
  // The same URI, the same streams: editors know again by that what they have discovered. Not the
  // URI itself, which may hold secrets.
  const std::string whole = ovii2v::uri_from_settings(*settings, G_OBJECT_GET_CLASS(handler));
  g_autofree char* sum = g_compute_checksum_for_string(G_CHECKSUM_SHA256, whole.c_str(), -1);
  source.uri = std::string("ovii2v:") + sum;
  return TRUE;
}

static void gst_ovii2v_src_uri_handler_init(gpointer iface, gpointer) {
  auto* handler = static_cast<GstURIHandlerInterface*>(iface);
  handler->get_type = [](GType) { return GST_URI_SRC; };
  handler->get_protocols = [](GType) -> const gchar* const* {
    static const gchar* const protocols[] = {ovii2v::kUriScheme, nullptr};
    return protocols;
  };
  handler->get_uri = gst_ovii2v_src_get_uri;
  handler->set_uri = gst_ovii2v_src_set_uri;
}

static void gst_ovii2v_src_finalize(GObject* object) {
  delete GST_OVII2V_SRC(object)->source;
  G_OBJECT_CLASS(parent_class)->finalize(object);
}

static void gst_ovii2v_src_class_init(GstOvii2vSrcClass* klass) {
  auto* object_class = G_OBJECT_CLASS(klass);
  auto* element_class = GST_ELEMENT_CLASS(klass);

  object_class->set_property = gst_ovii2v_src_set_property;
  object_class->get_property = gst_ovii2v_src_get_property;
  object_class->finalize = gst_ovii2v_src_finalize;
  ovii2v::Settings::install(object_class);
  /**
   * GstOvii2vSrc:stats:
   *
   * What the last clip was really made with and from, and how long each stage took, as a
   * structure named `ovii2v-stats`; %NULL before the first one is done. Notified
   * when it changes, which is before PROGRESS `decode` is COMPLETE. `steps`, `memory` and
   * `acceleration` are what was done, `asked-steps` and so on what was set.
   */
  g_object_class_install_property(
      object_class, ovii2v::Settings::end_id(),
      g_param_spec_boxed("stats", "Statistics", "What the last clip was made from and with, times, memory",
                         GST_TYPE_STRUCTURE,
                         static_cast<GParamFlags>(G_PARAM_READABLE | G_PARAM_STATIC_STRINGS)));

  /**
   * GstOvii2vSrc::finish:
   * @self: the element
   *
   * The clip that plays now is the last one: both pads end with it, at one running time (its
   * sound is filled up with silence to the last frame), and a later clip that is being made is
   * given up. Where none was begun, as in PAUSED, the first one is the last. Between two live
   * clips both pads end at once. Unlike with an EOS event nothing is cut off. Without effect in
   * NULL and READY.
   */
  g_signal_new_class_handler("finish", G_TYPE_FROM_CLASS(klass),
                             static_cast<GSignalFlags>(G_SIGNAL_RUN_LAST | G_SIGNAL_ACTION),
                             G_CALLBACK(gst_ovii2v_src_finish), nullptr, nullptr, nullptr,
                             G_TYPE_NONE, 0);

  element_class->change_state = GST_DEBUG_FUNCPTR(gst_ovii2v_src_change_state);
  element_class->send_event = GST_DEBUG_FUNCPTR(gst_ovii2v_src_send_event);
  element_class->query = GST_DEBUG_FUNCPTR(gst_ovii2v_src_query);
  gst_element_class_add_static_pad_template(element_class, &video_template);
  gst_element_class_add_static_pad_template(element_class, &audio_template);
  gst_element_class_set_static_metadata(
      element_class, "Ovi image-to-video source", "Source/Video/Audio",
      "Generates video and sound from a picture and a prompt", "The ovii2v authors");
}

static void gst_ovii2v_src_init(GstOvii2vSrc* self) {
  GstElement* element = GST_ELEMENT(self);
  GstElementClass* klass = GST_ELEMENT_GET_CLASS(self);
  // So that a bin sends it EOS events (gst-launch-1.0 -e).
  GST_OBJECT_FLAG_SET(self, GST_ELEMENT_FLAG_SOURCE);
  self->source = new ovii2v::Source(element);
  self->source->video.add_pad(element, gst_element_class_get_pad_template(klass, "video"));
  self->source->audio.add_pad(element, gst_element_class_get_pad_template(klass, "audio"));
}
