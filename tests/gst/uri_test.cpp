// The element as what opens ovi: URIs, by itself and inside players.
// SPDX-License-Identifier: Apache-2.0
#include "fixture.h"

using namespace fixture;

namespace {

constexpr const char* kClip = "ovi:?prompt=A%20cat.%20%3CS%3EMeow%3CE%3E&model=.&seed=5&steps=4";

std::string uri_of(GstElement* source) {
  g_autofree char* uri = gst_uri_handler_get_uri(GST_URI_HANDLER(source));
  return uri;
}

void set_uri(GstElement* source, const char* uri) {
  g_autoptr(GError) error = nullptr;
  fail_unless(gst_uri_handler_set_uri(GST_URI_HANDLER(source), uri, &error), "%s: %s", uri,
              error ? error->message : "no error");
}

/// Plays to the end. As with a real model, the first frame is shown before the last one is made:
/// decodebin3 of GStreamer 1.22 now and then loses a stream that ends before the other is known.
void check_plays(GstElement* player) {
  fake().hold(OVI_FAKE_DECODE);
  gst_element_set_state(player, GST_STATE_PLAYING);
  GstBus* bus = gst_element_get_bus(player);
  const auto wait = [&](GstMessageType wanted) {
    GstMessage* message = gst_bus_timed_pop_filtered(
        bus, 20 * GST_SECOND, static_cast<GstMessageType>(wanted | GST_MESSAGE_ERROR));
    fail_unless(message != nullptr, "no %s came", gst_message_type_get_name(wanted));
    fail_unless(GST_MESSAGE_TYPE(message) == wanted, "%" GST_PTR_FORMAT, message);
    gst_message_unref(message);
  };
  wait(GST_MESSAGE_ASYNC_DONE);
  fake().release(OVI_FAKE_DECODE);
  wait(GST_MESSAGE_EOS);
  gst_object_unref(bus);
}

GstElement* counting_sink(gint* buffers, gint* bytes) {
  GstElement* sink = gst_element_factory_make("fakesink", nullptr);
  g_object_set(sink, "sync", FALSE, "signal-handoffs", TRUE, nullptr);
  g_signal_connect(sink, "handoff",
                   G_CALLBACK(+[](GstElement*, GstBuffer*, GstPad*, gpointer count) {
                     g_atomic_int_inc(static_cast<gint*>(count));
                   }),
                   buffers);
  if (bytes)
    g_signal_connect(sink, "handoff",
                     G_CALLBACK(+[](GstElement*, GstBuffer* buffer, GstPad*, gpointer count) {
                       g_atomic_int_add(static_cast<gint*>(count),
                                        static_cast<gint>(gst_buffer_get_size(buffer)));
                     }),
                     bytes);
  return sink;
}

void check_bin(const char* factory) {
  fake().clip_size(121, 80384);
  GstElement* player = gst_pipeline_new(nullptr);
  GstElement* bin = gst_element_factory_make(factory, nullptr);
  fail_unless(bin != nullptr, "%s", factory);
  gint frames = 0, blocks = 0;
  GstElement* video = counting_sink(&frames, nullptr);
  GstElement* audio = counting_sink(&blocks, nullptr);
  gst_bin_add_many(GST_BIN(player), bin, video, audio, nullptr);
  g_object_set(bin, "uri", kClip, nullptr);
  struct Sinks {
    GstElement *video, *audio;
  } sinks{video, audio};
  g_signal_connect(bin, "pad-added", G_CALLBACK(+[](GstElement*, GstPad* pad, gpointer user) {
                     auto* both = static_cast<Sinks*>(user);
                     g_autoptr(GstCaps) caps = gst_pad_query_caps(pad, nullptr);
                     const char* what = gst_structure_get_name(gst_caps_get_structure(caps, 0));
                     GstElement* sink =
                         g_str_equal(what, "video/x-raw") ? both->video : both->audio;
                     g_autoptr(GstPad) end = gst_element_get_static_pad(sink, "sink");
                     fail_unless_equals_int(gst_pad_link(pad, end), GST_PAD_LINK_OK);
                   }),
                   &sinks);
  check_plays(player);
  fail_unless_equals_int(frames, 121);
  fail_unless_equals_int(blocks, 79);  // of 1024 samples
  gst_element_set_state(player, GST_STATE_NULL);
  gst_object_unref(player);
}

void check_player(const char* factory) {
  fake().clip_size(121, 80384);
  GstElement* player = gst_element_factory_make(factory, nullptr);
  fail_unless(player != nullptr, "%s", factory);
  gint frames = 0, blocks = 0, bytes = 0;
  g_object_set(player, "uri", kClip, "video-sink", counting_sink(&frames, nullptr), "audio-sink",
               counting_sink(&blocks, &bytes), nullptr);
  check_plays(player);
  fail_unless_equals_int(frames, 121);
  fail_unless(blocks > 0 && bytes > 0);
  gst_element_set_state(player, GST_STATE_NULL);
  gst_object_unref(player);
}

}  // namespace

GST_START_TEST(every_setting_has_a_place_in_a_uri) {
  GstElement* source = make_source_bare();
  fail_unless(uri_of(source) == "ovi:", "%s", uri_of(source).c_str());
  set_uri(
      source,
      "ovi:?image=/a%20b/%C3%A9.png&prompt=1%2B1+2%3D%26%23%25%0A%22%C3%BC&model=/srv/ovi&seed=7"
      "&steps=12&shift=3.25&solver=dpm%2B%2B&slg-layer=0&num-clips=0&is-live=true"
      "&video-guidance-scale=1&audio-negative-prompt=&memory=offload&variant=960x960-5s&lora=/a%20b.safetensors:0.5,c%5C,d.pt");
  char *image = nullptr, *prompt = nullptr, *model = nullptr;
  gint64 seed = 0;
  guint steps = 0, clips = 1;
  double shift = 0;
  gboolean live = FALSE;
  int solver = 0;
  g_object_get(source, "image", &image, "prompt", &prompt, "model-path", &model, "seed", &seed,
               "steps", &steps, "shift", &shift, "num-clips", &clips, "is-live", &live, "solver",
               &solver, nullptr);
  fail_unless_equals_string(image, "/a b/\xC3\xA9.png");
  fail_unless_equals_string(prompt, "1+1+2=&#%\n\"\xC3\xBC");
  fail_unless_equals_string(model, "/srv/ovi");
  fail_unless(seed == 7 && steps == 12 && shift == 3.25 && clips == 0 && live);
  fail_unless_equals_int(solver, OVI_SOLVER_DPMPP);
  g_autofree char* lora = nullptr;
  g_object_get(source, "lora", &lora, nullptr);
  fail_unless_equals_string(lora, "/a b.safetensors:0.5,c\\,d.pt");
  for (char* text : {image, prompt, model}) g_free(text);

  // What it gives is what makes another element the same.
  const std::string uri = uri_of(source);
  GstElement* other = make_source_bare();
  set_uri(other, uri.c_str());
  const std::string again = uri_of(other);
  fail_unless_equals_string(again.c_str(), uri.c_str());
  guint count = 0;
  g_autofree GParamSpec** specs =
      g_object_class_list_properties(G_OBJECT_GET_CLASS(source), &count);
  for (guint i = 0; i < count; ++i) {
    if (specs[i]->owner_type != G_OBJECT_TYPE(source)) continue;
    GValue one = G_VALUE_INIT, two = G_VALUE_INIT;
    g_value_init(&one, specs[i]->value_type);
    g_value_init(&two, specs[i]->value_type);
    g_object_get_property(G_OBJECT(source), specs[i]->name, &one);
    g_object_get_property(G_OBJECT(other), specs[i]->name, &two);
    fail_unless_equals_int(g_param_values_cmp(specs[i], &one, &two), 0);
    g_value_unset(&one);
    g_value_unset(&two);
  }
  // A URI is the whole: what it does not name is as by default.
  set_uri(other, "ovi://?seed=9");
  fail_unless(uri_of(other) == "ovi:?seed=9", "%s", uri_of(other).c_str());
  drop(source);
  drop(other);
}
GST_END_TEST

GST_START_TEST(a_bad_uri_is_an_error_that_names_it) {
  const struct {
    const char* uri;
    int code;
    const char* named;
  } rows[] = {
      {"ovi:?sed=7", GST_URI_ERROR_BAD_REFERENCE, "\"sed\""},
      {"ovi:?name=x", GST_URI_ERROR_BAD_REFERENCE, "\"name\""},
      {"ovi:?model_path=x", GST_URI_ERROR_BAD_REFERENCE, "\"model_path\""},
      {"ovi:?stats=x", GST_URI_ERROR_BAD_REFERENCE, "\"stats\""},
      {"ovi:?=7", GST_URI_ERROR_BAD_REFERENCE, "\"\""},
      {"ovi:?steps", GST_URI_ERROR_BAD_URI, "name=value: steps"},
      {"ovi:?steps=0", GST_URI_ERROR_BAD_URI, "\"steps\""},
      {"ovi:?steps=-1", GST_URI_ERROR_BAD_URI, "\"steps\""},
      {"ovi:?steps=5x", GST_URI_ERROR_BAD_URI, "1 to 1000"},
      {"ovi:?steps=", GST_URI_ERROR_BAD_URI, "\"steps\""},
      {"ovi:?num-clips=-1", GST_URI_ERROR_BAD_URI, "\"num-clips\""},
      {"ovi:?seed=-2", GST_URI_ERROR_BAD_URI, "\"seed\""},
      {"ovi:?seed=9223372036854775808", GST_URI_ERROR_BAD_URI, "\"seed\""},
      {"ovi:?shift=nan", GST_URI_ERROR_BAD_URI, "\"shift\""},
      {"ovi:?shift=1e999", GST_URI_ERROR_BAD_URI, "\"shift\""},
      {"ovi:?shift=", GST_URI_ERROR_BAD_URI, "\"shift\""},
      {"ovi:?solver=heun", GST_URI_ERROR_BAD_URI, "unipc, dpm++, euler"},
      {"ovi:?is-live=maybe", GST_URI_ERROR_BAD_URI, "\"is-live\""},
      {"ovi:?prompt=%4", GST_URI_ERROR_BAD_URI, "\"prompt\""},
      {"ovi:?prompt=%zz", GST_URI_ERROR_BAD_URI, "\"prompt\""},
      {"ovi:?prompt=%FF", GST_URI_ERROR_BAD_URI, "\"prompt\""},
      {"ovi:?prompt=a%00b", GST_URI_ERROR_BAD_URI, "\"prompt\""},
      {"ovi:?p%FFrompt=a", GST_URI_ERROR_BAD_URI, "p%FFrompt"},
      {"ovi:?seed=1&model=a&model-path=b", GST_URI_ERROR_BAD_URI, "\"model-path\""},
      {"ovi:?seed=1&&steps=2", GST_URI_ERROR_BAD_URI, "name=value"},
      {"ovi:?seed=1&", GST_URI_ERROR_BAD_URI, "\"&\""},
      {"ovi:?prompt=No.#1", GST_URI_ERROR_BAD_URI, "%23"},
      {"ovi:cat.png", GST_URI_ERROR_BAD_URI, "cat.png"},
      {"ovi://host/?seed=1", GST_URI_ERROR_BAD_URI, "//host/"},
  };
  GstElement* source = make_source_bare();
  set_uri(source, "ovi:?seed=3");
  for (const auto& row : rows) {
    g_autoptr(GError) error = nullptr;
    fail_unless(!gst_uri_handler_set_uri(GST_URI_HANDLER(source), row.uri, &error), "%s", row.uri);
    fail_unless(error && error->domain == GST_URI_ERROR && error->code == row.code, "%s: %s",
                row.uri, error ? error->message : "no error");
    fail_unless(strstr(error->message, row.named) != nullptr, "%s: %s", row.uri, error->message);
    fail_unless(g_utf8_validate(error->message, -1, nullptr));
    // Nothing of it counts.
    fail_unless(uri_of(source) == "ovi:?seed=3", "%s", uri_of(source).c_str());
  }
  drop(source);
}
GST_END_TEST

GST_START_TEST(an_error_never_repeats_a_text) {
  GstElement* source = make_source_bare();
  g_autoptr(GError) error = nullptr;
  fail_unless(!gst_uri_handler_set_uri(
      GST_URI_HANDLER(source), "ovi:?image=http://user:secret@host/%FF&prompt=secret", &error));
  fail_unless(error && !strstr(error->message, "secret"), "%s", error->message);
  drop(source);
}
GST_END_TEST

/// The answer to a URI query goes to every element behind the pads.
GST_START_TEST(what_is_behind_the_pads_does_not_see_the_uri) {
  GstElement* source = make_source_bare();
  set_uri(source, "ovi:?image=http://user:secret@host/a.png&prompt=p");
  GstPad* pad = gst_element_get_static_pad(source, "video");
  GstQuery* query = gst_query_new_uri();
  fail_unless(gst_pad_query(pad, query));
  g_autofree char* uri = nullptr;
  gst_query_parse_uri(query, &uri);
  fail_unless(uri && !strstr(uri, "secret"), "%s", uri);
  gst_query_unref(query);
  gst_object_unref(pad);
  drop(source);
}
GST_END_TEST

/// Editors know streams again by their names, which two processes agree on.
GST_START_TEST(streams_are_named_after_the_uri) {
  const auto names_of = [](const char* uri) {
    g_autoptr(GError) error = nullptr;
    GstElement* source = gst_element_make_from_uri(GST_URI_SRC, uri, nullptr, &error);
    fail_unless(source != nullptr, "%s", error ? error->message : "no error");
    GstElement* pipeline = gst_pipeline_new(nullptr);
    gst_bin_add(GST_BIN(pipeline), source);
    fake().reset();
    gst_element_set_state(pipeline, GST_STATE_PAUSED);
    GstBus* bus = gst_element_get_bus(pipeline);
    GstMessage* message = gst_bus_timed_pop_filtered(
        bus, 10 * GST_SECOND,
        static_cast<GstMessageType>(GST_MESSAGE_STREAM_COLLECTION | GST_MESSAGE_ERROR));
    fail_unless(message && GST_MESSAGE_TYPE(message) == GST_MESSAGE_STREAM_COLLECTION);
    GstStreamCollection* streams = nullptr;
    gst_message_parse_stream_collection(message, &streams);
    std::vector<std::string> names;
    for (guint i = 0; i < gst_stream_collection_get_size(streams); ++i)
      names.push_back(gst_stream_get_stream_id(gst_stream_collection_get_stream(streams, i)));
    gst_object_unref(streams);
    gst_message_unref(message);
    gst_object_unref(bus);
    gst_element_set_state(pipeline, GST_STATE_NULL);
    gst_object_unref(pipeline);
    fail_unless_equals_int(names.size(), 2);
    fail_unless(names[0] != names[1]);
    fail_unless(names[0].substr(0, names[0].find('/')) == names[1].substr(0, names[1].find('/')));
    return names;
  };
  fail_unless(names_of(kClip) == names_of(kClip));
  fail_unless(names_of("ovi:?model=.&prompt=p&seed=5") == names_of("OVI:?seed=5&prompt=p&model=."));
  fail_unless(names_of("ovi:?model=.&prompt=p&seed=5") != names_of("ovi:?model=.&prompt=p&seed=6"));
}
GST_END_TEST

GST_START_TEST(it_is_set_in_null_and_ready_alone) {
  fake().hold(OVI_FAKE_GENERATE);
  GstElement* source = make_source();
  gst_element_set_state(source, GST_STATE_READY);
  set_uri(source, kClip);
  gst_element_set_state(source, GST_STATE_PAUSED);
  g_autoptr(GError) error = nullptr;
  fail_unless(!gst_uri_handler_set_uri(GST_URI_HANDLER(source), "ovi:?seed=6", &error));
  fail_unless(g_error_matches(error, GST_URI_ERROR, GST_URI_ERROR_BAD_STATE), "%s", error->message);
  drop(source);
}
GST_END_TEST

GST_START_TEST(it_is_what_opens_ovi_uris) {
  fail_unless(gst_uri_protocol_is_supported(GST_URI_SRC, "ovi"));
  g_autoptr(GError) error = nullptr;
  GstElement* source = gst_element_make_from_uri(GST_URI_SRC, "OVI:?seed=4", nullptr, &error);
  fail_unless(source != nullptr, "%s", error ? error->message : "no error");
  fail_unless(g_type_is_a(G_OBJECT_TYPE(source), g_type_from_name("GstOvii2vSrc")));
  fail_unless(uri_of(source) == "ovi:?seed=4", "%s", uri_of(source).c_str());
  gst_object_unref(source);
}
GST_END_TEST

GST_START_TEST(uridecodebin_plays_both_streams) { check_bin("uridecodebin"); }
GST_END_TEST

GST_START_TEST(uridecodebin3_plays_both_streams) { check_bin("uridecodebin3"); }
GST_END_TEST

GST_START_TEST(playbin_plays_both_streams) { check_player("playbin"); }
GST_END_TEST

GST_START_TEST(playbin3_plays_both_streams) { check_player("playbin3"); }
GST_END_TEST

/// The pads of the element for players come and go with each run.
GST_START_TEST(a_player_starts_again) {
  fake().clip_size(121, 80384);
  GstElement* player = gst_element_factory_make("playbin3", nullptr);
  gint frames = 0, blocks = 0;
  g_object_set(player, "uri", kClip, "video-sink", counting_sink(&frames, nullptr), "audio-sink",
               counting_sink(&blocks, nullptr), nullptr);
  for (int run = 1; run <= 3; ++run) {
    check_plays(player);
    fail_unless_equals_int(frames, 121 * run);
    gst_element_set_state(player, GST_STATE_READY);
  }
  gst_element_set_state(player, GST_STATE_NULL);
  gst_object_unref(player);
}
GST_END_TEST

/// A player says why it did not start, in the element's own words.
GST_START_TEST(a_player_tells_what_is_wrong) {
  GstElement* player = gst_element_factory_make("playbin3", nullptr);
  g_object_set(player, "uri", "ovi:?prompt=p&model=/nonexistent", nullptr);
  gst_element_set_state(player, GST_STATE_PLAYING);
  check_error(wait_error(player), GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_NOT_FOUND,
              "/nonexistent does not exist");
  gst_element_set_state(player, GST_STATE_NULL);
  gst_object_unref(player);
}
GST_END_TEST

/// The program people try first; its sinks are ours.
GST_START_TEST(gst_play_plays_it) {
  g_autofree char* program = g_find_program_in_path("gst-play-1.0");
  fail_unless(program != nullptr, "gst-play-1.0 (gstreamer1.0-plugins-base-apps) is not installed");
  g_setenv("OVI_FAKE_FRAMES", "12", TRUE);
  const char* line[] = {
      program, "--no-interactive", "--videosink=fakevideosink", "--audiosink=fakeaudiosink", kClip,
      nullptr};
  g_autofree char *said = nullptr, *complained = nullptr;
  int status = -1;
  g_autoptr(GError) error = nullptr;
  fail_unless(g_spawn_sync(nullptr, const_cast<char**>(line), nullptr, G_SPAWN_DEFAULT, nullptr,
                           nullptr, &said, &complained, &status, &error));
  fail_unless(status == 0 && strstr(said, "0:00:00.5 / 0:00:00.5") &&
                  strstr(said, "Reached end of play list") && !strstr(said, "ERROR"),
              "%d\n%s\n%s", status, said, complained);
}
GST_END_TEST

OVI_TEST_MAIN(uri,
              OVI_TEST(every_setting_has_a_place_in_a_uri)
                  OVI_TEST(a_bad_uri_is_an_error_that_names_it)
                      OVI_TEST(an_error_never_repeats_a_text)
                          OVI_TEST(what_is_behind_the_pads_does_not_see_the_uri)
                              OVI_TEST(streams_are_named_after_the_uri)
                                  OVI_TEST(it_is_set_in_null_and_ready_alone)
                                      OVI_TEST(it_is_what_opens_ovi_uris)
                                          OVI_TEST(uridecodebin_plays_both_streams)
                                              OVI_TEST(uridecodebin3_plays_both_streams)
                                                  OVI_TEST(playbin_plays_both_streams)
                                                      OVI_TEST(playbin3_plays_both_streams)
                                                          OVI_TEST(a_player_starts_again)
                                                              OVI_TEST(a_player_tells_what_is_wrong)
                                                                  OVI_TEST(gst_play_plays_it))
