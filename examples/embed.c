// An application that embeds ovii2vsrc: makes a clip, tells how far it is, can be
// stopped at any time, says what went wrong, and tells what the clip was made with.
// SPDX-License-Identifier: Apache-2.0
//
// It is built with the project. On its own it needs nothing of it:
//
//   cc -o embed embed.c $(pkg-config --cflags --libs gstreamer-1.0)
//
// To run it from the build tree:
//
//   GST_PLUGIN_PATH=build/gst build/examples/embed --model=examples/demo-model
//       --image=examples/astronaut.png --prompt='<S>Ready?<E> <AUDCAP>Soft.<ENDAUDCAP>'
//       steps=10 video-guidance-scale=1.5 audio-guidance-scale=1.5 slg-layer=1
//
// It ends with 0 when the clip is made, 1 after an error, 2 for wrong arguments, and
// 130 when it was cancelled (Ctrl-C, or --cancel-after-step).

#include <glib-unix.h>
#include <glib/gstdio.h>
#include <gst/gst.h>

enum { kMade = 0, kFailed = 1, kUsage = 2, kCancelled = 130 };

typedef struct {
  char* model;
  char* image;
  char* prompt;
  char* output;
  int cancel_after_step;
  char** settings;  // property=value of ovii2vsrc
} Options;

typedef struct {
  GMainLoop* loop;
  GstElement* pipeline;
  GstElement* source;
  int cancel_after_step;
  int steps_seen;
  int result;
} App;

static gboolean read_options(int* argc, char*** argv, Options* options) {
  const GOptionEntry entries[] = {
      {"model", 'm', 0, G_OPTION_ARG_FILENAME, &options->model,
       "Folder of the model (unset: $OVI_MODEL_PATH)", "FOLDER"},
      {"image", 'i', 0, G_OPTION_ARG_FILENAME, &options->image,
       "Path or URI of the first frame (unset: text only)", "FILE"},
      {"prompt", 'p', 0, G_OPTION_ARG_STRING, &options->prompt, "What is to be seen and heard",
       "TEXT"},
      {"output", 'o', 0, G_OPTION_ARG_FILENAME, &options->output, "MP4 file to write (clip.mp4)",
       "FILE"},
      {"cancel-after-step", 0, 0, G_OPTION_ARG_INT, &options->cancel_after_step,
       "Cancel when that many steps are done, as Ctrl-C would", "N"},
      {G_OPTION_REMAINING, 0, 0, G_OPTION_ARG_STRING_ARRAY, &options->settings,
       "More properties of ovii2vsrc", "PROPERTY=VALUE"},
      {NULL, 0, 0, G_OPTION_ARG_NONE, NULL, NULL, NULL}};
  GOptionContext* context = g_option_context_new(NULL);
  g_option_context_add_main_entries(context, entries, NULL);
  g_option_context_add_group(context, gst_init_get_option_group());
  GError* error = NULL;
  const gboolean read = g_option_context_parse(context, argc, argv, &error);
  if (!read) g_printerr("%s\n", error->message);
  g_clear_error(&error);
  g_option_context_free(context);
  return read;
}

// One "property=value", checked: g_object_set would only warn of a value out of range.
static gboolean apply_setting(GstElement* source, const char* setting) {
  g_auto(GStrv) parts = g_strsplit(setting, "=", 2);
  GParamSpec* spec = parts[0] && parts[1]
                         ? g_object_class_find_property(G_OBJECT_GET_CLASS(source), parts[0])
                         : NULL;
  if (!spec || !(spec->flags & G_PARAM_WRITABLE)) {
    g_printerr("\"%s\" is no setting of ovii2vsrc: see gst-inspect-1.0 ovii2vsrc\n", setting);
    return FALSE;
  }
  g_auto(GValue) value = G_VALUE_INIT;
  g_value_init(&value, spec->value_type);
  // Validating changes a value that is not allowed into one that is.
  if (!gst_value_deserialize(&value, parts[1]) || g_param_value_validate(spec, &value)) {
    g_printerr("\"%s\" is no value that %s takes: see gst-inspect-1.0 ovii2vsrc\n", parts[1],
               parts[0]);
    return FALSE;
  }
  g_object_set_property(G_OBJECT(source), parts[0], &value);
  return TRUE;
}

// What is not asked for keeps the element's default.
static gboolean configure(GstElement* source, const Options* options) {
  if (options->prompt) g_object_set(source, "prompt", options->prompt, NULL);
  if (options->model) g_object_set(source, "model-path", options->model, NULL);
  if (options->image) g_object_set(source, "image", options->image, NULL);
  for (char** setting = options->settings; setting && *setting; ++setting)
    if (!apply_setting(source, *setting)) return FALSE;
  return TRUE;
}

// Any graph will do; text from a user is set as a property, and never becomes part of the
// description.
static GstElement* build_pipeline(const Options* options, GstElement** source) {
  GError* error = NULL;
  GstElement* pipeline = gst_parse_launch(
      "ovii2vsrc name=ovi "
      "ovi.video ! videoconvert ! x264enc ! video/x-h264,profile=high ! mux. "
      "ovi.audio ! audioresample ! audio/x-raw,rate=48000 ! avenc_aac ! mux. "
      "mp4mux name=mux ! filesink name=file",
      &error);
  if (error) {
    g_printerr("The pipeline cannot be built: %s\n", error->message);
    g_clear_error(&error);
    if (pipeline) gst_object_unref(pipeline);
    return NULL;
  }
  GstElement* file = gst_bin_get_by_name(GST_BIN(pipeline), "file");
  g_object_set(file, "location", options->output, NULL);
  gst_object_unref(file);
  *source = gst_bin_get_by_name(GST_BIN(pipeline), "ovi");
  return pipeline;
}

static void finish(App* app, int result) {
  app->result = result;
  g_main_loop_quit(app->loop);
}

static void print_progress(GstMessage* message) {
  GstProgressType type;
  char *code = NULL, *text = NULL;
  int percent = 0;
  gst_message_parse_progress(message, &type, &code, &text);
  gst_structure_get_int(gst_message_get_structure(message), "percent", &percent);
  g_print("[%s %3d%%] %s\n", code, percent, text);
  g_free(code);
  g_free(text);
}

// A step of the generation is one CONTINUE message with the code "generate".
static gboolean is_step(GstMessage* message) {
  GstProgressType type;
  char* code = NULL;
  gst_message_parse_progress(message, &type, &code, NULL);
  const gboolean step = type == GST_PROGRESS_TYPE_CONTINUE && g_str_equal(code, "generate");
  g_free(code);
  return step;
}

// The message says what is wrong and what to do; the second text has details for a log.
static void print_problem(GstMessage* message, gboolean fatal) {
  GError* error = NULL;
  char* details = NULL;
  if (fatal)
    gst_message_parse_error(message, &error, &details);
  else
    gst_message_parse_warning(message, &error, &details);
  g_printerr("%s: %s: %s\n", fatal ? "Error" : "Warning", GST_MESSAGE_SRC_NAME(message),
             error->message);
  if (details && *details) g_printerr("  %s\n", details);
  g_clear_error(&error);
  g_free(details);
}

static gboolean on_message(GstBus* bus, GstMessage* message, gpointer data) {
  App* app = data;
  (void)bus;
  switch (GST_MESSAGE_TYPE(message)) {
    case GST_MESSAGE_PROGRESS:
      print_progress(message);
      if (app->cancel_after_step > 0 && is_step(message) &&
          ++app->steps_seen == app->cancel_after_step)
        finish(app, kCancelled);
      break;
    case GST_MESSAGE_WARNING:
      print_problem(message, FALSE);
      break;
    case GST_MESSAGE_ERROR:
      // The first one is the cause, others only follow from it.
      print_problem(message, TRUE);
      finish(app, kFailed);
      break;
    case GST_MESSAGE_EOS:
      finish(app, kMade);
      break;
    default:
      break;
  }
  return G_SOURCE_CONTINUE;
}

static gboolean on_interrupt(gpointer data) {
  finish(data, kCancelled);
  return G_SOURCE_CONTINUE;
}

static gboolean print_field(GQuark field, const GValue* value, gpointer data) {
  char* text = gst_value_serialize(value);
  (void)data;
  g_print("  %s: %s\n", g_quark_to_string(field), text);
  g_free(text);
  return TRUE;
}

static void print_stats(GstElement* source) {
  GstStructure* stats = NULL;
  g_object_get(source, "stats", &stats, NULL);
  if (!stats) return;
  g_print("The clip was made with:\n");
  gst_structure_foreach(stats, print_field, NULL);
  gst_structure_free(stats);
}

static void free_options(Options* options) {
  g_free(options->model);
  g_free(options->image);
  g_free(options->prompt);
  g_free(options->output);
  g_strfreev(options->settings);
}

// Runs until the clip is made, an error, or the wish to cancel.
static int run(App* app, const Options* options) {
  GMainLoop* loop = app->loop = g_main_loop_new(NULL, FALSE);
  GstBus* bus = gst_element_get_bus(app->pipeline);
  gst_bus_add_watch(bus, on_message, app);
  const guint interrupt = g_unix_signal_add(SIGINT, on_interrupt, app);

  // Returns at once: loading and generating go on in a thread of the element. What is wrong with
  // the settings is told by an error message too, so the loop runs in any case.
  gst_element_set_state(app->pipeline, GST_STATE_PLAYING);
  g_main_loop_run(loop);

  // To READY: this is what cancels, within one block of the model. The last messages are still on
  // the bus then (NULL throws them away), and READY keeps the model for another clip.
  gst_element_set_state(app->pipeline, GST_STATE_READY);
  gst_bus_remove_watch(bus);
  GstMessage* message;
  while ((message = gst_bus_pop_filtered(bus, GST_MESSAGE_PROGRESS))) {
    print_progress(message);
    gst_message_unref(message);
  }

  if (app->result == kMade) {
    print_stats(app->source);
    g_print("Made %s\n", options->output);
  } else {
    g_unlink(options->output);  // half a file is of no use
  }
  if (app->result == kCancelled) g_print("Cancelled: no clip was made\n");

  gst_element_set_state(app->pipeline, GST_STATE_NULL);
  g_source_remove(interrupt);
  gst_object_unref(bus);
  g_main_loop_unref(loop);
  return app->result;
}

int main(int argc, char** argv) {
  Options options = {NULL, NULL, NULL, NULL, 0, NULL};
  if (!read_options(&argc, &argv, &options)) return kUsage;
  if (!options.output) options.output = g_strdup("clip.mp4");

  App app = {NULL, NULL, NULL, options.cancel_after_step, 0, kFailed};
  app.pipeline = build_pipeline(&options, &app.source);
  int result = kFailed;
  if (app.pipeline) {
    result = configure(app.source, &options) ? run(&app, &options) : kUsage;
    gst_object_unref(app.source);
    gst_object_unref(app.pipeline);
  }
  free_options(&options);
  return result;
}
