// One source element that fills a memfd, in a thread that can be left behind.
// SPDX-License-Identifier: Apache-2.0
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "picture/transfer.h"

#include <errno.h>
#include <gst/base/gstbasesrc.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

namespace ovii2v {
namespace {

constexpr GstClockTime kPollInterval = 10 * GST_MSECOND;
constexpr std::chrono::milliseconds kPatience{100};

/// Whether it reads one thing from the network (or what GIO mounts) to its end, by its kind. Others
/// wait for ever, open what else the text names, or run whole pipelines: cameras, pipes, bins.
bool gives_bytes(GstElementFactory* factory) {
  const char* kind = gst_element_factory_get_metadata(factory, GST_ELEMENT_METADATA_KLASS);
  const bool remote =
      (kind && strstr(kind, "Source/Network")) || g_str_equal(GST_OBJECT_NAME(factory), "giosrc");
  if (!remote) return false;
  g_autoptr(GstPluginFeature) loaded = gst_plugin_feature_load(GST_PLUGIN_FEATURE(factory));
  return loaded && g_type_is_a(gst_element_factory_get_element_type(GST_ELEMENT_FACTORY(loaded)),
                               GST_TYPE_BASE_SRC);
}

bool has_property(GstElement* element, const char* name) {
  return g_object_class_find_property(G_OBJECT_GET_CLASS(element), name);
}

/// A header of a server's answer, in whatever case it wrote its name.
std::string header(const GstStructure* headers, const char* name) {
  for (gint i = 0; i < gst_structure_n_fields(headers); ++i) {
    const char* field = gst_structure_nth_field_name(headers, static_cast<guint>(i));
    const char* value = gst_structure_get_string(headers, field);
    if (g_ascii_strcasecmp(field, name) == 0 && value) return value;
  }
  return {};
}

}  // namespace

GstElementFactory* find_source(const std::string& scheme, std::string& others) {
  GList* all =
      g_list_sort(gst_registry_get_feature_list(gst_registry_get(), GST_TYPE_ELEMENT_FACTORY),
                  gst_plugin_feature_rank_compare_func);
  GstElementFactory* found = nullptr;
  for (GList* one = all; one && !found; one = one->next) {
    auto* factory = GST_ELEMENT_FACTORY(one->data);
    const char* const* protocols = gst_element_factory_get_uri_protocols(factory);
    if (gst_element_factory_get_uri_type(factory) != GST_URI_SRC || !protocols) continue;
    bool fits = false;
    for (; *protocols; ++protocols) fits |= !g_ascii_strcasecmp(*protocols, scheme.c_str());
    if (!fits) continue;
    if (gives_bytes(factory))
      found = GST_ELEMENT_FACTORY(gst_object_ref(factory));
    else if (others.empty())
      others = GST_OBJECT_NAME(factory);
  }
  gst_plugin_feature_list_free(all);
  return found;
}

std::shared_ptr<Transfer> Transfer::start(std::string uri, uint64_t most) {
  std::shared_ptr<Transfer> transfer(new Transfer(std::move(uri), most));
  auto* own = new std::shared_ptr<Transfer>(transfer);
  GThread* thread = g_thread_try_new("ovii2v-fetch", Transfer::thread, own, nullptr);
  if (thread) {
    g_thread_unref(thread);
  } else {
    delete own;
    transfer->end(End::kNoThread);
    transfer->over_ = true;
  }
  return transfer;
}

Transfer::~Transfer() {
  if (file_ >= 0) close(file_);
}

bool Transfer::wait(std::chrono::milliseconds time) {
  std::unique_lock held(lock_);
  return changed_.wait_for(held, time, [this] { return over_; });
}

void Transfer::abandon() {
  {
    std::lock_guard guard(lock_);
    abandoned_ = true;
  }
  wait(kPatience);
}

Transfer::Result Transfer::result() {
  std::lock_guard guard(lock_);
  return result_;
}

int Transfer::take_file() {
  std::lock_guard guard(lock_);
  const int file = file_;
  file_ = -1;
  return file;
}

gpointer Transfer::thread(gpointer user) {
  const std::unique_ptr<std::shared_ptr<Transfer>> self(
      static_cast<std::shared_ptr<Transfer>*>(user));
  (*self)->run();
  return nullptr;
}

void Transfer::run() {
  if (GstElement* source = make_source()) {
    read(source);
    gst_object_unref(source);
  }
  std::lock_guard guard(lock_);
  over_ = true;
  changed_.notify_all();
}

/// Null: result_ says why.
GstElement* Transfer::make_source() {
  g_autofree char* scheme = gst_uri_get_protocol(uri_.c_str());
  std::string element;
  g_autoptr(GstElementFactory) factory = scheme ? find_source(scheme, element) : nullptr;
  GstElement* source = factory ? gst_element_factory_create(factory, nullptr) : nullptr;
  if (source) gst_object_ref_sink(source);
  if (factory) element = GST_OBJECT_NAME(factory);
  // A redirect may lead anywhere: who asked for it looks at it first.
  const char* follows = "automatic-redirect";
  const bool web = scheme && g_str_has_prefix(scheme, "http");
  const bool suits = source && !gst_base_src_is_live(GST_BASE_SRC(source)) &&
                     (!web || has_property(source, follows));
  // The error's text would repeat the address.
  const bool taken =
      suits && gst_uri_handler_set_uri(GST_URI_HANDLER(source), uri_.c_str(), nullptr);
  if (!taken) {
    {
      std::lock_guard guard(lock_);
      result_.element = element;
    }
    end(suits ? End::kFailed : End::kUnsuitable);
    if (source) gst_object_unref(source);
    return nullptr;
  }
  if (has_property(source, follows)) g_object_set(source, follows, FALSE, nullptr);
  // Titles of songs between the bytes.
  if (has_property(source, "iradio-mode")) g_object_set(source, "iradio-mode", FALSE, nullptr);
  return source;
}

void Transfer::read(GstElement* source) {
  const int file = memfd_create("ovii2v-image", MFD_CLOEXEC);
  {
    std::lock_guard guard(lock_);
    file_ = file;
  }
  g_autoptr(GstPad) out = gst_element_get_static_pad(source, "src");
  g_autoptr(GstPad) in = GST_PAD(gst_object_ref_sink(gst_pad_new("sink", GST_PAD_SINK)));
  gst_pad_set_element_private(in, this);
  gst_pad_set_chain_function(in, on_buffer);
  gst_pad_set_event_function(in, on_event);
  gst_pad_set_active(in, TRUE);
  if (file < 0 || !out || gst_pad_link(out, in) != GST_PAD_LINK_OK) return end(End::kFailed);
  g_autoptr(GstBus) bus = gst_bus_new();
  gst_element_set_bus(source, bus);
  const bool failed = gst_element_set_state(source, GST_STATE_PLAYING) == GST_STATE_CHANGE_FAILURE;
  do {
    g_autoptr(GstMessage) message = gst_bus_timed_pop(bus, failed ? 0 : kPollInterval);
    if (message)
      take_message(message);
    else if (failed)
      end(End::kFailed);
  } while (goes_on());
  // An error is on the bus before the end of the stream is sent.
  while (g_autoptr(GstMessage) message = gst_bus_pop(bus)) take_message(message);
  gst_element_set_state(source, GST_STATE_NULL);
  gst_pad_unlink(out, in);
  gst_pad_set_active(in, FALSE);
  gst_element_set_bus(source, nullptr);
  end(End::kWhole);  // unless something else was the end
}

bool Transfer::goes_on() {
  std::lock_guard guard(lock_);
  return !abandoned_ && !ended_ && result_.end == End::kRunning;
}

/// The text of an error is not looked at: it may repeat the URI, or what a server wrote.
void Transfer::take_message(GstMessage* message) {
  if (GST_MESSAGE_TYPE(message) == GST_MESSAGE_ELEMENT) {
    const GstStructure* said = gst_message_get_structure(message);
    if (!gst_structure_has_name(said, "http-headers")) return;
    std::lock_guard guard(lock_);
    gst_structure_get_uint(said, "http-status-code", &result_.status);
    const GValue* headers = gst_structure_get_value(said, "response-headers");
    if (headers && GST_VALUE_HOLDS_STRUCTURE(headers))
      result_.redirect = header(gst_value_get_structure(headers), "Location");
  } else if (GST_MESSAGE_TYPE(message) == GST_MESSAGE_ERROR) {
    g_autoptr(GError) error = nullptr;
    gst_message_parse_error(message, &error, nullptr);
    const GstStructure* details = nullptr;
    gst_message_parse_error_details(message, &details);
    {
      std::lock_guard guard(lock_);
      if (result_.end == End::kRunning) result_.domain = error->domain, result_.code = error->code;
      if (details) gst_structure_get_uint(details, "http-status-code", &result_.status);
    }
    end(End::kFailed);
  }
}

/// The first one counts.
void Transfer::end(End end) {
  std::lock_guard guard(lock_);
  if (result_.end == End::kRunning) result_.end = end;
}

GstFlowReturn Transfer::take(GstBuffer* buffer) {
  GstMapInfo map;
  if (!gst_buffer_map(buffer, &map, GST_MAP_READ)) return GST_FLOW_ERROR;
  std::lock_guard guard(lock_);
  GstFlowReturn flow = abandoned_ ? GST_FLOW_FLUSHING : GST_FLOW_OK;
  if (flow == GST_FLOW_OK && map.size > most_ - bytes_) {
    result_.end = End::kTooLong;
    flow = GST_FLOW_EOS;
  }
  for (size_t at = 0; flow == GST_FLOW_OK && at < map.size;) {
    const ssize_t put = write(file_, map.data + at, map.size - at);
    if (put > 0) at += static_cast<size_t>(put);
    if (put <= 0 && errno != EINTR) flow = GST_FLOW_ERROR;
  }
  bytes_ += map.size;
  gst_buffer_unmap(buffer, &map);
  return flow;
}

GstFlowReturn Transfer::on_buffer(GstPad* pad, GstObject*, GstBuffer* buffer) {
  const GstFlowReturn flow = static_cast<Transfer*>(gst_pad_get_element_private(pad))->take(buffer);
  gst_buffer_unref(buffer);
  return flow;
}

gboolean Transfer::on_event(GstPad* pad, GstObject*, GstEvent* event) {
  if (GST_EVENT_TYPE(event) == GST_EVENT_EOS) {
    auto* self = static_cast<Transfer*>(gst_pad_get_element_private(pad));
    std::lock_guard guard(self->lock_);
    self->ended_ = true;
  }
  gst_event_unref(event);
  return TRUE;
}

}  // namespace ovii2v
