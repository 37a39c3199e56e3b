// Pictures from a web server, quick or not; readers that are not installed.
// SPDX-License-Identifier: Apache-2.0
#include <gio/gio.h>
#include <gst/pbutils/missing-plugins.h>
#include <string.h>
#include <sys/stat.h>

#include <atomic>
#include <thread>

#include "fixture.h"

using namespace fixture;

namespace {

/// Serves one file over HTTP on the loopback, in a thread of its own.
class Server {
 public:
  enum class Manner {
    kQuick,     // all of it
    kMissing,   // 404
    kNoAnswer,  // takes the request, and says nothing
    kHalf,      // sends half of the file, and then nothing
    kRedirect,  // to what the body is
    kEndless    // one byte after the other
  };

  Server(Manner manner, std::string body) : manner_(manner), body_(std::move(body)) {
    port_ = g_socket_listener_add_any_inet_port(listener_, nullptr, nullptr);
    fail_unless(port_ != 0, "no port to listen on");
    thread_ = std::thread([this] { serve(); });
  }
  ~Server() {
    g_cancellable_cancel(over_);
    thread_.join();
    g_socket_listener_close(listener_);
    g_object_unref(listener_);
    g_object_unref(over_);
    g_async_queue_unref(asked_);
  }

  std::string uri() const { return "http://127.0.0.1:" + std::to_string(port_) + "/a.png"; }
  /// Until a client waits for what does not come.
  void wait_asked() {
    fail_unless(g_async_queue_timeout_pop(asked_, 10 * G_USEC_PER_SEC) != nullptr, "nobody asked");
  }

 private:
  void serve() {
    while (GSocketConnection* client =
               g_socket_listener_accept(listener_, nullptr, over_, nullptr)) {
      answer(client);
      g_object_unref(client);
    }
  }

  void answer(GSocketConnection* client) {
    GInputStream* in = g_io_stream_get_input_stream(G_IO_STREAM(client));
    std::string request;
    char some[1024];
    while (request.find("\r\n\r\n") == std::string::npos) {
      const gssize got = g_input_stream_read(in, some, sizeof some, over_, nullptr);
      if (got <= 0) return;
      request.append(some, static_cast<size_t>(got));
    }
    if (manner_ == Manner::kMissing) {
      send(client, "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
      return;
    }
    if (manner_ == Manner::kRedirect)
      return send(client, "HTTP/1.1 302 Found\r\nLocation: " + body_ +
                              "\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    if (manner_ == Manner::kEndless) {
      send(client, "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n");
      const std::string some_bytes(1 << 20, 'x');
      while (g_output_stream_write_all(g_io_stream_get_output_stream(G_IO_STREAM(client)),
                                       some_bytes.data(), some_bytes.size(), nullptr, over_,
                                       nullptr)) {
      }
      return;
    }
    if (manner_ != Manner::kNoAnswer)
      send(client,
           "HTTP/1.1 200 OK\r\nContent-Type: image/png\r\nConnection: close\r\nContent-Length: " +
               std::to_string(body_.size()) + "\r\n\r\n");
    if (manner_ == Manner::kQuick) return send(client, body_);
    if (manner_ == Manner::kHalf) send(client, body_.substr(0, body_.size() / 2));
    g_async_queue_push(asked_, this);
    // Until the client has gone.
    while (g_input_stream_read(in, some, sizeof some, over_, nullptr) > 0) {
    }
  }

  void send(GSocketConnection* client, const std::string& bytes) {
    g_output_stream_write_all(g_io_stream_get_output_stream(G_IO_STREAM(client)), bytes.data(),
                              bytes.size(), nullptr, over_, nullptr);
  }

  const Manner manner_;
  const std::string body_;
  GSocketListener* listener_ = g_socket_listener_new();
  GCancellable* over_ = g_cancellable_new();
  GAsyncQueue* asked_ = g_async_queue_new();
  guint16 port_ = 0;
  std::thread thread_;
};

std::string astronaut() {
  char* data = nullptr;
  gsize size = 0;
  fail_unless(g_file_get_contents(data_file("astronaut.png").c_str(), &data, &size, nullptr));
  std::string bytes(data, size);
  g_free(data);
  return bytes;
}

GstElement* make_with(const std::string& image, GstElement** source) {
  // The server is here, whatever proxy others use.
  for (const char* name : {"http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"}) g_unsetenv(name);
  GstElement* pipeline = make_pipeline(source);
  g_object_set(*source, "image", image.c_str(), nullptr);
  return pipeline;
}

void check_works_again(GstElement* pipeline, GstElement* source) {
  gst_element_set_state(pipeline, GST_STATE_READY);
  g_object_set(source, "image", data_file("astronaut.png").c_str(), nullptr);
  fail_unless_equals_int(play_to_end(pipeline), GST_MESSAGE_EOS);
  fail_unless_equals_int(fake().seen()->request.image_width, 512);
  gst_element_set_state(pipeline, GST_STATE_NULL);
  gst_object_unref(pipeline);
}

/// No decoder or reader with such a klass for what begins with `what` is installed.
void forget(const char* klass, const char* what) {
  GstRegistry* registry = gst_registry_get();
  GList* features = gst_registry_get_feature_list(registry, GST_TYPE_ELEMENT_FACTORY);
  for (GList* one = features; one; one = one->next) {
    auto* factory = GST_ELEMENT_FACTORY(one->data);
    const char* its = gst_element_factory_get_metadata(factory, GST_ELEMENT_METADATA_KLASS);
    if (!its || !strstr(its, klass)) continue;
    bool fits = false;
    for (const GList* pads = gst_element_factory_get_static_pad_templates(factory); pads;
         pads = pads->next) {
      auto* pad = static_cast<GstStaticPadTemplate*>(pads->data);
      fits |= pad->direction == GST_PAD_SINK && strstr(pad->static_caps.string, what);
    }
    const char* const* protocols = gst_element_factory_get_uri_protocols(factory);
    if (protocols) fits |= g_strv_contains(protocols, what);
    if (fits) gst_registry_remove_feature(registry, GST_PLUGIN_FEATURE(factory));
  }
  gst_plugin_feature_list_free(features);
}

}  // namespace

GST_START_TEST(a_picture_comes_over_http) {
  Server server(Server::Manner::kQuick, astronaut());
  GstElement* source = nullptr;
  GstElement* pipeline = make_with(server.uri(), &source);
  Posted error;
  fail_unless(play_to_end(pipeline, &error) == GST_MESSAGE_EOS, "%s %s", error.text.c_str(),
              error.debug.c_str());
  const std::string got(reinterpret_cast<char*>(fake().seen()->image), 3 * 512 * 512);
  check_works_again(pipeline, source);
  fail_unless(got == std::string(reinterpret_cast<char*>(fake().seen()->image), got.size()),
              "another picture than from the file");
}
GST_END_TEST

/// Within its scheme a redirect is followed, and leads nowhere else; no secret of it is told.
GST_START_TEST(redirects_stay_in_their_scheme) {
  Server picture(Server::Manner::kQuick, astronaut());
  GstElement* source = nullptr;
  {
    Server server(Server::Manner::kRedirect, picture.uri());
    GstElement* pipeline = make_with(server.uri(), &source);
    Posted error;
    fail_unless(play_to_end(pipeline, &error) == GST_MESSAGE_EOS, "%s", error.text.c_str());
    check_works_again(pipeline, source);
  }
  const struct {
    std::string target;
    int code;
    const char* part;
  } rows[] = {
      {"file://" + data_file("astronaut.png"), GST_RESOURCE_ERROR_NOT_AUTHORIZED, "local copy"},
      {"https://u:geheim@127.0.0.1/x?geheim", GST_RESOURCE_ERROR_NOT_AUTHORIZED,
       "leads to https://127.0.0.1/x?...: redirects to another scheme are not followed; set"},
      {"ftp://geheim@127.0.0.1/x", GST_RESOURCE_ERROR_NOT_AUTHORIZED, "ftp://127.0.0.1/x"},
      {"data:,geheim", GST_RESOURCE_ERROR_NOT_AUTHORIZED, "another scheme"},
      {"http:///a.png", GST_RESOURCE_ERROR_OPEN_READ, "no address is in that"},
      {"/a.png", GST_RESOURCE_ERROR_OPEN_READ, "without end"}};
  for (const auto& row : rows) {
    Server server(Server::Manner::kRedirect, row.target);
    GstElement* pipeline = make_with(server.uri(), &source);
    Posted error;
    fail_unless_equals_int(play_to_end(pipeline, &error), GST_MESSAGE_ERROR);
    check_error(error, GST_RESOURCE_ERROR, row.code, row.part);
    fail_unless((error.text + error.debug).find("geheim") == std::string::npos);
    check_works_again(pipeline, source);
  }
}
GST_END_TEST

GST_START_TEST(what_does_not_end_has_its_budget) {
  Server server(Server::Manner::kEndless, "");
  GstElement* source = nullptr;
  GstElement* pipeline = make_with(server.uri(), &source);
  Posted error;
  fail_unless_equals_int(play_to_end(pipeline, &error), GST_MESSAGE_ERROR);
  check_error(error, GST_STREAM_ERROR, GST_STREAM_ERROR_FORMAT, "256 MiB");
  check_works_again(pipeline, source);
}
GST_END_TEST

GST_START_TEST(what_a_server_refuses_is_told) {
  Server server(Server::Manner::kMissing, "");
  GstElement* source = nullptr;
  GstElement* pipeline = make_with(server.uri(), &source);
  Posted error;
  fail_unless_equals_int(play_to_end(pipeline, &error), GST_MESSAGE_ERROR);
  check_error(error, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_NOT_FOUND, server.uri().c_str());
  check_works_again(pipeline, source);
}
GST_END_TEST

/// While a picture is waited for: nobody waits for a server, and nothing is an error.
GST_START_TEST(a_picture_that_does_not_come_can_be_stopped) {
  for (Server::Manner manner : {Server::Manner::kNoAnswer, Server::Manner::kHalf})
    for (bool by_eos : {false, true}) {
      Server server(manner, astronaut());
      GstElement* source = nullptr;
      GstElement* pipeline = make_with(server.uri(), &source);
      fail_unless_equals_int(gst_element_set_state(pipeline, GST_STATE_PLAYING),
                             GST_STATE_CHANGE_ASYNC);
      server.wait_asked();
      std::vector<Posted> all = take_messages(pipeline);
      if (by_eos) {
        fail_unless(gst_element_send_event(pipeline, gst_event_new_eos()));
        GstBus* bus = gst_element_get_bus(pipeline);
        GstMessage* message = gst_bus_timed_pop_filtered(
            bus, 10 * GST_SECOND, static_cast<GstMessageType>(GST_MESSAGE_EOS | GST_MESSAGE_ERROR));
        fail_unless(message && GST_MESSAGE_TYPE(message) == GST_MESSAGE_EOS);
        gst_message_unref(message);
        gst_object_unref(bus);
      }
      const int loaded = fake().counters().models_loaded;
      gst_element_set_state(pipeline, GST_STATE_READY);
      for (const Posted& one : take_messages(pipeline)) all.push_back(one);
      int cancelled = 0;
      for (const Posted& one : all) {
        fail_unless(one.type != GST_MESSAGE_ERROR, "%s", one.text.c_str());
        cancelled += one.type == GST_MESSAGE_PROGRESS && one.progress == GST_PROGRESS_TYPE_CANCELED;
      }
      if (!by_eos) {
        // Waiting for EOS let go of some of them.
        check_progress_balance(all);
        fail_unless_equals_int(cancelled, 1);
      }
      fail_unless_equals_int(fake().counters().models_loaded, loaded);
      check_works_again(pipeline, source);
    }
}
GST_END_TEST

/// A pipe has no end, and opening it would wait for one who writes.
GST_START_TEST(a_pipe_is_no_picture) {
  const std::string path = scratch_file("x", "", 0) + ".pipe";
  fail_unless(mkfifo(path.c_str(), 0600) == 0);
  GstElement* source = nullptr;
  GstElement* pipeline = make_with(path, &source);
  fail_unless_equals_int(gst_element_set_state(pipeline, GST_STATE_PLAYING),
                         GST_STATE_CHANGE_FAILURE);
  check_error(wait_error(pipeline), GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_OPEN_READ, "not a file");
  check_works_again(pipeline, source);
}
GST_END_TEST

/// What applications install codecs by: posted by the element, before its error.
static void check_missing_plugin(GstElement* pipeline, GstElement* source, const char* type,
                                 const char* detail) {
  GstBus* bus = gst_element_get_bus(pipeline);
  GstMessage* message = gst_bus_timed_pop_filtered(
      bus, 10 * GST_SECOND, static_cast<GstMessageType>(GST_MESSAGE_ELEMENT | GST_MESSAGE_ERROR));
  fail_unless(message && gst_is_missing_plugin_message(message));
  fail_unless(GST_MESSAGE_SRC(message) == GST_OBJECT(source));
  char* installer = gst_missing_plugin_message_get_installer_detail(message);
  fail_unless(strstr(installer, type) && strstr(installer, detail), "%s", installer);
  g_free(installer);
  gst_message_unref(message);
  gst_object_unref(bus);
}

GST_START_TEST(a_refused_connection_is_no_broken_picture) {
  std::string closed;
  { closed = Server(Server::Manner::kMissing, "").uri(); }
  GstElement* source = nullptr;
  GstElement* pipeline = make_with(closed, &source);
  Posted error;
  fail_unless_equals_int(play_to_end(pipeline, &error), GST_MESSAGE_ERROR);
  check_error(error, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_OPEN_READ, "address and the network");
  check_works_again(pipeline, source);
}
GST_END_TEST

/// An MP4-like file without a film, as AVIF is to a GStreamer that does not know it.
GST_START_TEST(what_nothing_decodes_may_be_of_an_unknown_kind) {
  const std::string file(
      "\0\0\0\x18"
      "ftypmif1\0\0\0\0mif1avif\0\0\0\x08mdat",
      32);
  GstElement* source = nullptr;
  GstElement* pipeline = make_with(scratch_file("a.avif", file.data(), file.size()), &source);
  Posted error;
  fail_unless_equals_int(play_to_end(pipeline, &error), GST_MESSAGE_ERROR);
  fail_unless(error.domain == GST_STREAM_ERROR, "%s", error.text.c_str());
  fail_unless(error.text.find("JPEG") != std::string::npos, "%s", error.text.c_str());
  check_works_again(pipeline, source);
}
GST_END_TEST

GST_START_TEST(a_missing_reader_of_uris_is_named) {
  forget("Source", "http");
  GstElement* source = nullptr;
  GstElement* pipeline = make_with("http://127.0.0.1:1/a.png", &source);
  fail_unless_equals_int(gst_element_set_state(pipeline, GST_STATE_PAUSED),
                         GST_STATE_CHANGE_FAILURE);
  check_missing_plugin(pipeline, source, "urisource-", "http");
  const Posted error = wait_error(pipeline);
  check_error(error, GST_CORE_ERROR, GST_CORE_ERROR_MISSING_PLUGIN, "gstreamer1.0-plugins-good");
  fail_unless(error.text.find("http") != std::string::npos);
  check_works_again(pipeline, source);
}
GST_END_TEST

OVI_TEST_MAIN(web_image,
              OVI_TEST(redirects_stay_in_their_scheme) OVI_TEST(what_does_not_end_has_its_budget)
                  OVI_TEST(a_picture_comes_over_http) OVI_TEST(what_a_server_refuses_is_told)
                      OVI_TEST(a_picture_that_does_not_come_can_be_stopped)
                          OVI_TEST(a_pipe_is_no_picture)
                              OVI_TEST(a_refused_connection_is_no_broken_picture)
                                  OVI_TEST(what_nothing_decodes_may_be_of_an_unknown_kind)

                                      OVI_TEST(a_missing_reader_of_uris_is_named))
