// The element on the real engine with a model of a few MB: what it promises is what
// comes out.
// SPDX-License-Identifier: Apache-2.0
#include <math.h>

#include <filesystem>

#include "fixture.h"

using namespace fixture;

namespace {

constexpr guint kFrames = 49, kSamples = 32768;  // of tests/parity/models/tiny

struct Clip {
  std::string frames, sound;
  GstClockTime end[2] = {};
  guint count[2] = {};  // buffers
};

void take(GstHarness* harness, std::string& bytes, GstClockTime& end, guint* count) {
  GstEvent* event = nullptr;
  while ((event = gst_harness_pull_event(harness)) && GST_EVENT_TYPE(event) != GST_EVENT_EOS)
    gst_event_unref(event);
  fail_unless(event != nullptr, "no EOS");
  gst_event_unref(event);
  while (GstBuffer* buffer = gst_harness_try_pull(harness)) {
    GstMapInfo map;
    gst_buffer_map(buffer, &map, GST_MAP_READ);
    bytes.append(reinterpret_cast<char*>(map.data), map.size);
    gst_buffer_unmap(buffer, &map);
    end = GST_BUFFER_PTS(buffer) + GST_BUFFER_DURATION(buffer);
    ++*count;
    gst_buffer_unref(buffer);
  }
}

std::string model() { return std::string(g_getenv("OVI_TEST_DATA")) + "/models/tiny"; }

GstElement* make_real(gint64 seed, const std::string& path = model()) {
  GstElement* source = make_source();
  const std::string image = data_file("astronaut.png");
  g_object_set(source, "model-path", path.c_str(), "image", image.c_str(), "steps", 2, "slg-layer",
               1, "seed", seed, "device", "cpu", nullptr);
  return source;
}

/// An element that makes `clips` clips.
class Run {
 public:
  explicit Run(gint64 seed, int clips = 1, const char* continuity = "none",
               const std::string& folder = model())
      : clips_(clips), source_(make_real(seed, folder)) {
    g_object_set(source_, "num-clips", clips, nullptr);
    gst_util_set_object_arg(G_OBJECT(source_), "continuity", continuity);
    video_ = gst_harness_new_with_element(source_, nullptr, "video");
    audio_ = gst_harness_new_with_element(source_, nullptr, "audio");
    gst_harness_set_sink_caps_str(video_, "video/x-raw,format=RGB");
    gst_harness_set_sink_caps_str(audio_, "audio/x-raw,format=F32LE");
    gst_harness_play(video_);
  }
  ~Run() {
    gst_element_set_state(source_, GST_STATE_NULL);
    gst_harness_teardown(video_);
    gst_harness_teardown(audio_);
    gst_object_unref(source_);
  }

  /// When it generates.
  void cancel() {
    GstBus* bus = gst_element_get_bus(source_);
    for (bool generates = false; !generates;) {
      GstMessage* message = gst_bus_timed_pop_filtered(bus, 60 * GST_SECOND, GST_MESSAGE_PROGRESS);
      fail_unless(message != nullptr);
      char* code = nullptr;
      gst_message_parse_progress(message, nullptr, &code, nullptr);
      generates = g_str_equal(code, "generate");
      g_free(code);
      gst_message_unref(message);
    }
    gst_element_set_state(source_, GST_STATE_READY);
    gst_bus_set_flushing(bus, TRUE);
    gst_bus_set_flushing(bus, FALSE);
    gst_object_unref(bus);
  }
  void play() { gst_harness_play(video_); }

  /// Keeps the element, and with it the model.
  Clip finish() {
    // A real generation takes longer than a harness waits.
    GstBus* bus = gst_element_get_bus(source_);
    for (int done = 0; done < clips_;) {
      GstMessage* message = gst_bus_timed_pop_filtered(
          bus, 300 * GST_SECOND,
          static_cast<GstMessageType>(GST_MESSAGE_PROGRESS | GST_MESSAGE_ERROR));
      fail_unless(message && GST_MESSAGE_TYPE(message) == GST_MESSAGE_PROGRESS, "%" GST_PTR_FORMAT,
                  message);
      GstProgressType type;
      char* code = nullptr;
      gst_message_parse_progress(message, &type, &code, nullptr);
      done += type == GST_PROGRESS_TYPE_COMPLETE && g_str_equal(code, "decode");
      g_free(code);
      gst_message_unref(message);
    }
    gst_object_unref(bus);
    Clip clip;
    take(video_, clip.frames, clip.end[0], &clip.count[0]);
    take(audio_, clip.sound, clip.end[1], &clip.count[1]);
    return clip;
  }

  double load_seconds() {
    GstStructure* stats = nullptr;
    double seconds = -1;
    // They come a moment after the last frame: with READY the worker is done.
    gst_element_set_state(source_, GST_STATE_READY);
    g_object_get(source_, "stats", &stats, nullptr);
    fail_unless(stats && gst_structure_get_double(stats, "load-seconds", &seconds));
    gst_structure_free(stats);
    return seconds;
  }

 private:
  const int clips_;
  GstElement* source_;
  GstHarness *video_, *audio_;
};

Clip make_clip(gint64 seed) {
  Clip clip = Run(seed).finish();
  fail_unless_equals_int(clip.count[0], kFrames);
  fail_unless_equals_int(clip.count[1], kSamples / 1024);
  return clip;
}

}  // namespace

GST_START_TEST(a_clip_of_the_promised_length) {
  const Clip clip = make_clip(7);
  fail_unless_equals_uint64(clip.end[0], kFrames * GST_SECOND / 24);
  fail_unless_equals_uint64(clip.end[1], guint64{kSamples} * GST_SECOND / 16000);
  fail_unless_equals_int(clip.sound.size(), kSamples * sizeof(float));
  fail_unless_equals_int(clip.frames.size() % (kFrames * 3 * 32 * 32), 0);
  const auto* samples = reinterpret_cast<const float*>(clip.sound.data());
  for (guint i = 0; i < kSamples; ++i)
    fail_unless(isfinite(samples[i]) && fabsf(samples[i]) <= 1.5f, "sample %u is %f", i,
                static_cast<double>(samples[i]));
}
GST_END_TEST

/// In this process and in one of its own, to the bit; first clips and those that go on from them,
/// with both models there are.
GST_START_TEST(a_process_of_its_own_makes_the_same_clip) {
  for (const std::string& folder : {model(), data_file("demo-model")})
    for (const char* continuity : {"none", "last-frame"}) {
      const int clips = g_str_equal(continuity, "none") ? 1 : 2;
      Clip made[2];
      for (int i = 0; i < 2; ++i) {
        g_setenv("OVI_TEST_ISOLATION", i ? "process" : "none", TRUE);
        made[i] = Run(7, clips, continuity, folder).finish();
      }
      fail_unless(made[0].count[0] > 0 && made[0].frames == made[1].frames);
      fail_unless(made[0].sound == made[1].sound);
    }
}
GST_END_TEST

/// READY keeps the worker and its model; a cancel in the midst of a step does too.
GST_START_TEST(a_worker_is_cancelled_and_goes_on) {
  isolate();
  const Clip wanted = make_clip(7);
  Run run(7);
  run.cancel();
  run.play();
  fail_unless(run.finish().frames == wanted.frames);
}
GST_END_TEST

GST_START_TEST(a_seed_is_a_clip) {
  const Clip first = make_clip(7), again = make_clip(7), other = make_clip(8);
  fail_unless(first.frames == again.frames && first.sound == again.sound);
  fail_unless(first.frames != other.frames && first.sound != other.sound);
}
GST_END_TEST

GST_START_TEST(two_elements_share_one_model) {
  const Clip seven = make_clip(7), eight = make_clip(8);
  // At once, and each gives what it gives alone.
  {
    Run first(7), second(8);
    const Clip a = first.finish(), b = second.finish();
    fail_unless(a.frames == seven.frames && a.sound == seven.sound);
    fail_unless(b.frames == eight.frames && b.sound == eight.sound);
  }
  // The second one finds it loaded.
  Run first(7);
  first.finish();
  const double loading = first.load_seconds();
  Run second(8);
  fail_unless(second.finish().frames == eight.frames);
  const double loaded = second.load_seconds();
  fail_unless(loaded < loading / 10, "%f s after %f s", loaded, loading);
}
GST_END_TEST

GST_START_TEST(clips_follow_each_other) {
  // Clip 1 of seed 7 is clip 0 of seed 8.
  const Clip seven = make_clip(7), eight = make_clip(8);
  const Clip both = Run(7, 2).finish();
  fail_unless(both.frames == seven.frames + eight.frames);
  fail_unless_equals_uint64(both.end[0], 2 * kFrames * GST_SECOND / 24);
  const size_t start = (kFrames * 16000 * 2 + 24) / 48 * sizeof(float);
  const size_t whole = kSamples * sizeof(float);
  fail_unless(both.sound.compare(0, MIN(start, whole), seven.sound, 0, MIN(start, whole)) == 0);
  fail_unless(both.sound.compare(start, whole, eight.sound) == 0);
  fail_unless_equals_int(both.sound.size(), start + whole);

  // Chained, the second one begins where the first one ended, in the same size.
  const Clip chained = Run(7, 2, "last-frame").finish();
  fail_unless_equals_int(chained.count[0], 2 * kFrames - 1);
  fail_unless_equals_int(chained.frames.size(), seven.frames.size() / kFrames * (2 * kFrames - 1));
  fail_unless(chained.frames.compare(0, seven.frames.size(), seven.frames) == 0);
  fail_unless(chained.frames.compare(seven.frames.size(), std::string::npos, eight.frames,
                                     eight.frames.size() / kFrames, std::string::npos) != 0);
}
GST_END_TEST

GST_START_TEST(it_is_cancelled_in_the_midst) {
  GstElement* source = make_real(7);
  g_object_set(source, "steps", 1000, nullptr);
  GstHarness* video = gst_harness_new_with_element(source, nullptr, "video");
  gst_harness_play(video);
  GstBus* bus = gst_element_get_bus(source);
  for (bool generating = false; !generating;) {
    GstMessage* message = gst_bus_timed_pop_filtered(
        bus, 300 * GST_SECOND,
        static_cast<GstMessageType>(GST_MESSAGE_PROGRESS | GST_MESSAGE_ERROR));
    fail_unless(message && GST_MESSAGE_TYPE(message) == GST_MESSAGE_PROGRESS);
    char* code = nullptr;
    gst_message_parse_progress(message, nullptr, &code, nullptr);
    generating = g_str_equal(code, "generate");
    g_free(code);
    gst_message_unref(message);
  }
  gst_object_unref(bus);
  // A thousand steps take minutes; the test's time limit is shorter than that.
  gst_element_set_state(source, GST_STATE_NULL);
  gst_harness_teardown(video);
  gst_object_unref(source);
}
GST_END_TEST

GST_START_TEST(a_block_that_is_not_there_is_a_warning) {
  for (guint layer : {1u, 11u}) {  // of a model of three
    GstElement* source = make_real(1);
    g_object_set(source, "slg-layer", layer, nullptr);
    GstHarness* video = gst_harness_new_with_element(source, nullptr, "video");
    gst_harness_play(video);
    gst_buffer_unref(gst_harness_pull(video));
    int warnings = 0;
    for (const Posted& one : take_messages(source)) {
      fail_unless(one.type != GST_MESSAGE_ERROR, "%s", one.text.c_str());
      warnings += one.type == GST_MESSAGE_WARNING &&
                  one.text.find("slg-layer 11 skips nothing") != std::string::npos;
    }
    fail_unless_equals_int(warnings, layer == 11);
    gst_element_set_state(source, GST_STATE_NULL);
    gst_harness_teardown(video);
    gst_object_unref(source);
  }
}
GST_END_TEST

/// What gst-inspect-1.0 shows as a range is what the engine takes; nothing is beyond it.
GST_START_TEST(ranges_are_those_of_the_engine) {
  GstElement* source = make_real(1);
  g_object_set(source, "image", nullptr, nullptr);
  GObject* object = G_OBJECT(source);
  guint count = 0;
  g_autofree GParamSpec** specs =
      g_object_class_list_properties(G_OBJECT_GET_CLASS(source), &count);
  int tried = 0;
  for (guint i = 0; i < count; ++i) {
    GParamSpec* spec = specs[i];
    if (spec->owner_type != G_OBJECT_TYPE(source)) continue;
    std::vector<GValue> ends;
    auto add = [&](auto set, auto... values) {
      for (auto value : {values...}) {
        GValue end = G_VALUE_INIT;
        g_value_init(&end, spec->value_type);
        set(&end, value);
        ends.push_back(end);
      }
    };
    if (auto* p = G_IS_PARAM_SPEC_UINT(spec) ? G_PARAM_SPEC_UINT(spec) : nullptr)
      add(g_value_set_uint, p->minimum, p->maximum);
    else if (auto* q = G_IS_PARAM_SPEC_INT64(spec) ? G_PARAM_SPEC_INT64(spec) : nullptr)
      add(g_value_set_int64, q->minimum, q->maximum);
    else if (auto* r = G_IS_PARAM_SPEC_DOUBLE(spec) ? G_PARAM_SPEC_DOUBLE(spec) : nullptr)
      add(g_value_set_double, r->minimum, r->maximum);
    GValue before = G_VALUE_INIT;
    g_value_init(&before, spec->value_type);
    g_object_get_property(object, spec->name, &before);
    const bool side = g_str_equal(spec->name, "width") || g_str_equal(spec->name, "height");
    for (GValue& end : ends) {
      // A side alone is refused, and one that is 0 means both.
      for (const char* name : {"width", "height"})
        if (side) g_object_set_property(object, name, &end);
      g_object_set_property(object, spec->name, &end);
      fail_unless(gst_element_set_state(source, GST_STATE_PAUSED) != GST_STATE_CHANGE_FAILURE, "%s",
                  spec->name);
      gst_element_set_state(source, GST_STATE_READY);
      g_value_unset(&end);
      ++tried;
    }
    if (side) g_object_set(object, "width", 0, "height", 0, nullptr);
    if (!ends.empty()) g_object_set_property(object, spec->name, &before);
    g_value_unset(&before);
  }
  fail_unless(tried >= 18, "%d", tried);
  drop(source);
}
GST_END_TEST

/// A copy of the model, made of links, so that parts of it can be spoilt.
class Copy {
 public:
  explicit Copy(const char* name) : root_(scratch_file(name, "", 0) + ".model") {
    for (const auto& one : std::filesystem::recursive_directory_iterator(model())) {
      const auto to = root_ / std::filesystem::relative(one.path(), model());
      if (one.is_directory())
        std::filesystem::create_directories(to);
      else
        std::filesystem::create_symlink(one.path(), to);
    }
  }
  ~Copy() { std::filesystem::remove_all(root_); }
  std::string path() const { return root_; }
  void remove(const char* file) { std::filesystem::remove(root_ / file); }
  void cut(const char* file) {
    const auto whole = std::filesystem::canonical(root_ / file);
    remove(file);
    std::filesystem::copy_file(whole, root_ / file);
    std::filesystem::resize_file(root_ / file, std::filesystem::file_size(whole) / 2);
  }
  void replace(const char* file, const char* by) {
    remove(file);
    std::filesystem::create_symlink(std::filesystem::canonical(root_ / by), root_ / file);
  }

 private:
  const std::filesystem::path root_;
};

constexpr const char* kTransformer = "Ovi/model.safetensors";
constexpr const char* kVideoVae = "Wan2.2-TI2V-5B/Wan2.2_VAE.pth";
constexpr const char* kEncoder = "Wan2.2-TI2V-5B/models_t5_umt5-xxl-enc-bf16.pth";
constexpr const char* kWords = "Wan2.2-TI2V-5B/google/umt5-xxl/spiece.model";
constexpr const char* kTokens = "Wan2.2-TI2V-5B/google/umt5-xxl/tokenizer.json";
constexpr const char* kVocoder = "MMAudio/ext_weights/best_netG.pt";

/// One instance goes through all of them, and makes its clip in the end.
GST_START_TEST(what_is_wrong_with_a_model_is_told) {
  Copy none("none"), cut("cut"), cut_zip("cut-zip"), wrong("wrong"), cut_words("cut-words"),
      cut_tokens("cut-tokens");
  none.remove(kVideoVae);
  none.remove(kEncoder);
  cut.cut(kTransformer);
  cut_zip.cut(kVideoVae);
  cut_words.cut(kWords);
  cut_tokens.cut(kTokens);
  wrong.replace(kVideoVae, kVocoder);
  const struct {
    std::string path;
    const char* device;
    GQuark domain;
    int code;
    std::vector<const char*> parts;
  } rows[] = {
      {"/nonexistent/ovi",
       "cpu",
       GST_RESOURCE_ERROR,
       GST_RESOURCE_ERROR_NOT_FOUND,
       {"/nonexistent/ovi"}},
      {none.path(),
       "cpu",
       GST_RESOURCE_ERROR,
       GST_RESOURCE_ERROR_NOT_FOUND,
       {"Wan2.2_VAE.pth", "models_t5"}},
      {model(), "cuda:99", GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_NOT_FOUND, {"cuda"}},
      {model(), "toaster", GST_LIBRARY_ERROR, GST_LIBRARY_ERROR_SETTINGS, {"toaster"}},
      {cut.path(), "cpu", GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_READ, {"model.safetensors"}},
      {cut_zip.path(), "cpu", GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_READ, {"Wan2.2_VAE.pth"}},
      {cut_words.path(), "cpu", GST_STREAM_ERROR, GST_STREAM_ERROR_FORMAT, {"spiece.model"}},
      {cut_tokens.path(), "cpu", GST_STREAM_ERROR, GST_STREAM_ERROR_FORMAT, {"tokenizer.json"}},
      {wrong.path(), "cpu", GST_STREAM_ERROR, GST_STREAM_ERROR_FORMAT, {"Wan2.2_VAE.pth"}}};
  GstElement* source = make_real(7);
  GstHarness* video = gst_harness_new_with_element(source, nullptr, "video");
  for (const auto& row : rows) {
    g_object_set(source, "model-path", row.path.c_str(), "device", row.device, nullptr);
    gst_element_set_state(source, GST_STATE_PLAYING);
    std::vector<Posted> all;
    const Posted error = wait_error(source, &all);
    for (const char* part : row.parts) check_error(error, row.domain, row.code, part);
    gst_element_set_state(source, GST_STATE_READY);
    for (const Posted& one : take_messages(source)) {
      fail_unless(one.type != GST_MESSAGE_ERROR, "a second error: %s", one.text.c_str());
      all.push_back(one);
    }
    check_progress_balance(all);
  }
  g_object_set(source, "model-path", model().c_str(), "device", "cpu", nullptr);
  gst_harness_play(video);
  GstBuffer* frame = gst_harness_pull(video);
  fail_unless(frame != nullptr, "nothing came in the end");
  gst_buffer_unref(frame);
  gst_element_set_state(source, GST_STATE_NULL);
  gst_harness_teardown(video);
  gst_object_unref(source);
}
GST_END_TEST

OVI_TEST_MAIN(real_engine,
              OVI_TEST(a_clip_of_the_promised_length)
                  OVI_TEST(a_process_of_its_own_makes_the_same_clip)
                      OVI_TEST(a_worker_is_cancelled_and_goes_on) OVI_TEST(a_seed_is_a_clip)
                          OVI_TEST(two_elements_share_one_model) OVI_TEST(clips_follow_each_other)
                              OVI_TEST(it_is_cancelled_in_the_midst)
                                  OVI_TEST(ranges_are_those_of_the_engine)
                                      OVI_TEST(a_block_that_is_not_there_is_a_warning)
                                          OVI_TEST(what_is_wrong_with_a_model_is_told))
