// What may be read as a picture, and what messages call it.
// SPDX-License-Identifier: Apache-2.0
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <mutex>

#include "picture/pictures.h"

using namespace fixture;

namespace {

GstElement* make_with(const std::string& image, GstElement** source, const char* schemes = nullptr,
                      const char* folder = nullptr) {
  GstElement* pipeline = make_pipeline(source);
  g_object_set(*source, "image", image.c_str(), "image-folder", folder, nullptr);
  if (schemes) g_object_set(*source, "image-schemes", schemes, nullptr);
  return pipeline;
}

Posted error_of(const std::string& image, const char* schemes = nullptr,
                const char* folder = nullptr) {
  GstElement* source = nullptr;
  GstElement* pipeline = make_with(image, &source, schemes, folder);
  Posted error;
  fail_unless(play_to_end(pipeline, &error) == GST_MESSAGE_ERROR, "%s was taken", image.c_str());
  const gint64 begin = g_get_monotonic_time();
  gst_element_set_state(pipeline, GST_STATE_NULL);
  fail_unless(g_get_monotonic_time() - begin < G_USEC_PER_SEC / 2, "%s", image.c_str());
  gst_object_unref(pipeline);
  return error;
}

void check_taken(const std::string& image, const char* schemes, const char* folder) {
  GstElement* source = nullptr;
  GstElement* pipeline = make_with(image, &source, schemes, folder);
  Posted error;
  fail_unless(play_to_end(pipeline, &error) == GST_MESSAGE_EOS, "%s", error.text.c_str());
  gst_element_set_state(pipeline, GST_STATE_NULL);
  gst_object_unref(pipeline);
}

std::string uri_of(const std::string& path) {
  char* uri = gst_filename_to_uri(path.c_str(), nullptr);
  std::string text = uri;
  g_free(uri);
  return text;
}

std::mutex lock;
std::string logged;

void take_line(GstDebugCategory* category, GstDebugLevel, const char*, const char*, int, GObject*,
               GstDebugMessage* message, gpointer) {
  if (!g_str_equal(gst_debug_category_get_name(category), "ovii2vsrc")) return;
  std::lock_guard guard(lock);
  logged += std::string(gst_debug_message_get(message)) + "\n";
}

}  // namespace

GST_START_TEST(only_listed_schemes_are_read) {
  const std::string picture = data_file("astronaut.png");
  check_taken("file://localhost" + picture, "file", nullptr);
  check_error(error_of("file://elsewhere" + picture, "file"), GST_RESOURCE_ERROR,
              GST_RESOURCE_ERROR_NOT_FOUND, "names no file here");
  check_taken(picture, "file", nullptr);
  check_taken(uri_of(picture), "data, FILE", nullptr);
  for (const char* schemes : {"", "data", "http,https"})
    for (const std::string& image : {picture, uri_of(picture), "FILE://" + picture}) {
      const Posted error = error_of(image, schemes);
      check_error(error, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_NOT_AUTHORIZED, "image-schemes");
    }
  for (const char* image : {"data:image/png;base64,AAAA", "DATA:,x"})
    check_error(error_of(image, "file"), GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_NOT_AUTHORIZED,
                "image-schemes");
  for (const char* image : {"ftp://a/b", "pushfile:///etc/hostname", "HTTPS://a/b"})
    check_error(error_of(image, "file,data"), GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_NOT_AUTHORIZED,
                "image-schemes");
}
GST_END_TEST

/// Listed or not: what waits for ever, opens devices or runs pipelines is not even made.
GST_START_TEST(sources_without_an_end_are_not_opened) {
  const std::string pipe = scratch_file("x", "", 0) + ".pipe";
  fail_unless(mkfifo(pipe.c_str(), 0600) == 0);
  int refused = 0;
  for (const char* scheme :
       {"appsrc",    "cdda",      "dv",       "dvb", "dvd",     "fd",   "hdv", "imagesequence",
        "multifile", "pushfile",  "radio",    "rfb", "rist",    "rtmp", "rtp", "rtsp",
        "sdp",       "splitfile", "splitmux", "srt", "testbin", "udp",  "v4l2"}) {
    if (!gst_uri_protocol_is_supported(GST_URI_SRC, scheme)) continue;
    ++refused;
    for (const std::string& rest :
         {"://" + pipe, std::string("://127.0.0.1:5"), std::string("://0")}) {
      const gint64 begin = g_get_monotonic_time();
      const Posted error = error_of(scheme + rest, scheme);
      check_error(error, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_OPEN_READ,
                  "does not give the bytes");
      fail_unless(g_get_monotonic_time() - begin < G_USEC_PER_SEC, "%s", scheme);
    }
  }
  fail_unless(refused >= 3, "GStreamer has but %d of them here", refused);  // of the core alone
}
GST_END_TEST

GST_START_TEST(only_files_are_read) {
  const std::string base = scratch_file("x", "", 0);
  const std::string pipe = base + ".pipe", socket_path = base + ".socket", loop = base + ".loop";
  fail_unless(mkfifo(pipe.c_str(), 0600) == 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  g_strlcpy(address.sun_path, socket_path.c_str(), sizeof address.sun_path);
  const int listener = socket(AF_UNIX, SOCK_STREAM, 0);
  fail_unless(bind(listener, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
  for (const std::string& path :
       {pipe, socket_path, std::string("/dev/zero"), std::string("/dev/tty"),
        std::string("/dev/full"), std::string("/proc/self/mem"), std::string("/proc/self/status"),
        std::string("/tmp"), std::string("/sys/kernel/notes")})
    if (access(path.c_str(), F_OK) == 0)
      for (const std::string& image : {path, uri_of(path)})
        check_error(error_of(image), GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_OPEN_READ,
                    "not a file");
  fail_unless(symlink(loop.c_str(), loop.c_str()) == 0);
  check_error(error_of(loop), GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_NOT_FOUND, "does not exist");
  close(listener);
}
GST_END_TEST

GST_START_TEST(local_pictures_are_in_their_folder) {
  char* data = nullptr;
  gsize size = 0;
  fail_unless(g_file_get_contents(data_file("astronaut.png").c_str(), &data, &size, nullptr));
  const std::string inside = scratch_file("in.png", data, size);
  const std::string folder = inside.substr(0, inside.rfind('/'));
  const std::string outside = data_file("astronaut.png");
  g_free(data);
  const std::string beside = folder + "-beside", link = folder + "/link.png",
                    door = beside + "/door";
  fail_unless(mkdir(beside.c_str(), 0700) == 0 && symlink(outside.c_str(), link.c_str()) == 0 &&
              symlink(folder.c_str(), door.c_str()) == 0);
  check_taken(inside, nullptr, folder.c_str());
  check_taken(uri_of(inside), nullptr, (folder + "/").c_str());
  check_taken(door + "/in.png", nullptr, folder.c_str());  // leads inside
  check_taken(inside, nullptr, door.c_str());
  for (const std::string& image :
       {outside, uri_of(outside), link,
        folder + "/../" + beside.substr(beside.rfind('/') + 1) + "/none.png", beside + "/none.png",
        std::string("/etc/passwd"), std::string("/nonexistent/a.png")})
    check_error(error_of(image, nullptr, folder.c_str()), GST_RESOURCE_ERROR,
                GST_RESOURCE_ERROR_NOT_AUTHORIZED, "image-folder");
  check_error(error_of(folder + "/none.png", nullptr, folder.c_str()), GST_RESOURCE_ERROR,
              GST_RESOURCE_ERROR_NOT_FOUND, "does not exist");
  check_error(error_of(inside, nullptr, "/nonexistent"), GST_RESOURCE_ERROR,
              GST_RESOURCE_ERROR_NOT_FOUND, "image-folder");
  unlink(door.c_str());
  unlink(link.c_str());
  rmdir(beside.c_str());
}
GST_END_TEST

/// Whatever is wrong with it, and at whatever level of the log.
GST_START_TEST(secrets_stand_nowhere) {
  gst_debug_remove_log_function(gst_debug_log_default);
  gst_debug_add_log_function(take_line, nullptr, nullptr);
  gst_debug_set_active(TRUE);
  gst_debug_set_threshold_for_name("ovii2vsrc", GST_LEVEL_MEMDUMP);
  for (const char* name : {"http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"}) g_unsetenv(name);
  const std::string images[] = {
      "http://geheim:geheim@127.0.0.1:1/x",
      "HTTP://geheim:geheim@127.0.0.1:1/x?geheim#geheim",
      "http://127.0.0.1:1/x?token=geheim",
      "http://127.0.0.1:1/x#geheim",
      "http://geheim%3Ageheim%40127.0.0.1:1/x",
      "http://u:geh/geheim@127.0.0.1:1/x",
      "http://u:g?geheim@127.0.0.1:1/x",
      "http://u:g#geheim@127.0.0.1:1/x",
      "http:u:geheim@127.0.0.1/x",
      "http:/u:geheim@127.0.0.1/x",
      "http:///u:geheim@127.0.0.1/x",
      "http://[geheim@127.0.0.1/x",
      "%68ttp://u:geheim@127.0.0.1/x",
      " http://u:geheim@127.0.0.1/x",
      "u:geheim@127.0.0.1/x",
      "//u:geheim@127.0.0.1/x",
      "127.0.0.1/x?geheim",
      "file://u:geheim@host/x.png",
      "file:///nonexistent.png?geheim",
      "foo:geheim",
      "foo://u:geheim@host/x",
      "data:image/png;base64,geheimgeheim",
      "data:geheim",
      "geheim" + std::string(4000, 'A'),
      "iVBORw0KGgoAAAANSUhEUgAAAMAAAACACAIAAADMjMaEAAAAgeheimgeheimgeheimgeheimgeheim",
      "/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDAAIBAQEBAQIBAQECAgICAgQDAgICAgUEgeheimgeheim"};
  for (const std::string& image : images) {
    GstElement* source = nullptr;
    GstElement* pipeline = make_with(image, &source);
    gst_element_set_state(pipeline, GST_STATE_PLAYING);
    std::vector<Posted> all;
    const Posted error = wait_error(pipeline, &all);
    gst_element_set_state(pipeline, GST_STATE_NULL);
    for (const Posted& one : take_messages(pipeline)) all.push_back(one);
    all.push_back(error);
    for (const Posted& one : all)
      for (const std::string& text : {one.text, one.debug}) {
        fail_unless(text.find("geheim") == std::string::npos, "%s: %s", image.c_str(),
                    text.c_str());
        fail_unless(text.size() < 2000 && g_utf8_validate(text.c_str(), -1, nullptr));
      }
    GstStructure* stats = nullptr;
    g_object_get(source, "stats", &stats, nullptr);
    g_autofree char* shown = stats ? gst_structure_to_string(stats) : nullptr;
    fail_unless(!shown || !strstr(shown, "geheim"));
    if (stats) gst_structure_free(stats);
    gst_object_unref(pipeline);
  }
  std::lock_guard guard(lock);
  fail_unless(logged.find("image=") != std::string::npos, "the log was not listened to");
  fail_unless(logged.find("geheim") == std::string::npos, "%s", logged.c_str());
}
GST_END_TEST

GST_START_TEST(a_picture_is_called_so_that_it_is_known) {
  const struct {
    std::string image;
    const char* part;
  } rows[] = {
      {"/nonexistent/a b.png", "The image /nonexistent/a b.png does not exist"},
      {"http://user:x@127.0.0.1:1/a.png?key=1", "The image http://127.0.0.1:1/a.png?... cannot"},
      {"file:///nonexistent.png", "The image file:///nonexistent.png does not exist"},
      {"/nonexistent/a\nb\x1b[31m\xff.png", "The image /nonexistent/a?b?[31m"},
      {std::string(4000, 'A'),
       "The image (a text of 4000 characters that is neither a path nor a URI; base64 needs "
       "data:image/png;base64, before it)"},
      {"data:nonsense", "The image (a data: URI) is malformed"}};
  for (const auto& row : rows) {
    const Posted error = error_of(row.image);
    fail_unless(error.text.find(row.part) != std::string::npos, "%s", error.text.c_str());
    fail_unless(std::none_of(error.text.begin(), error.text.end(),
                             [](char c) { return static_cast<unsigned char>(c) < ' '; }));
  }
  // Long, and of characters of three bytes: cut between them.
  std::string deep;
  for (int i = 0; i < 40; ++i)
    deep += "/" + std::string("\xe7\x8c\xab\xe7\x8c\xab\xe7\x8c\xab") + "." + std::to_string(i);
  const Posted error = error_of(deep);
  fail_unless(g_utf8_validate(error.text.c_str(), -1, nullptr));
  fail_unless(error.text.size() < 500 && error.text.find("...") != std::string::npos, "%s",
              error.text.c_str());
}
GST_END_TEST

OVI_TEST_MAIN(picture_reach,
              OVI_TEST(only_listed_schemes_are_read) OVI_TEST(sources_without_an_end_are_not_opened)
                  OVI_TEST(only_files_are_read) OVI_TEST(local_pictures_are_in_their_folder)
                      OVI_TEST(secrets_stand_nowhere)
                          OVI_TEST(a_picture_is_called_so_that_it_is_known))
