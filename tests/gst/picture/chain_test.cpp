// Every picture that once crashed, stalled or came out wrong, through the element.
// SPDX-License-Identifier: Apache-2.0
#include <thread>

#include "picture/pictures.h"

using namespace fixture;

namespace {

std::string given(const char* name) { return std::string(g_getenv("OVI_PICTURES")) + "/" + name; }

std::string read_file(const std::string& path) {
  char* data = nullptr;
  gsize size = 0;
  fail_unless(g_file_get_contents(path.c_str(), &data, &size, nullptr), "%s", path.c_str());
  std::string bytes(data, size);
  g_free(data);
  return bytes;
}

/// The pixels of a picture that is turned by a quarter, back as they were.
std::string plain_turned(const Seen& plain) {
  // Orientation 6: the first row is seen at the right.
  std::string turned(plain.rgb.size(), '\0');
  for (uint32_t y = 0; y < plain.height; ++y)
    for (uint32_t x = 0; x < plain.width; ++x)
      turned.replace(3 * (size_t{x} * plain.height + (plain.height - 1 - y)), 3, plain.rgb,
                     3 * (size_t{y} * plain.width + x), 3);
  return turned;
}

}  // namespace

GST_START_TEST(each_is_seen_as_it_is) {
  const Seen plain = seen_by_engine(given("plain.png"));
  fail_unless_equals_int(plain.width, 192);
  fail_unless_equals_int(plain.height, 128);
  // What the encoders lost; a wrong matrix, range or alpha is below 25 dB.
  constexpr struct {
    const char* name;
    double least;  // dB
  } upright[] = {{"alpha.tif", 200},          {"full-range.mp4", 33},
                 {"jpeg-arithmetic.jpg", 30}, {"jpeg-cmyk-ycck.jpg", 30},
                 {"jpeg-no-eoi.jpg", 30},     {"jpeg-sampling-1x2.jpg", 30}};
  for (const auto& one : upright) {
    const Seen seen = seen_by_engine(given(one.name));
    fail_unless_equals_int(seen.width, plain.width);
    const double found = psnr(seen.rgb, plain.rgb);
    fail_unless(found >= one.least, "%s: %f dB", one.name, found);
  }
}
GST_END_TEST

GST_START_TEST(what_is_turned_is_upright) {
  const Seen plain = seen_by_engine(given("plain.png"));
  const std::string turned = plain_turned(plain);
  for (const char* name :
       {"exif-orientation-6-as-long.jpg", "exif-orientation-6.webp", "orientation-6.tif"}) {
    const Seen seen = seen_by_engine(given(name));
    fail_unless_equals_int(seen.width, plain.height);
    fail_unless_equals_int(seen.height, plain.width);
    fail_unless(psnr(seen.rgb, turned) > 28, "%s: %f dB", name, psnr(seen.rgb, turned));
  }
}
GST_END_TEST

/// Within a second, and the same element goes on.
GST_START_TEST(what_is_refused_is_refused_at_once) {
  const std::string list = scratch_file("list.png", "", 0);
  std::string text = read_file(given("m3u8-reads-local-jpg.png"));
  const std::string there = "/path/to/a-local-picture.jpg";
  text.replace(text.find(there), there.size(), given("jpeg-no-eoi.jpg"));
  fail_unless(
      g_file_set_contents(list.c_str(), text.c_str(), static_cast<gssize>(text.size()), nullptr));
  const std::string dash =
      "<?xml version=\"1.0\"?><MPD xmlns=\"urn:mpeg:dash:schema:mpd:2011\" type=\"static\">"
      "<Period><AdaptationSet mimeType=\"video/mp4\"><Representation id=\"1\"><BaseURL>file://" +
      given("full-range.mp4") + "</BaseURL></Representation></AdaptationSet></Period></MPD>";
  const std::string smil =
      "<smil><body><video src=\"file://" + given("full-range.mp4") + "\"/></body></smil>";
  const std::string concat = "ffconcat version 1.0\nfile " + given("full-range.mp4") + "\n";
  const std::string redirect = "[Reference]\nRef1=file://" + given("full-range.mp4") + "\n";
  const std::string uris = "file://" + given("plain.png") + "\n";
  auto file = [](const char* name, const std::string& bytes) {
    return scratch_file(name, bytes.data(), bytes.size());
  };
  const struct {
    std::string path;
    int code;
  } rows[] = {{list, GST_STREAM_ERROR_WRONG_TYPE},
              {given("svg-30000.svg"), GST_STREAM_ERROR_WRONG_TYPE},
              {given("svg-filter.svg"), GST_STREAM_ERROR_WRONG_TYPE},
              {file("a.mpd", dash), GST_STREAM_ERROR_WRONG_TYPE},
              {file("a.smil", smil), GST_STREAM_ERROR_WRONG_TYPE},
              {file("a.ffconcat", concat), GST_STREAM_ERROR_WRONG_TYPE},
              {file("a.asx", redirect), GST_STREAM_ERROR_WRONG_TYPE},
              {file("a.m3u", uris), GST_STREAM_ERROR_WRONG_TYPE},
              {given("half.gif"), GST_STREAM_ERROR_DECODE},
              {given("half.tif"), GST_STREAM_ERROR_DECODE},
              {given("gif-spins-60s.gif"), GST_STREAM_ERROR_DECODE}};
  for (const auto& row : rows) {
    const gint64 begin = g_get_monotonic_time();
    expect_error(row.path, GST_STREAM_ERROR, row.code);
    // And a clip without picture, which expect_error() makes.
    const double seconds = static_cast<double>(g_get_monotonic_time() - begin) / G_USEC_PER_SEC;
    fail_unless(seconds < 2, "%s: %f s", row.path.c_str(), seconds);
  }
  // 10000x10000 pixels of one colour: the budget, and no more.
  GstElement* source = nullptr;
  GstElement* pipeline = make_pipeline(&source);
  g_object_set(source, "image", given("gif-10000.gif").c_str(), nullptr);
  Posted error;
  if (play_to_end(pipeline, &error) == GST_MESSAGE_ERROR)
    fail_unless(error.domain == GST_STREAM_ERROR, "%s", error.text.c_str());
  gst_element_set_state(pipeline, GST_STATE_NULL);
  gst_object_unref(pipeline);
}
GST_END_TEST

/// A drawing is told from a text that is none.
GST_START_TEST(a_drawing_is_told_how_to_be_read) {
  GstElement* source = nullptr;
  GstElement* pipeline = make_pipeline(&source);
  g_object_set(source, "image", given("svg-filter.svg").c_str(), nullptr);
  Posted error;
  fail_unless_equals_int(play_to_end(pipeline, &error), GST_MESSAGE_ERROR);
  check_error(error, GST_STREAM_ERROR, GST_STREAM_ERROR_WRONG_TYPE, "save it as PNG");
  fail_unless(error.text.find("drawing") != std::string::npos, "%s", error.text.c_str());
  gst_element_set_state(pipeline, GST_STATE_NULL);
  gst_object_unref(pipeline);
}
GST_END_TEST

GST_START_TEST(several_elements_read_at_once) {
  constexpr int kMany = 6;
  GstElement* pipelines[kMany];
  for (int i = 0; i < kMany; ++i) {
    GstElement* source = nullptr;
    pipelines[i] = make_pipeline(&source);
    g_object_set(source, "image", given(i % 2 ? "plain.png" : "full-range.mp4").c_str(), nullptr);
  }
  std::thread threads[kMany];
  GstMessageType ends[kMany];
  for (int i = 0; i < kMany; ++i)
    threads[i] = std::thread([&, i] { ends[i] = play_to_end(pipelines[i]); });
  for (int i = 0; i < kMany; ++i) {
    threads[i].join();
    fail_unless_equals_int(ends[i], GST_MESSAGE_EOS);
    gst_element_set_state(pipelines[i], GST_STATE_NULL);
    gst_object_unref(pipelines[i]);
  }
}
GST_END_TEST

/// At any moment of reading: NULL within half a second, and a clip after it.
GST_START_TEST(it_stops_at_any_moment) {
  GstElement* source = nullptr;
  GstElement* pipeline = make_pipeline(&source);
  GRand* random = g_rand_new_with_seed(7);
  for (int i = 0; i < 40; ++i) {
    g_object_set(source, "image", given(i % 2 ? "full-range.mp4" : "plain.png").c_str(), nullptr);
    gst_element_set_state(pipeline, GST_STATE_PLAYING);
    g_usleep(static_cast<gulong>(g_rand_int_range(random, 0, 60'000)));
    const gint64 begin = g_get_monotonic_time();
    gst_element_set_state(pipeline, GST_STATE_NULL);
    fail_unless(g_get_monotonic_time() - begin < G_USEC_PER_SEC / 2, "round %d", i);
    for (const Posted& one : take_messages(pipeline))
      fail_unless(one.type != GST_MESSAGE_ERROR, "%s", one.text.c_str());
  }
  g_rand_free(random);
  fail_unless_equals_int(play_to_end(pipeline), GST_MESSAGE_EOS);
  gst_element_set_state(pipeline, GST_STATE_NULL);
  gst_object_unref(pipeline);
}
GST_END_TEST

OVI_TEST_MAIN(picture_chain,
              OVI_TEST(each_is_seen_as_it_is) OVI_TEST(what_is_turned_is_upright)
                  OVI_TEST(what_is_refused_is_refused_at_once)
                      OVI_TEST(a_drawing_is_told_how_to_be_read)
                          OVI_TEST(several_elements_read_at_once) OVI_TEST(it_stops_at_any_moment))
