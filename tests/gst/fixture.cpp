// What the tests of the element share: an element, its bus, the fake engine.
// SPDX-License-Identifier: Apache-2.0
#include "fixture.h"

#include <gmodule.h>
#include <sys/mman.h>
#include <unistd.h>

#include <map>

namespace fixture {

bool isolated() { return !g_strcmp0(g_getenv("OVI_TEST_ISOLATION"), "process"); }

void isolate() { g_setenv("OVI_TEST_ISOLATION", "process", TRUE); }

/// Before an engine is opened: its state is to be that of this process.
static void share_fake() {
  static pid_t owner = 0;
  if (!isolated() || owner == getpid()) return;
  owner = getpid();
  const int file = memfd_create("fake", MFD_CLOEXEC);
  const std::string path = "/proc/" + std::to_string(getpid()) + "/fd/" + std::to_string(file);
  g_setenv("OVI_FAKE_SHARED", path.c_str(), TRUE);
}

const ovi_fake_api& fake() {
  share_fake();
  static const ovi_fake_api* api = nullptr;
  if (api) return *api;
  GModule* module = g_module_open(g_getenv("OVII2V_ENGINE_PATH"), G_MODULE_BIND_LAZY);
  gpointer symbol = nullptr;
  fail_unless(module && g_module_symbol(module, "ovi_fake", &symbol), "no fake engine: %s",
              g_module_error());
  api = reinterpret_cast<const ovi_fake_api* (*)()>(symbol)();
  return *api;
}

GstElement* make_source_bare() {
  GstElement* source = gst_element_factory_make("ovii2vsrc", nullptr);
  fail_unless(source != nullptr, "ovii2vsrc is not registered");
  share_fake();
  if (isolated()) gst_util_set_object_arg(G_OBJECT(source), "isolation", "process");
  gst_object_ref_sink(source);
  GstBus* bus = gst_bus_new();
  gst_element_set_bus(source, bus);
  gst_object_unref(bus);
  return source;
}

GstElement* make_source() {
  GstElement* source = make_source_bare();
  g_object_set(source, "prompt", "A cat. <S>Meow<E>", "model-path", ".", "seed",
               G_GINT64_CONSTANT(5), "steps", 4, nullptr);
  return source;
}

void drop(GstElement* source) {
  fail_unless_equals_int(gst_element_set_state(source, GST_STATE_NULL), GST_STATE_CHANGE_SUCCESS);
  gst_element_set_bus(source, nullptr);
  ASSERT_OBJECT_REFCOUNT(source, "source", 1);
  gst_object_unref(source);
}

static Posted posted(GstMessage* message) {
  Posted out{GST_MESSAGE_TYPE(message)};
  if (out.type == GST_MESSAGE_ERROR || out.type == GST_MESSAGE_WARNING) {
    GError* error = nullptr;
    char* debug = nullptr;
    if (out.type == GST_MESSAGE_ERROR)
      gst_message_parse_error(message, &error, &debug);
    else
      gst_message_parse_warning(message, &error, &debug);
    out.domain = error->domain;
    out.code = error->code;
    out.text = error->message;
    out.debug = debug ? debug : "";
    g_error_free(error);
    g_free(debug);
  } else if (out.type == GST_MESSAGE_PROGRESS) {
    char *code = nullptr, *text = nullptr;
    gst_message_parse_progress(message, &out.progress, &code, &text);
    out.stage = code;
    out.text = text;
    gst_structure_get_int(gst_message_get_structure(message), "percent", &out.percent);
    g_free(code);
    g_free(text);
  }
  return out;
}

std::vector<Posted> take_messages(GstElement* element) {
  std::vector<Posted> all;
  GstBus* bus = gst_element_get_bus(element);
  while (GstMessage* message = gst_bus_pop(bus)) {
    all.push_back(posted(message));
    gst_message_unref(message);
  }
  gst_object_unref(bus);
  return all;
}

Posted wait_error(GstElement* element, std::vector<Posted>* all) {
  GstBus* bus = gst_element_get_bus(element);
  while (GstMessage* message = gst_bus_timed_pop(bus, 10 * GST_SECOND)) {
    const Posted one = posted(message);
    gst_message_unref(message);
    if (all) all->push_back(one);
    if (one.type == GST_MESSAGE_ERROR) {
      gst_object_unref(bus);
      return one;
    }
  }
  ck_abort_msg("no error was posted");
  return {};
}

int check_progress_balance(const std::vector<Posted>& messages) {
  int starts = 0;
  std::string open;
  for (const Posted& one : messages) {
    if (one.type != GST_MESSAGE_PROGRESS) continue;
    if (one.progress == GST_PROGRESS_TYPE_START) {
      fail_unless(open.empty(), "%s begins while %s is open", one.stage.c_str(), open.c_str());
      open = one.stage;
      ++starts;
    } else {
      fail_unless_equals_string(one.stage.c_str(), open.c_str());
      if (one.progress != GST_PROGRESS_TYPE_CONTINUE) open.clear();
    }
  }
  fail_unless(open.empty(), "%s was never ended", open.c_str());
  return starts;
}

void check_error(const Posted& error, GQuark domain, int code, const char* part) {
  fail_unless(error.domain == domain && error.code == code, "%s %d: %s",
              g_quark_to_string(error.domain), error.code, error.text.c_str());
  fail_unless(error.text.find(part) != std::string::npos, "\"%s\" does not name \"%s\"",
              error.text.c_str(), part);
}

GstElement* make_pipeline(GstElement** source, bool video, bool audio,
                          const char* sink_properties) {
  share_fake();
  std::string line = "ovii2vsrc name=s prompt=cat model-path=. seed=5 steps=4";
  if (isolated()) line += " isolation=process";
  if (video) line += std::string("  s.video ! fakesink name=v ") + sink_properties;
  if (audio) line += std::string("  s.audio ! fakesink name=a ") + sink_properties;
  GstElement* pipeline =
      gst_parse_launch_full(line.c_str(), nullptr, GST_PARSE_FLAG_PLACE_IN_BIN, nullptr);
  GstElement* whole = gst_pipeline_new(nullptr);
  gst_bin_add(GST_BIN(whole), pipeline);
  if (source) {
    *source = gst_bin_get_by_name(GST_BIN(pipeline), "s");
    gst_object_unref(*source);
  }
  return whole;
}

GstMessageType play_to_end(GstElement* pipeline, Posted* error) {
  gst_element_set_state(pipeline, GST_STATE_PLAYING);
  GstBus* bus = gst_element_get_bus(pipeline);
  GstMessage* message = gst_bus_timed_pop_filtered(
      bus, 20 * GST_SECOND, static_cast<GstMessageType>(GST_MESSAGE_EOS | GST_MESSAGE_ERROR));
  fail_unless(message != nullptr, "neither EOS nor ERROR");
  const Posted one = posted(message);
  if (error) *error = one;
  gst_message_unref(message);
  gst_object_unref(bus);
  return one.type;
}

Pulled::~Pulled() {
  for (GstBuffer* buffer : buffers) gst_buffer_unref(buffer);
  for (GstEvent* event : events) gst_event_unref(event);
}

std::vector<GstEvent*> Pulled::of(GstEventType type) const {
  std::vector<GstEvent*> found;
  for (GstEvent* event : events)
    if (GST_EVENT_TYPE(event) == type) found.push_back(event);
  return found;
}

std::string Pulled::bytes() const {
  std::string all;
  for (GstBuffer* buffer : buffers) all += bytes_of(buffer);
  return all;
}

Block::Block(GstElement* source, const char* name)
    : pad(gst_element_get_static_pad(source, name)),
      probe(gst_pad_add_probe(
          pad, static_cast<GstPadProbeType>(GST_PAD_PROBE_TYPE_BLOCK | GST_PAD_PROBE_TYPE_BUFFER),
          [](GstPad*, GstPadProbeInfo*, gpointer) { return GST_PAD_PROBE_OK; }, nullptr, nullptr)) {
}

Block::~Block() {
  open();
  gst_object_unref(pad);
}

void Block::open() {
  if (probe) gst_pad_remove_probe(pad, probe);
  probe = 0;
}

std::string bytes_of(GstBuffer* buffer) {
  GstMapInfo map;
  fail_unless(gst_buffer_map(buffer, &map, GST_MAP_READ));
  std::string bytes(reinterpret_cast<char*>(map.data), map.size);
  gst_buffer_unmap(buffer, &map);
  return bytes;
}

Harnesses::Harnesses(GstElement* element, const char* video_caps, const char* audio_caps)
    : source(element),
      video(gst_harness_new_with_element(element, nullptr, "video")),
      audio(gst_harness_new_with_element(element, nullptr, "audio")) {
  gst_harness_set_sink_caps_str(video, video_caps);
  gst_harness_set_sink_caps_str(audio, audio_caps);
}

Harnesses::~Harnesses() {
  gst_element_set_state(source, GST_STATE_NULL);
  gst_harness_teardown(video);
  gst_harness_teardown(audio);
  gst_object_unref(source);
}

void Harnesses::pull_all(Pulled& frames, Pulled& sound) {
  for (auto [harness, out] : {std::pair{video, &frames}, {audio, &sound}}) {
    do {
      GstEvent* event = gst_harness_pull_event(harness);
      fail_unless(event != nullptr, "no EOS came");
      out->events.push_back(event);
    } while (GST_EVENT_TYPE(out->events.back()) != GST_EVENT_EOS);
    while (GstBuffer* buffer = gst_harness_try_pull(harness)) out->buffers.push_back(buffer);
  }
}

Consistent::Consistent(GstElement* source) {
  int i = 0;
  for (const char* name : {"video", "audio"}) {
    GstPad* pad = gst_element_get_static_pad(source, name);
    // The checker knows no collection of streams.
    gst_pad_add_probe(
        pad, GST_PAD_PROBE_TYPE_EVENT_DOWNSTREAM,
        [](GstPad*, GstPadProbeInfo* info, gpointer) {
          return GST_EVENT_TYPE(GST_PAD_PROBE_INFO_EVENT(info)) == GST_EVENT_STREAM_COLLECTION
                     ? GST_PAD_PROBE_DROP
                     : GST_PAD_PROBE_OK;
        },
        nullptr, nullptr);
    checkers[i++] = gst_consistency_checker_new(pad);
    gst_object_unref(pad);
  }
}

Consistent::~Consistent() {
  for (GstStreamConsistency* checker : checkers) gst_consistency_checker_free(checker);
}

std::string data_file(const char* name) {
  return std::string(g_getenv("OVI_EXAMPLES")) + "/" + name;
}

std::string scratch_file(const char* name, const void* data, size_t size) {
  static char* folder = g_dir_make_tmp("ovii2v-XXXXXX", nullptr);
  const std::string path = std::string(folder) + "/" + name;
  fail_unless(g_file_set_contents(path.c_str(), static_cast<const char*>(data),
                                  static_cast<gssize>(size), nullptr));
  return path;
}

}  // namespace fixture
