// The properties and pads as a user sees them in gst-inspect-1.0.
// SPDX-License-Identifier: Apache-2.0
#include "fixture.h"

using namespace fixture;

namespace {

constexpr GParamFlags kMutability =
    static_cast<GParamFlags>(GST_PARAM_MUTABLE_READY | GST_PARAM_MUTABLE_PLAYING |
                             GST_PARAM_MUTABLE_PAUSED | GST_PARAM_CONTROLLABLE);

std::string as_text(GObject* object, GParamSpec* spec) {
  GValue value = G_VALUE_INIT, text = G_VALUE_INIT;
  g_value_init(&value, spec->value_type);
  g_object_get_property(object, spec->name, &value);
  std::string out;
  if (G_IS_PARAM_SPEC_ENUM(spec)) {
    const GEnumValue* one =
        g_enum_get_value(G_PARAM_SPEC_ENUM(spec)->enum_class, g_value_get_enum(&value));
    out = one->value_nick;
  } else if (G_VALUE_HOLDS_STRING(&value)) {
    out = g_value_get_string(&value) ? g_value_get_string(&value) : "(null)";
  } else if (G_VALUE_HOLDS_BOXED(&value)) {
    out = g_value_get_boxed(&value) ? "a box" : "(null)";
  } else {
    g_value_init(&text, G_TYPE_STRING);
    g_value_transform(&value, &text);
    out = g_value_get_string(&text);
    g_value_unset(&text);
  }
  g_value_unset(&value);
  return out;
}

std::string range_of(GParamSpec* spec) {
  std::string out;
  auto range = [&out](auto low, auto high) {
    char text[64];
    g_snprintf(text, sizeof text, "%.15g..%.15g", static_cast<double>(low),
               static_cast<double>(high));
    out = text;
  };
  if (auto* p = G_IS_PARAM_SPEC_UINT(spec) ? G_PARAM_SPEC_UINT(spec) : nullptr)
    range(p->minimum, p->maximum);
  else if (auto* q = G_IS_PARAM_SPEC_INT64(spec) ? G_PARAM_SPEC_INT64(spec) : nullptr)
    range(q->minimum, q->maximum);
  else if (auto* r = G_IS_PARAM_SPEC_DOUBLE(spec) ? G_PARAM_SPEC_DOUBLE(spec) : nullptr)
    range(r->minimum, r->maximum);
  else if (G_IS_PARAM_SPEC_ENUM(spec))
    for (guint i = 0; i < G_PARAM_SPEC_ENUM(spec)->enum_class->n_values; ++i)
      out += std::string(i ? " " : "") + G_PARAM_SPEC_ENUM(spec)->enum_class->values[i].value_nick;
  return out;
}

}  // namespace

GST_START_TEST(names_types_defaults_and_ranges) {
  const struct {
    const char *name, *type, *value, *range;
  } wanted[] = {
      {"image", "gchararray", "(null)", ""},
      {"image-schemes", "gchararray", "file,http,https,data", ""},
      {"image-folder", "gchararray", "(null)", ""},
      {"prompt", "gchararray", "(null)", ""},
      {"audio-negative-prompt", "gchararray", "robotic, muffled, echo, distorted", ""},
      {"video-negative-prompt", "gchararray", "jitter, bad hands, blur, distortion", ""},
      {"seed", "gint64", "-1", "-1..9.22337203685478e+18"},
      {"model-path", "gchararray", "(null)", ""},
      {"variant", "GstOvii2vSrcVariant", "auto", "auto 720x720-5s 960x960-5s 960x960-10s"},
      {"width", "guint", "0", "0..8192"},
      {"height", "guint", "0", "0..8192"},
      {"steps", "guint", "50", "1..1000"},
      {"shift", "gdouble", "5.000000", "0.01..100"},
      {"solver", "GstOvii2vSrcSolver", "unipc", "unipc dpm++ euler"},
      {"video-guidance-scale", "gdouble", "4.000000", "0..100"},
      {"audio-guidance-scale", "gdouble", "3.000000", "0..100"},
      {"slg-layer", "guint", "11", "0..1000"},
      {"device", "gchararray", "auto", ""},
      {"precision", "GstOvii2vSrcPrecision", "auto", "auto fp32 bf16 fp8"},
      {"memory", "GstOvii2vSrcMemory", "auto", "auto resident offload stream"},
      {"num-clips", "guint", "1", "0..2147483647"},
      {"continuity", "GstOvii2vSrcContinuity", "none", "none last-frame"},
      {"is-live", "gboolean", "FALSE", ""},
      {"acceleration", "GstOvii2vSrcAcceleration", "none", "none balanced fast"},
      {"image-sample", "GstSample", "(null)", ""},
      {"failures", "guint", "3", "0..2147483647"},
      {"hold", "GstOvii2vSrcHold", "none", "none picture last-frame"},
      {"preview", "guint", "0", "0..1000"},
      {"lora", "gchararray", "(null)", ""},
      {"isolation", "GstOvii2vSrcIsolation", "auto", "none process auto"},
      {"devices", "gchararray", "", ""},
  };
  GstElement* source = make_source_bare();
  guint own = 0, count = 0;
  GParamSpec** specs = g_object_class_list_properties(G_OBJECT_GET_CLASS(source), &count);
  for (guint i = 0; i < count; ++i) own += specs[i]->owner_type == G_OBJECT_TYPE(source);
  g_free(specs);
  fail_unless_equals_int(own, G_N_ELEMENTS(wanted) + 1);  // and stats

  for (const auto& row : wanted) {
    GParamSpec* spec = g_object_class_find_property(G_OBJECT_GET_CLASS(source), row.name);
    fail_unless(spec != nullptr, "%s", row.name);
    fail_unless_equals_string(g_type_name(spec->value_type), row.type);
    const std::string text = as_text(G_OBJECT(source), spec);
    fail_unless_equals_string(text.c_str(), row.value);
    // What the description says is what the element begins with.
    GValue value = G_VALUE_INIT;
    g_value_init(&value, spec->value_type);
    g_object_get_property(G_OBJECT(source), row.name, &value);
    fail_unless(g_param_value_defaults(spec, &value), "%s", row.name);
    g_value_unset(&value);
    const std::string range = range_of(spec);
    fail_unless_equals_string(range.c_str(), row.range);
    const bool playing = g_str_equal(row.name, "prompt") || g_str_equal(row.name, "image") ||
                         g_str_equal(row.name, "image-sample") || g_str_equal(row.name, "lora") ||
                         g_str_equal(row.name, "failures") || g_str_equal(row.name, "num-clips") ||
                         g_str_equal(row.name, "preview");
    fail_unless_equals_int(spec->flags & kMutability,
                           playing ? GST_PARAM_MUTABLE_PLAYING : GST_PARAM_MUTABLE_READY);
  }
  GParamSpec* stats = g_object_class_find_property(G_OBJECT_GET_CLASS(source), "stats");
  fail_unless(stats && stats->value_type == GST_TYPE_STRUCTURE &&
              !(stats->flags & G_PARAM_WRITABLE));
  drop(source);
}
GST_END_TEST

GST_START_TEST(the_model_path_comes_from_the_environment) {
  g_setenv("OVI_MODEL_PATH", "/srv/ovi", TRUE);
  GstElement* source = make_source_bare();
  char* path = nullptr;
  g_object_get(source, "model-path", &path, nullptr);
  fail_unless_equals_string(path, "/srv/ovi");
  g_free(path);
  drop(source);
}
GST_END_TEST

GST_START_TEST(what_is_set_is_what_is_got) {
  GstElement* source = make_source_bare();
  g_object_set(source, "image", "a.png", "prompt", "p", "seed", G_MAXINT64, "device", "cuda:3",
               "shift", 0.5, nullptr);
  gst_util_set_object_arg(G_OBJECT(source), "solver", "euler");
  char *image = nullptr, *device = nullptr;
  gint64 seed = 0;
  int solver = 0;
  g_object_get(source, "image", &image, "seed", &seed, "device", &device, "solver", &solver,
               nullptr);
  fail_unless_equals_string(image, "a.png");
  fail_unless_equals_string(device, "cuda:3");
  fail_unless_equals_int64(seed, G_MAXINT64);
  fail_unless_equals_int(solver, OVI_SOLVER_EULER);
  g_free(image);
  g_free(device);
  g_object_set(source, "image", nullptr, "audio-negative-prompt", nullptr, nullptr);
  g_object_get(source, "image", &image, "audio-negative-prompt", &device, nullptr);
  fail_unless(image == nullptr);
  fail_unless_equals_string(device, "robotic, muffled, echo, distorted");
  g_free(device);
  drop(source);
}
GST_END_TEST

/// What g_object_set() does, but for its message, which is critical in newer GLib.
GST_START_TEST(a_negative_number_of_clips_is_refused) {
  GstElement* source = make_source_bare();
  GParamSpec* spec = g_object_class_find_property(G_OBJECT_GET_CLASS(source), "num-clips");
  GValue value = G_VALUE_INIT;
  g_value_init(&value, G_TYPE_UINT);
  g_value_set_uint(&value, static_cast<guint>(-1));  // as gst-launch-1.0 reads it
  fail_unless(g_param_value_validate(spec, &value), "-1 clips are taken");
  g_value_unset(&value);
  drop(source);
}
GST_END_TEST

/// Beyond its range a number is not taken as it is.
GST_START_TEST(what_is_beyond_a_range_is_not_set) {
  GstElement* source = make_source_bare();
  for (const char* text :
       {"steps=0", "steps=1001", "shift=0", "shift=101", "seed=-2", "video-guidance-scale=-1",
        "audio-guidance-scale=100.5", "slg-layer=1001", "width=8193", "height=8193"}) {
    g_auto(GStrv) parts = g_strsplit(text, "=", 2);
    GParamSpec* spec = g_object_class_find_property(G_OBJECT_GET_CLASS(source), parts[0]);
    GValue value = G_VALUE_INIT;
    g_value_init(&value, spec->value_type);
    fail_unless(gst_value_deserialize(&value, parts[1]), "%s", text);
    fail_unless(g_param_value_validate(spec, &value), "%s is in the range", text);
    g_value_unset(&value);
    g_value_init(&value, spec->value_type);
    gst_value_deserialize(&value, parts[1]);
    ASSERT_WARNING(g_object_set_property(G_OBJECT(source), parts[0], &value));
    GValue got = G_VALUE_INIT;
    g_value_init(&got, spec->value_type);
    g_object_get_property(G_OBJECT(source), parts[0], &got);
    fail_unless(g_param_values_cmp(spec, &got, &value) != 0, "%s was taken", text);
    fail_unless(!g_param_value_validate(spec, &got), "%s made it invalid", text);
    g_value_unset(&got);
    g_value_unset(&value);
  }
  drop(source);
}
GST_END_TEST

GST_START_TEST(class_and_pads) {
  GstElementFactory* factory = gst_element_factory_find("ovii2vsrc");
  fail_unless(factory != nullptr);
  fail_unless_equals_string(gst_element_factory_get_metadata(factory, GST_ELEMENT_METADATA_KLASS),
                            "Source/Video/Audio");
  fail_unless_equals_int(gst_plugin_feature_get_rank(GST_PLUGIN_FEATURE(factory)), GST_RANK_NONE);
  GstPlugin* plugin = gst_plugin_feature_get_plugin(GST_PLUGIN_FEATURE(factory));
  fail_unless_equals_string(gst_plugin_get_license(plugin), "Apache 2.0");
  // X.Y.Z, or no version check of an application works.
  fail_unless(gst_plugin_feature_check_version(GST_PLUGIN_FEATURE(factory), 0, 1, 0));
  gst_object_unref(plugin);
  gst_object_unref(factory);

  GstElement* source = make_source_bare();
  fail_unless(GST_OBJECT_FLAG_IS_SET(source, GST_ELEMENT_FLAG_SOURCE));
  const struct {
    const char *pad, *yes, *no;
  } rows[] = {
      {"video", "video/x-raw,format=NV12,width=704,height=992,framerate=24/1,colorimetry=bt709",
       "video/x-raw,framerate=25/1"},
      {"video", "video/x-raw,format=RGB,colorimetry=sRGB", "video/x-raw,width=100"},
      {"audio",
       "audio/x-raw,format="
       "F32LE"
       ",rate=16000,channels=1",
       "audio/x-raw,rate=48000"}};
  for (const auto& row : rows) {
    GstPad* pad = gst_element_get_static_pad(source, row.pad);
    GstCaps* caps = gst_pad_get_pad_template_caps(pad);
    GstCaps* yes = gst_caps_from_string(row.yes);
    GstCaps* no = gst_caps_from_string(row.no);
    fail_unless(gst_caps_can_intersect(caps, yes), "%s", row.yes);
    fail_unless(!gst_caps_can_intersect(caps, no), "%s", row.no);
    for (GstCaps* one : {caps, yes, no}) gst_caps_unref(one);
    gst_object_unref(pad);
  }
  drop(source);
}
GST_END_TEST

OVI_TEST_MAIN(properties,
              OVI_TEST(names_types_defaults_and_ranges)
                  OVI_TEST(the_model_path_comes_from_the_environment)
                      OVI_TEST(what_is_set_is_what_is_got)
                          OVI_TEST(a_negative_number_of_clips_is_refused) OVI_TEST(class_and_pads)
                              OVI_TEST(what_is_beyond_a_range_is_not_set))
