// Pictures that an application has in memory: the property "image-sample".
// SPDX-License-Identifier: Apache-2.0
#include <gst/video/video.h>

#include <algorithm>

#include "fixture.h"

using namespace fixture;

namespace {

GstSample* sample_of(GstBuffer* buffer, const char* text) {
  GstCaps* caps = gst_caps_from_string(text);
  GstSample* sample = gst_sample_new(buffer, caps, nullptr, nullptr);
  gst_caps_unref(caps);
  gst_buffer_unref(buffer);
  return sample;
}

GstBuffer* filled(size_t bytes, int value) {
  GstBuffer* buffer = gst_buffer_new_allocate(nullptr, bytes, nullptr);
  gst_buffer_memset(buffer, 0, static_cast<guint8>(value), bytes);
  return buffer;
}

/// A frame of videotestsrc's, as some caps want it.
GstSample* frame(const std::string& caps) {
  const std::string line =
      "videotestsrc num-buffers=1 pattern=smpte75 ! videoconvert dither=none"
      " ! " +
      caps + " ! appsink name=s sync=false";
  GstElement* pipeline = gst_parse_launch(line.c_str(), nullptr);
  GstElement* sink = gst_bin_get_by_name(GST_BIN(pipeline), "s");
  gst_element_set_state(pipeline, GST_STATE_PLAYING);
  GstSample* sample = nullptr;
  g_signal_emit_by_name(sink, "pull-sample", &sample);
  fail_unless(sample != nullptr, "%s", line.c_str());
  gst_element_set_state(pipeline, GST_STATE_NULL);
  gst_object_unref(sink);
  gst_object_unref(pipeline);
  return sample;
}

/// What the engine got for the sample; takes it.
std::string seen_for(GstSample* sample, int width, int height) {
  fake().reset();
  fake().clip_size(12, 8000);
  GstElement* source = nullptr;
  GstElement* pipeline = make_pipeline(&source);
  g_object_set(source, "image-sample", sample, nullptr);
  gst_sample_unref(sample);
  Posted error;
  const GstMessageType ended = play_to_end(pipeline, &error);
  fail_unless(ended == GST_MESSAGE_EOS, "%s (%s)", error.text.c_str(), error.debug.c_str());
  const ovi_fake_seen* seen = fake().seen();
  fail_unless_equals_int(seen->request.image_width, width);
  fail_unless_equals_int(seen->request.image_height, height);
  std::string pixels(reinterpret_cast<const char*>(seen->image),
                     static_cast<size_t>(3 * width * height));
  gst_element_set_state(pipeline, GST_STATE_NULL);
  gst_object_unref(pipeline);
  return pixels;
}

/// The largest difference of two pictures, where the colours of their bars do not meet.
int difference(const std::string& one, const std::string& two, int width) {
  fail_unless_equals_int(one.size(), two.size());
  int most = 0;
  for (size_t i = 0; i < one.size(); ++i) {
    const int x = static_cast<int>(i / 3) % width;
    const int bar = x * 7 / width;
    if (std::max(x - 5, 0) * 7 / width != bar || std::min(x + 5, width - 1) * 7 / width != bar)
      continue;
    if (i / 3 / width > 16) break;  // below are other bars
    most = std::max(most,
                    std::abs(int{static_cast<guint8>(one[i])} - int{static_cast<guint8>(two[i])}));
  }
  return most;
}

void expect_refused(GstSample* sample, int code, const char* part) {
  GstElement* source = make_source();
  g_object_set(source, "image-sample", sample, nullptr);
  gst_sample_unref(sample);
  gst_element_set_state(source, GST_STATE_PAUSED);
  check_error(wait_error(source), GST_STREAM_ERROR, code, part);
  drop(source);
}

}  // namespace

GST_START_TEST(any_raw_format_is_the_same_picture) {
  const std::string size = ",width=70,height=34";
  const std::string right = seen_for(frame("video/x-raw,format=RGB" + size), 70, 34);
  for (const char* format :
       {"BGRx", "RGBA", "GRAY8", "I420", "NV12", "NV21", "YUY2", "UYVY", "Y444", "v210",
        "P010_10LE", "RGB16", "I420_10LE", "ARGB64", "GBR", "NV16"}) {
    for (const char* colorimetry : {"bt601", "bt709", "1:1:0:0"}) {
      std::string caps = std::string("video/x-raw,format=") + format + size;
      const bool rgb = strstr(format, "RG") || strstr(format, "GB");
      if (!rgb && !strstr(format, "GRAY")) caps += std::string(",colorimetry=") + colorimetry;
      const std::string seen = seen_for(frame(caps), 70, 34);
      if (g_str_equal(format, "GRAY8")) {
        fail_unless(seen[0] == seen[1] && seen[1] == seen[2]);
        continue;
      }
      const int most = difference(seen, right, 70);
      fail_unless(most <= (g_str_equal(format, "RGB16") ? 9 : 4), "%s: %d", caps.c_str(), most);
    }
  }
}
GST_END_TEST

/// Rows with gaps, planes in another order and in memories of their own.
GST_START_TEST(planes_lie_where_the_meta_says) {
  const std::string right = seen_for(frame("video/x-raw,format=RGB,width=70,height=34"), 70, 34);
  GstSample* packed = frame("video/x-raw,format=RGB,width=70,height=34");
  const std::string rows = bytes_of(gst_sample_get_buffer(packed));
  gst_sample_unref(packed);
  gsize offset[4] = {5};
  gint stride[4] = {251};
  std::string wide(5 + 251 * 33 + 210, '\x7f');
  for (size_t y = 0; y < 34; ++y) wide.replace(5 + 251 * y, 210, rows, 212 * y, 210);
  GstBuffer* buffer = gst_buffer_new();
  for (size_t at = 0; at < wide.size(); at += 1000) {  // eight memories and a bit
    GstBuffer* part = filled(std::min<size_t>(1000, wide.size() - at), 0);
    gst_buffer_fill(part, 0, wide.data() + at, gst_buffer_get_size(part));
    buffer = gst_buffer_append(buffer, part);
  }
  gst_buffer_add_video_meta_full(buffer, GST_VIDEO_FRAME_FLAG_NONE, GST_VIDEO_FORMAT_RGB, 70, 34, 1,
                                 offset, stride);
  const std::string seen = seen_for(
      sample_of(buffer, "video/x-raw,format=RGB,width=70,height=34,framerate=0/1"), 70, 34);
  fail_unless(seen == right);
}
GST_END_TEST

GST_START_TEST(pixels_become_square) {
  const std::string base = "video/x-raw,format=RGB,width=64,height=32,framerate=0/1";
  seen_for(sample_of(filled(64 * 32 * 3, 9), (base + ",pixel-aspect-ratio=2/1").c_str()), 128, 32);
  seen_for(sample_of(filled(64 * 32 * 3, 9), (base + ",pixel-aspect-ratio=1/2").c_str()), 64, 64);
  GstBuffer* cropped = filled(64 * 32 * 3, 9);
  GstVideoCropMeta* crop = gst_buffer_add_video_crop_meta(cropped);
  crop->x = 4, crop->y = 2, crop->width = 32, crop->height = 30;
  seen_for(sample_of(cropped, base.c_str()), 32, 30);
}
GST_END_TEST

GST_START_TEST(what_is_no_picture_in_memory_is_refused) {
  const char* rgb = "video/x-raw,format=RGB,width=64,height=32,framerate=0/1";
  const int format = GST_STREAM_ERROR_FORMAT, type = GST_STREAM_ERROR_WRONG_TYPE;
  expect_refused(sample_of(filled(9, 0), "image/jpeg"), type, "image/jpeg");
  expect_refused(sample_of(filled(9, 0), "image/png"), type, "\"image\"");
  expect_refused(sample_of(filled(9, 0), "audio/x-raw"), type, "audio/x-raw");
  expect_refused(sample_of(filled(64 * 32 * 3, 0),
                           "video/x-raw(memory:GLMemory),format=RGB,width=64,height=32"),
                 type, "system memory");
  expect_refused(sample_of(filled(64 * 32 * 3 - 1, 0), rgb), format, "smaller");
  expect_refused(sample_of(gst_buffer_new(), rgb), format, "smaller");
  expect_refused(gst_sample_new(nullptr, nullptr, nullptr, nullptr), format, "no caps");
  for (const char* caps :
       {"video/x-raw,format=RGB,width=200000,height=200000",
        "video/x-raw,format=RGB,width=0,height=9", "video/x-raw,format=RGB,width=-4,height=9",
        "video/x-raw,format=RGB", "video/x-raw,format=ENCODED,width=64,height=32",
        "video/x-raw,format=no,width=64,height=32", "video/x-raw,format=RGB,width=[1,64],height=32",
        "video/x-raw,format=RGB,width=64,height=32,pixel-aspect-ratio=2147483647/1"})
    expect_refused(sample_of(filled(64 * 32 * 4, 0), caps), format, "image-sample");
  const struct {
    gsize offset;
    gint stride;
    GstVideoFormat format;
    guint width;
  } metas[] = {{0, 1 << 20, GST_VIDEO_FORMAT_RGB, 64},     {0, -192, GST_VIDEO_FORMAT_RGB, 64},
               {0, 0, GST_VIDEO_FORMAT_RGB, 64},           {1, 192, GST_VIDEO_FORMAT_RGB, 64},
               {G_MAXSIZE, 192, GST_VIDEO_FORMAT_RGB, 64}, {0, 191, GST_VIDEO_FORMAT_RGB, 64},
               {0, 192, GST_VIDEO_FORMAT_BGR, 64},         {0, 192, GST_VIDEO_FORMAT_RGB, 640}};
  for (const auto& row : metas) {
    GstBuffer* buffer = filled(64 * 32 * 3, 0);
    gsize offset[4] = {0};
    gint stride[4] = {192};
    GstVideoMeta* meta = gst_buffer_add_video_meta_full(
        buffer, GST_VIDEO_FRAME_FLAG_NONE, GST_VIDEO_FORMAT_RGB, 64, 32, 1, offset, stride);
    meta->offset[0] = row.offset;
    meta->stride[0] = row.stride;
    meta->format = row.format;
    meta->width = row.width;
    expect_refused(sample_of(buffer, rgb), format, "image-sample");
  }
}
GST_END_TEST

/// Whatever GStreamer calls raw, at sides that no block size divides: a picture, or a word on why
/// not.
GST_START_TEST(no_format_and_no_size_does_harm) {
  guint formats = 0, pictures = 0;
  const GstVideoFormat* all = gst_video_formats_raw(&formats);
  fail_unless(formats > 80);
  const struct { guint width, height; } sizes[] = {{1, 1}, {3, 5}, {65535, 1}, {1, 4097}, {33, 17}};
  for (guint i = 0; i < formats; ++i) {
    for (const auto& size : sizes) {
      GstVideoInfo info;
      if (!gst_video_info_set_format(&info, all[i], size.width, size.height)) continue;
      if (i % 3 == 1)
        gst_video_info_set_interlaced_format(&info, all[i], GST_VIDEO_INTERLACE_MODE_INTERLEAVED,
                                             size.width, size.height);
      GstCaps* caps = gst_video_info_to_caps(&info);
      for (const gsize missing : {gsize{0}, gsize{1}}) {
        GstBuffer* buffer = filled(info.size - missing, static_cast<int>(i));
        GstSample* sample = gst_sample_new(buffer, caps, nullptr, nullptr);
        gst_buffer_unref(buffer);
        GstElement* source = nullptr;
        GstElement* pipeline = make_pipeline(&source);
        fake().clip_size(1, 100);
        g_object_set(source, "image-sample", sample, nullptr);
        gst_sample_unref(sample);
        Posted error;
        const GstMessageType ended = play_to_end(pipeline, &error);
        if (ended == GST_MESSAGE_ERROR)
          check_error(error, GST_STREAM_ERROR, GST_STREAM_ERROR_FORMAT, "image-sample");
        else
          fail_unless(missing == 0, "%s: a buffer that is too small was taken",
                      gst_video_format_to_string(all[i]));
        pictures += ended == GST_MESSAGE_EOS;
        gst_element_set_state(pipeline, GST_STATE_NULL);
        gst_object_unref(pipeline);
      }
      gst_caps_unref(caps);
    }
  }
  fail_unless(pictures > formats * 3, "%u", pictures);
}
GST_END_TEST

GST_START_TEST(memory_of_other_kinds_is_refused) {
  for (const char* feature : {"memory:DMABuf", "memory:GLMemory", "memory:VASurface",
                              "meta:GstVideoOverlayComposition", "format:Interlaced"})
    for (const char* format : {"NV12", "RGB"}) {
      const std::string caps = std::string("video/x-raw(") + feature + "),format=" + format +
                               ",width=64,height=32,framerate=0/1";
      GstElement* source = make_source();
      GstSample* sample = sample_of(filled(64 * 32 * 3, 0), caps.c_str());
      g_object_set(source, "image-sample", sample, nullptr);
      gst_sample_unref(sample);
      gst_element_set_state(source, GST_STATE_PAUSED);
      check_error(wait_error(source), GST_STREAM_ERROR, GST_STREAM_ERROR_WRONG_TYPE,
                  "system memory");
      drop(source);
    }
}
GST_END_TEST

GST_START_TEST(the_one_set_last_counts) {
  GstElement* source = make_source();
  GstSample* sample =
      sample_of(filled(64 * 32 * 3, 0), "video/x-raw,format=RGB,width=64,height=32");
  GstSample* got = nullptr;
  g_autofree char *image = nullptr, *other = nullptr;
  g_object_set(source, "image", "a.png", "image-sample", sample, nullptr);
  g_object_get(source, "image", &image, "image-sample", &got, nullptr);
  fail_unless(image == nullptr && got == sample);
  gst_sample_unref(got);
  // Unsetting one leaves the other.
  g_object_set(source, "image", nullptr, nullptr);
  g_object_get(source, "image-sample", &got, nullptr);
  fail_unless(got == sample);
  gst_sample_unref(got);
  g_object_set(source, "image", "b.png", nullptr);
  g_object_get(source, "image", &other, "image-sample", &got, nullptr);
  fail_unless_equals_string(other, "b.png");
  fail_unless(got == nullptr);
  gst_sample_unref(sample);
  drop(source);
}
GST_END_TEST

GST_START_TEST(it_counts_for_the_next_clip_while_playing) {
  fake().clip_size(12, 8000);
  GstElement* source = nullptr;
  GstElement* pipeline = make_pipeline(&source);
  g_object_set(source, "num-clips", 2, nullptr);
  fake().hold(OVI_FAKE_DECODE);
  gst_element_set_state(pipeline, GST_STATE_PLAYING);
  fail_unless(fake().wait(OVI_FAKE_DECODE, 10));
  fail_unless_equals_int(fake().seen()->request.image_width, 0);
  GstSample* sample =
      sample_of(filled(96 * 32 * 3, 77), "video/x-raw,format=RGB,width=96,height=32,framerate=0/1");
  g_object_set(source, "image-sample", sample, nullptr);
  gst_sample_unref(sample);
  fake().release(OVI_FAKE_DECODE);
  Posted error;
  fail_unless(play_to_end(pipeline, &error) == GST_MESSAGE_EOS, "%s", error.text.c_str());
  fail_unless_equals_int(fake().seen()->generations, 2);
  fail_unless_equals_int(fake().seen()->request.image_width, 96);
  fail_unless(fake().seen()->image[0] == 77);
  gst_element_set_state(pipeline, GST_STATE_NULL);
  gst_object_unref(pipeline);
}
GST_END_TEST

OVI_TEST_MAIN(image_sample,
              OVI_TEST(any_raw_format_is_the_same_picture) OVI_TEST(planes_lie_where_the_meta_says)
                  OVI_TEST(no_format_and_no_size_does_harm)
                      OVI_TEST(memory_of_other_kinds_is_refused) OVI_TEST(pixels_become_square)
                          OVI_TEST(what_is_no_picture_in_memory_is_refused)
                              OVI_TEST(the_one_set_last_counts)
                                  OVI_TEST(it_counts_for_the_next_clip_while_playing))
