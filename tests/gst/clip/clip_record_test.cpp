// The record of a clip: written by the element, kept by muxers, read again; strangers' texts.
// SPDX-License-Identifier: Apache-2.0
#include <glib/gstdio.h>
#include <gst/pbutils/pbutils.h>

#include "clip/clip_record.h"
#include "fixture.h"

using namespace fixture;

namespace {

constexpr const char* kPrompt =
    "She says: <S>\"Hä?\" \\ 'tja'<E>, 漢字 \xF0\x9F\x98\x80\n{\"ovii2v\":9} "
    "<AUDCAP>rain<ENDAUDCAP>";

std::string tag_of(const GstTagList* tags, const char* name) {
  g_autofree gchar* text = nullptr;
  fail_unless(gst_tag_list_get_string(tags, name, &text), "no %s", name);
  return text;
}

GstStructure* read(const std::string& text) {
  std::string problem;
  GstStructure* record = ovii2v::record_of_text(text, problem);
  fail_unless(record != nullptr, "%s: %s", problem.c_str(), text.c_str());
  return record;
}

/// The comments of a chain's clips.
std::vector<std::string> comments_of(Harnesses& pair, GstStructure** stats = nullptr) {
  pair.play();
  Pulled frames, sound;
  pair.pull_all(frames, sound);
  std::vector<std::string> comments;
  for (GstEvent* event : frames.of(GST_EVENT_TAG)) {
    GstTagList* tags = nullptr;
    gst_event_parse_tag(event, &tags);
    comments.push_back(tag_of(tags, GST_TAG_COMMENT));
  }
  if (stats) g_object_get(pair.source, "stats", stats, nullptr);
  return comments;
}

}  // namespace

GST_START_TEST(all_that_a_clip_was_made_from_is_read_again) {
  Harnesses pair(make_source());
  fake().reset();
  const std::string picture = data_file("astronaut.png");
  g_object_set(pair.source, "prompt", kPrompt, "seed", G_MAXINT64 - 7, "steps", 7, "shift", 3.3,
               "video-guidance-scale", 1.1, "audio-guidance-scale", 0.1, "slg-layer", 0, "image",
               picture.c_str(), "video-negative-prompt", "", nullptr);
  gst_util_set_object_arg(G_OBJECT(pair.source), "solver", "dpm++");
  gst_util_set_object_arg(G_OBJECT(pair.source), "acceleration", "fast");
  GstStructure* stats = nullptr;
  const auto comments = comments_of(pair, &stats);
  fail_unless_equals_int(comments.size(), 1);
  for (const char c : comments[0]) fail_unless(c >= 0x20 && c < 0x7F);
  g_autoptr(GstStructure) record = read(comments[0]);
  fail_unless(ovii2v::text_of_record(record) == comments[0]);

  const struct {
    const char *name, *value;
  } texts[] = {{"prompt", kPrompt},
               {"video-negative-prompt", ""},
               {"audio-negative-prompt", "robotic, muffled, echo, distorted"},
               {"solver", "dpm++"},
               {"acceleration", "fast"},
               {"image", picture.c_str()},
               {"continuity", "none"},
               {"variant", "720x720_5s"},
               {"device", "cpu"},
               {"precision", "fp32"},
               {"memory", "auto"},
               {"engine-version", "0.0.0"}};
  for (const auto& one : texts)
    fail_unless_equals_string(gst_structure_get_string(record, one.name), one.value);
  gint64 seed;
  guint version, steps, layer, width;
  guint64 clip;
  gdouble shift, video, audio;
  fail_unless(gst_structure_get(
      record, "ovii2v", G_TYPE_UINT, &version, "seed", G_TYPE_INT64, &seed, "steps", G_TYPE_UINT,
      &steps, "slg-layer", G_TYPE_UINT, &layer, "clip", G_TYPE_UINT64, &clip, "shift",
      G_TYPE_DOUBLE, &shift, "video-guidance-scale", G_TYPE_DOUBLE, &video, "audio-guidance-scale",
      G_TYPE_DOUBLE, &audio, "width", G_TYPE_UINT, &width, nullptr));
  fail_unless(version == 1 && seed == G_MAXINT64 - 7 && steps == 7 && layer == 0 && clip == 0);
  fail_unless(shift == 3.3 && video == 1.1 && audio == 0.1);  // every bit
  fail_unless_equals_int(width, 128);
  fail_unless(!gst_structure_has_field(record, "asked-width"));

  // Of the pixels that the engine saw.
  const ovi_request& request = fake().seen()->request;
  g_autofree gchar* sum =
      g_compute_checksum_for_data(G_CHECKSUM_SHA256, fake().seen()->image,
                                  size_t{3} * request.image_width * request.image_height);
  const std::string digest = std::string("sha256:") + sum;
  fail_unless_equals_string(gst_structure_get_string(record, "image-digest"), digest.c_str());

  // Statistics have the same names; what was done is not always what was asked for.
  gst_structure_foreach(
      record,
      [](GQuark name, const GValue* value, gpointer data) -> gboolean {
        const char* field = g_quark_to_string(name);
        const auto* stats = static_cast<const GstStructure*>(data);
        if (g_str_equal(field, "ovii2v")) return TRUE;
        const bool done = g_str_equal(field, "steps") || g_str_equal(field, "memory") ||
                          g_str_equal(field, "acceleration");
        const std::string wanted = done ? std::string("asked-") + field : field;
        const GValue* told = gst_structure_get_value(stats, wanted.c_str());
        fail_unless(told && gst_value_compare(told, value) == GST_VALUE_EQUAL, "%s", field);
        return TRUE;
      },
      stats);
  gst_structure_free(stats);
}
GST_END_TEST

/// A LoRA that is set while a clip is made is the next one's, and each record tells its own.
GST_START_TEST(loras_and_their_digests) {
  fake().reset();
  const std::string one = scratch_file("a,b:1.safetensors", "12345", 5),
                    two = scratch_file("two.safetensors", "", 0);
  std::string escaped;
  for (const char c : one) {
    if (c == ',' || c == ':') escaped += '\\';
    escaped += c;
  }
  const std::string both = escaped + ":-0.5, " + two, other = two + ":2";
  const int loaded = fake().counters().models_loaded;
  GstElement* source = make_source();
  g_object_set(source, "num-clips", 3, "lora", both.c_str(), nullptr);
  Harnesses pair(source);
  fake().hold(OVI_FAKE_GENERATE);
  pair.play();
  fail_unless(fake().wait(OVI_FAKE_GENERATE, 10));
  const std::string seen = one + ":-0.5," + two + ":1,";
  fail_unless_equals_string(fake().seen()->loras, seen.c_str());
  g_object_set(source, "lora", other.c_str(), nullptr);
  fake().release(OVI_FAKE_GENERATE);
  Pulled frames, sound;
  pair.pull_all(frames, sound);
  const std::string later = two + ":2,";
  fail_unless_equals_string(fake().seen()->loras, later.c_str());
  fail_unless_equals_int(fake().counters().models_loaded - loaded, 2);  // not for the third clip
  const char* const five =
      "sha256:5994471abb01112afcc18159f6cc74b4f511b99806da59b3caf5a9c173cacfc5";
  const char* const none =
      "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
  const std::string digests[] = {std::string(five) + " " + none, none, none};
  const std::string loras[] = {both, other, other};
  const auto tags = frames.of(GST_EVENT_TAG);
  fail_unless_equals_int(tags.size(), 3);
  for (int i = 0; i < 3; ++i) {
    GstTagList* list = nullptr;
    gst_event_parse_tag(tags[i], &list);
    g_autoptr(GstStructure) record = read(tag_of(list, GST_TAG_COMMENT));
    fail_unless_equals_string(gst_structure_get_string(record, "lora"), loras[i].c_str());
    fail_unless_equals_string(gst_structure_get_string(record, "lora-digests"),
                              digests[i].c_str());
  }
}
GST_END_TEST

/// What is wrong is told, and the one before goes on.
GST_START_TEST(a_bad_lora_while_playing_is_a_warning) {
  fake().reset();
  const std::string good = scratch_file("good.safetensors", "1", 1);
  for (const bool refused : {false, true}) {
    fake().reset();
    const int loaded = fake().counters().models_loaded;
    GstElement* source = make_source();
    g_object_set(source, "num-clips", 2, "lora", good.c_str(), nullptr);
    Harnesses pair(source);
    GstBus* bus = gst_bus_new();
    gst_element_set_bus(source, bus);
    fake().hold(OVI_FAKE_GENERATE);
    pair.play();
    fail_unless(fake().wait(OVI_FAKE_GENERATE, 10));
    const std::string bad = refused ? good + ":3" : "/no/such.safetensors";
    if (refused) fake().fault(OVI_FAKE_CREATE, OVI_FORMAT, "It fits nowhere.", "");
    g_object_set(source, "lora", bad.c_str(), nullptr);
    fake().release(OVI_FAKE_GENERATE);
    Pulled frames, sound;
    pair.pull_all(frames, sound);
    fail_unless_equals_int(frames.buffers.size(), 242);
    fail_unless_equals_int(fake().counters().models_loaded - loaded, 1);
    GstMessage* warning = gst_bus_pop_filtered(bus, GST_MESSAGE_WARNING);
    fail_unless(warning != nullptr);
    g_autoptr(GError) told = nullptr;
    gst_message_parse_warning(warning, &told, nullptr);
    fail_unless(strstr(told->message, refused ? "It fits nowhere." : "/no/such.safetensors") &&
                    strstr(told->message, "The last good lora goes on."),
                "%s", told->message);
    gst_message_unref(warning);
    gst_element_set_bus(source, nullptr);
    gst_object_unref(bus);
  }
}
GST_END_TEST

/// The run before had one; this one is of the text alone.
GST_START_TEST(a_picture_that_was_taken_away_is_not_recorded) {
  Harnesses pair(make_source());
  fake().reset();
  g_object_set(pair.source, "image", data_file("astronaut.png").c_str(), nullptr);
  g_autoptr(GstStructure) before = read(comments_of(pair)[0]);
  fail_unless(gst_structure_has_field(before, "image"));
  gst_element_set_state(pair.source, GST_STATE_READY);
  g_object_set(pair.source, "image", nullptr, "width", 64, "height", 32, nullptr);
  gst_element_set_state(pair.source, GST_STATE_PLAYING);
  g_autoptr(GstStructure) record = read(comments_of(pair)[0]);
  for (const char* name : {"image", "image-digest", "image-width"})
    fail_unless(!gst_structure_has_field(record, name), "%s", name);
  fail_unless(gst_structure_has_field(record, "asked-width"));
}
GST_END_TEST

GST_START_TEST(each_clip_of_a_chain_has_its_own) {
  Harnesses pair(make_source());
  fake().reset();
  fake().clip_size(12, 8000);
  const std::string folder = scratch_file("model.safetensors", "12345", 5);
  g_autofree gchar* model = g_path_get_dirname(folder.c_str());
  g_object_set(pair.source, "num-clips", 3, "width", 64, "height", 32, "model-path", model,
               nullptr);
  gst_util_set_object_arg(G_OBJECT(pair.source), "continuity", "last-frame");
  const auto comments = comments_of(pair);
  fail_unless_equals_int(comments.size(), 3);
  std::string before;
  for (guint64 n = 0; n < 3; ++n) {
    g_autoptr(GstStructure) record = read(comments[n]);
    gint64 seed = 0;
    guint64 clip = 9;
    fail_unless(gst_structure_get(record, "seed", G_TYPE_INT64, &seed, "clip", G_TYPE_UINT64, &clip,
                                  nullptr));
    fail_unless(seed == 5 + static_cast<gint64>(n) && clip == n);
    fail_unless_equals_string(gst_structure_get_string(record, "continuity"), "last-frame");
    fail_unless_equals_string(gst_structure_get_string(record, "model-files"),
                              "model.safetensors 5");
    fail_unless_equals_int(gst_structure_has_field(record, "asked-width"), n == 0);
    fail_unless_equals_int(gst_structure_has_field(record, "image-digest"), n > 0);
    if (n == 0) continue;
    const std::string image = "last frame of clip " + std::to_string(n - 1);
    fail_unless_equals_string(gst_structure_get_string(record, "image"), image.c_str());
    const std::string digest = gst_structure_get_string(record, "image-digest");
    fail_unless(digest != before);
    before = digest;
  }
}
GST_END_TEST

/// model-path may name several folders and files.
GST_START_TEST(all_of_a_models_places_are_told_of) {
  Harnesses pair(make_source());
  fake().reset();
  fake().clip_size(12, 8000);
  const std::string file = scratch_file("model.safetensors", "12345", 5);
  g_autofree gchar* folder = g_path_get_dirname(file.c_str());
  const std::string other = std::string(folder) + "/other";
  fail_unless_equals_int(g_mkdir_with_parents(other.c_str(), 0755), 0);
  fail_unless(g_file_set_contents((other + "/vae.pth").c_str(), "123", 3, nullptr));
  const std::string path = file + ":" + other;
  g_object_set(pair.source, "width", 64, "height", 32, "model-path", path.c_str(), nullptr);
  const auto comments = comments_of(pair);
  g_autoptr(GstStructure) record = read(comments.at(0));
  fail_unless_equals_string(gst_structure_get_string(record, "model"), "model.safetensors:other");
  fail_unless_equals_string(gst_structure_get_string(record, "model-files"),
                            "model.safetensors 5, vae.pth 3");
}
GST_END_TEST

/// Nothing of a data: URI, no password and no query.
GST_START_TEST(secrets_do_not_lie_in_files) {
  g_autofree gchar* bytes = nullptr;
  gsize size = 0;
  fail_unless(g_file_get_contents(data_file("astronaut.png").c_str(), &bytes, &size, nullptr));
  g_autofree gchar* base64 = g_base64_encode(reinterpret_cast<const guchar*>(bytes), size);
  Harnesses pair(make_source());
  fake().reset();
  const std::string uri = std::string("data:image/png;base64,") + base64;
  g_object_set(pair.source, "image", uri.c_str(), nullptr);
  const auto comments = comments_of(pair);
  g_autoptr(GstStructure) record = read(comments.at(0));
  fail_unless_equals_string(gst_structure_get_string(record, "image"), "(a data: URI)");
  fail_unless(comments[0].find("base64") == std::string::npos);
}
GST_END_TEST

GST_START_TEST(muxers_keep_it) {
  const struct {
    const char *muxer, *video, *audio, *file;
  } kinds[] = {{"mp4mux", "x264enc", "avenc_aac", "t.mp4"},
               {"qtmux", "x264enc", "avenc_aac", "t.mov"},
               {"matroskamux", "x264enc", "flacenc", "t.mkv"},
               {"webmmux", "vp8enc deadline=1", "opusenc", "t.webm"},
               {"avimux", "jpegenc", "audioconvert ! audio/x-raw,format=S16LE", "t.avi"}};
  for (const auto& kind : kinds)
    for (guint clips : {1u, 2u}) {
      fake().reset();
      fake().clip_size(48, 32000);
      const std::string file = scratch_file(kind.file, "", 0);
      const std::string line =
          std::string("ovii2vsrc name=s model-path=. seed=5 width=64 height=64 num-clips=") +
          std::to_string(clips) + " s.video ! queue ! videoconvert ! " + kind.video +
          " ! queue ! " + kind.muxer + " name=m ! filesink location=" + file +
          " s.audio ! queue ! audioconvert ! audioresample ! audio/x-raw,rate=48000 ! " +
          kind.audio + " ! queue ! m.";
      GstElement* pipeline = gst_parse_launch(line.c_str(), nullptr);
      GstElement* source = gst_bin_get_by_name(GST_BIN(pipeline), "s");
      g_object_set(source, "prompt", kPrompt, nullptr);
      gst_object_unref(source);
      fail_unless_equals_int(play_to_end(pipeline), GST_MESSAGE_EOS);
      gst_element_set_state(pipeline, GST_STATE_NULL);
      gst_object_unref(pipeline);

      GstDiscoverer* discoverer = gst_discoverer_new(20 * GST_SECOND, nullptr);
      g_autofree gchar* uri = g_filename_to_uri(file.c_str(), nullptr, nullptr);
      GstDiscovererInfo* info = gst_discoverer_discover_uri(discoverer, uri, nullptr);
      fail_unless(info != nullptr, "%s", kind.file);
      GstDiscovererStreamInfo* whole = gst_discoverer_info_get_stream_info(info);
      const GstTagList* tags =
          gst_discoverer_container_info_get_tags(GST_DISCOVERER_CONTAINER_INFO(whole));
      fail_unless(tags != nullptr, "%s", kind.file);
      const auto records = ovii2v::records_of_tags(tags);
      fail_unless_equals_int(records.size(), 1);
      // Of several clips these files hold the first one's.
      guint64 clip = 9;
      fail_unless(gst_structure_get_uint64(records[0], "clip", &clip) && clip == 0);
      fail_unless_equals_string(gst_structure_get_string(records[0], "prompt"), kPrompt);
      gst_structure_free(records[0]);
      gst_discoverer_stream_info_unref(whole);
      gst_discoverer_info_unref(info);
      gst_object_unref(discoverer);
      g_unlink(file.c_str());
    }
}
GST_END_TEST

GST_START_TEST(what_muxers_put_around_it_is_taken_off) {
  Harnesses pair(make_source());
  fake().reset();
  g_object_set(pair.source, "prompt", kPrompt, nullptr);
  const std::string text = comments_of(pair).at(0);
  // As GStreamer's Matroska muxer writes strings.
  GValue value = G_VALUE_INIT;
  g_value_init(&value, G_TYPE_STRING);
  g_value_set_string(&value, text.c_str());
  g_autofree gchar* wrapped = gst_value_serialize(&value);
  g_value_unset(&value);
  fail_unless(wrapped[0] == '"' && text != wrapped);
  for (const std::string& form :
       {text, std::string(wrapped), " " + text + "\n", "Made by me. " + text + ", and more"}) {
    g_autoptr(GstStructure) record = read(form);
    fail_unless(ovii2v::text_of_record(record) == text);
  }
  // Comments that were joined, and some that are none.
  g_autoptr(GstTagList) tags = gst_tag_list_new_empty();
  gst_tag_list_add(tags, GST_TAG_MERGE_APPEND, GST_TAG_COMMENT, "nice", GST_TAG_COMMENT,
                   (text + ", " + text).c_str(), GST_TAG_COMMENT, "{\"ovii2v\":1}", GST_TAG_COMMENT,
                   wrapped, nullptr);
  const auto records = ovii2v::records_of_tags(tags);
  fail_unless_equals_int(records.size(), 3);
  for (GstStructure* record : records) {
    fail_unless(ovii2v::text_of_record(record) == text);
    gst_structure_free(record);
  }
}
GST_END_TEST

GST_START_TEST(what_is_no_record_is_refused_with_a_reason) {
  Harnesses pair(make_source());
  fake().reset();
  const std::string text = comments_of(pair).at(0);
  auto with = [&text](const std::string& from, const std::string& to) {
    std::string changed = text;
    const size_t at = changed.find(from);
    fail_unless(at != std::string::npos, "%s", from.c_str());
    return changed.replace(at, from.size(), to);
  };
  const struct {
    std::string text, reason;
  } bad[] = {
      {"", "no record"},
      {"A cat [seed=5 variant=720x720_5s]", "no record"},
      {"{\"ovii2v\":1}", "lacks \"prompt\""},
      {"{\"ovii2v\":", "neither text"},
      {with("\"ovii2v\":1", "\"ovii2v\":2"), "version 2"},
      {with("\"ovii2v\":1", "\"ovii2v\":-1"), "no such value"},
      {with("\"steps\":4", "\"steps\":4294967296"), "no such value"},
      {with("\"steps\":4", "\"steps\":\"4\""), "no such value"},
      {with("\"steps\":4", "\"steps\":4.5"), "no such value"},
      {with("\"steps\":4", "\"steps\":04"), "no end"},
      {with("\"steps\":4", "\"steps\":{}"), "neither text"},
      {with("\"steps\":4", "\"steps\":null"), "neither text"},
      {with("\"steps\":4", "\"steps\":4,\"steps\":4"), "twice"},
      {with("\"seed\":5", "\"seed\":-5"), "no such value"},
      {with("\"seed\":5", "\"seed\":99999999999999999999"), "no such value"},
      {with("\"shift\":5", "\"shift\":1e999"), "too large"},
      {with("\"shift\":5", "\"shift\":nan"), "neither text"},
      {with("A cat", "A \\ud83d cat"), "half of a character"},
      {with("A cat", "A \\u0000 cat"), "NUL"},
      {with("A cat", "A \\q cat"), "escape"},
      {with("A cat", "A \n cat"), "without an end"},
      {with("A cat", "A \xFF cat"), "not UTF-8"},
      {"{\"ovii2v\":" + std::string(100000, '['), "neither text"},
  };
  for (const auto& one : bad) {
    std::string problem;
    GstStructure* record = ovii2v::record_of_text(one.text, problem);
    fail_unless(record == nullptr, "%s", one.text.c_str());
    fail_unless(problem.find(one.reason) != std::string::npos, "\"%s\" instead of \"%s\"",
                problem.c_str(), one.reason.c_str());
  }
  // Names that a later release adds are passed over.
  std::string problem;
  g_autoptr(GstStructure) later = read(with("\"steps\":4", "\"steps\":4,\"later\":true"));
  fail_unless(ovii2v::text_of_record(later) == text);
  // Cut anywhere, and with any byte changed: refused, or still a record.
  for (size_t i = 0; i < text.size(); ++i) {
    GstStructure* cut = ovii2v::record_of_text(text.substr(0, i), problem);
    fail_unless(cut == nullptr, "%s", text.substr(0, i).c_str());
    for (const char byte : {'"', '\\', '{', '\0', '\xC3'}) {
      std::string changed = text;
      changed[i] = byte;
      if (GstStructure* record = ovii2v::record_of_text(changed, problem))
        gst_structure_free(record);
    }
  }
}
GST_END_TEST

OVI_TEST_MAIN(clip_record,
              OVI_TEST(all_that_a_clip_was_made_from_is_read_again)
                  OVI_TEST(loras_and_their_digests) OVI_TEST(a_bad_lora_while_playing_is_a_warning)
                  OVI_TEST(a_picture_that_was_taken_away_is_not_recorded)
                  OVI_TEST(each_clip_of_a_chain_has_its_own) OVI_TEST(all_of_a_models_places_are_told_of) OVI_TEST(secrets_do_not_lie_in_files)
                      OVI_TEST(muxers_keep_it) OVI_TEST(what_muxers_put_around_it_is_taken_off)
                          OVI_TEST(what_is_no_record_is_refused_with_a_reason))
