// Makes clips, one after the other, with one element that keeps its model.
// SPDX-License-Identifier: Apache-2.0
#include "maker.h"

#include <glib-unix.h>
#include <signal.h>
#include <unistd.h>

#include "target.h"

namespace ovii2v::tools {
namespace {

constexpr int kEnding[] = {SIGINT, SIGTERM, SIGHUP};

/// What a command-line user can do, where the element's own words speak of properties.
std::string way_out_of(const GError* error, bool from_source) {
  if (g_error_matches(error, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_NO_SPACE_LEFT))
    return from_source
               ? "--property memory=offload or stream, --property precision=bf16"
               : "free some space where the clip is written, or name another folder with -o";
  if (!from_source) return {};
  const std::string text = error->message;
  if (text.find("model-path") != std::string::npos ||
      text.find("model folder") != std::string::npos)
    return "--model FOLDER says where the model is; \"ovi check FOLDER\" says what it lacks";
  if (g_error_matches(error, GST_LIBRARY_ERROR, GST_LIBRARY_ERROR_SETTINGS))
    return "\"ovi make --help\" has the settings";
  return {};
}

std::string number(double value) {
  char buffer[G_ASCII_DTOSTR_BUF_SIZE];
  return g_ascii_formatd(buffer, sizeof buffer, "%.1f", value);
}

/// What the clip was made with, from the element's statistics.
void describe(GstElement* source, Outcome& outcome) {
  GstStructure* stats = nullptr;
  g_object_get(source, "stats", &stats, nullptr);
  if (!stats) return;
  guint width = 0, height = 0, frames = 0;
  gst_structure_get(stats, "width", G_TYPE_UINT, &width, "height", G_TYPE_UINT, &height, "frames",
                    G_TYPE_UINT, &frames, nullptr);
  gst_structure_get_int64(stats, "seed", &outcome.seed);
  const char* device = gst_structure_get_string(stats, "device");
  outcome.text = number(frames / 24.0) + " s, " + std::to_string(width) + "x" +
                 std::to_string(height) + ", seed " + std::to_string(outcome.seed) + ", made in " +
                 duration_text(outcome.seconds) + (device ? std::string(" on ") + device : "");
  gst_structure_free(stats);
}

/// Some muxers go back at the end to write lengths into the beginning. A stream has gone by then,
/// and its readers know to read on: what would be written there is left out.
GstPadProbeReturn forward_only(GstPad*, GstPadProbeInfo* info, gpointer data) {
  int& segments = *static_cast<int*>(data);
  if (GST_PAD_PROBE_INFO_TYPE(info) & GST_PAD_PROBE_TYPE_EVENT_DOWNSTREAM) {
    if (GST_EVENT_TYPE(GST_PAD_PROBE_INFO_EVENT(info)) != GST_EVENT_SEGMENT)
      return GST_PAD_PROBE_OK;
    ++segments;
  }
  return segments > 1 ? GST_PAD_PROBE_DROP : GST_PAD_PROBE_OK;
}

void keep_forward(GstElement* sink) {
  GstPad* pad = gst_element_get_static_pad(sink, "sink");
  gst_pad_add_probe(
      pad,
      static_cast<GstPadProbeType>(GST_PAD_PROBE_TYPE_EVENT_DOWNSTREAM | GST_PAD_PROBE_TYPE_BUFFER |
                                   GST_PAD_PROBE_TYPE_BUFFER_LIST),
      forward_only, g_new0(int, 1), g_free);
  gst_object_unref(pad);
}

}  // namespace

Maker::Maker(GstElement* source, bool quiet, const PreviewOptions& preview)
    : pipeline_(gst_pipeline_new("ovi-make")),
      source_(source),
      bus_(gst_element_get_bus(pipeline_)),
      loop_(g_main_loop_new(nullptr, FALSE)),
      progress_(quiet),
      preview_(preview, quiet) {
  gst_bin_add(GST_BIN(pipeline_), source_);
  gst_bus_add_watch(bus_, on_message, this);
  for (const int number : kEnding) {
    // What the parent wants ignored (nohup, a script's background) stays so.
    struct sigaction before {};
    sigaction(number, nullptr, &before);
    if (before.sa_handler == SIG_IGN) continue;
    signals_.push_back(g_unix_signal_add(number, on_signal, this));
  }
}

Maker::~Maker() {
  gst_element_set_state(pipeline_, GST_STATE_NULL);
  for (const guint id : signals_) g_source_remove(id);
  gst_bus_remove_watch(bus_);
  gst_object_unref(bus_);
  gst_object_unref(pipeline_);
  g_main_loop_unref(loop_);
}

gboolean Maker::on_signal(gpointer self) {
  auto* maker = static_cast<Maker*>(self);
  if (!maker->cancelled_) complain("cancelling");
  maker->cancelled_ = true;
  // Nothing would take it away if the next signal ends the program.
  if (!maker->part_.empty()) unlink(maker->part_.c_str());
  maker->preview_.end();
  for (const int number : kEnding) signal(number, SIG_DFL);
  g_main_loop_quit(maker->loop_);
  return G_SOURCE_CONTINUE;
}

gboolean Maker::on_message(GstBus*, GstMessage* message, gpointer self) {
  auto* maker = static_cast<Maker*>(self);
  if (maker->outcome_) maker->look(message, *maker->outcome_);
  return G_SOURCE_CONTINUE;
}

void Maker::look(GstMessage* message, Outcome& outcome) {
  g_autoptr(GError) error = nullptr;
  g_autofree gchar* details = nullptr;
  const bool from_source = GST_MESSAGE_SRC(message) == GST_OBJECT(source_);
  switch (GST_MESSAGE_TYPE(message)) {
    case GST_MESSAGE_PROGRESS:
      progress_.show(message);
      break;
    case GST_MESSAGE_ELEMENT:
      if (!cancelled_) preview_.show(message);
      break;
    case GST_MESSAGE_WARNING:
      gst_message_parse_warning(message, &error, &details);
      warnings_.say(shown(error->message));
      break;
    case GST_MESSAGE_ERROR:
      // The first one is the cause, others only follow from it.
      if (ended_) break;
      gst_message_parse_error(message, &error, &details);
      outcome.status = kFailed;
      outcome.problem = shown(error->message);
      // Stock elements name neither file nor reason in the first text.
      if (!from_source && details) {
        const std::string text = details;
        const size_t reason = text.find('\n');
        if (reason != std::string::npos)
          outcome.problem.append(1, ' ').append(shown(text.substr(reason + 1)));
      }
      outcome.way_out = way_out_of(error, from_source);
      ended_ = true;
      g_main_loop_quit(loop_);
      break;
    case GST_MESSAGE_EOS:
      if (ended_) break;
      outcome.status = kDone;
      ended_ = true;
      g_main_loop_quit(loop_);
      break;
    default:
      break;
  }
}

/// Signals are heard meanwhile; false when there was one.
bool Maker::wait_a_little() {
  constexpr guint kWhile = 50;  // ms
  bool over = false;
  const guint id = g_timeout_add(
      kWhile,
      [](gpointer flag) -> gboolean {
        *static_cast<bool*>(flag) = true;
        return G_SOURCE_CONTINUE;
      },
      &over);
  while (!over && !cancelled_) g_main_context_iteration(nullptr, TRUE);
  g_source_remove(id);
  return !cancelled_;
}

Outcome Maker::make(const Order& order) {
  Outcome outcome;
  while (g_main_context_iteration(nullptr, FALSE)) {  // a signal since the last clip
  }
  if (cancelled_) {
    outcome.status = kCancelled;
    return outcome;
  }
  Target target;
  bool waits = false;
  outcome.problem = target.open(order.output, order.force, [&] {
    if (!waits) complain(shown_file(order.output) + ": waiting for a reader");
    waits = true;
    return wait_a_little();
  });
  if (cancelled_) outcome.status = kCancelled;
  if (!outcome.problem.empty()) return outcome;
  const auto graph = choose_graph(order.container, target.is_stream(), outcome.problem);
  GstElement* writer = graph ? build_graph(*graph, outcome.problem) : nullptr;
  if (!writer) return outcome;

  std::vector<Setting> before;
  for (const Setting& setting : order.settings) {
    before.push_back(Setting::of(G_OBJECT(source_), setting.name()));
    setting.apply(G_OBJECT(source_));
  }
  GstElement* sink = gst_bin_get_by_name(GST_BIN(writer), "file");
  if (target.is_stream()) {
    g_object_set(sink, "fd", target.descriptor(), nullptr);
    keep_forward(sink);
  } else {
    g_object_set(sink, "location", target.part().c_str(), nullptr);
  }
  gst_object_unref(sink);
  gst_bin_add(GST_BIN(pipeline_), writer);
  for (const char* pad : {"video", "audio"})
    if (pad[0] == 'a' || !graph->video.empty()) gst_element_link_pads(source_, pad, writer, pad);

  part_ = target.part();
  ended_ = false;
  outcome_ = &outcome;
  progress_.begin(order.output, order.place);
  preview_.begin(order.output, order.force);
  const gint64 began = g_get_monotonic_time();
  // What is wrong with the settings is told by a message too.
  const bool started =
      gst_element_set_state(pipeline_, GST_STATE_PLAYING) != GST_STATE_CHANGE_FAILURE;
  if (started && !cancelled_) g_main_loop_run(loop_);
  // This is what cancels, within one block of the model; READY keeps it for the next clip.
  gst_element_set_state(pipeline_, GST_STATE_READY);
  while (GstMessage* message = gst_bus_pop(bus_)) {
    if (!started || cancelled_) look(message, outcome);
    gst_message_unref(message);
  }
  outcome_ = nullptr;
  outcome.seconds = static_cast<double>(g_get_monotonic_time() - began) / G_USEC_PER_SEC;
  progress_.end();
  preview_.end();
  gst_element_set_state(writer, GST_STATE_NULL);
  gst_bin_remove(GST_BIN(pipeline_), writer);
  for (const Setting& setting : before) setting.apply(G_OBJECT(source_));

  // Also one that was whole by then: its file is gone.
  if (cancelled_) outcome.status = kCancelled;
  if (outcome.status == kFailed && outcome.problem.empty())
    outcome.problem = "The pipeline could not be started, and no element says why.";
  if (outcome.status == kDone) {
    describe(source_, outcome);
    outcome.problem = target.finish();
    if (!outcome.problem.empty()) outcome.status = kFailed;
  }
  part_.clear();
  return outcome;
}

}  // namespace ovii2v::tools
