// Live beside other live sources in compositor and audiomixer: every frame is seen once, and
// every sample heard at its place.
// SPDX-License-Identifier: Apache-2.0
#include <gst/audio/audio.h>

#include <string.h>

#include <algorithm>
#include <array>
#include <vector>

#include "channel/live_fixture.h"

using namespace fixture;

namespace {

constexpr int kFrames = 24, kSide = 32;
constexpr gint64 kFrameTime = kFrame + 1;
constexpr guint kSamples = 15900;

constexpr struct {
  const char *name, *prompt;
  gint64 seed;
} kSources[] = {{"one", "x", 5}, {"two", "y", 6}};

struct Clip {
  std::vector<int> lumas;  // of the first pixel of each frame
  std::vector<gint16> samples;
};

/// What a source gives, without any mixer.
Clip clip_of(int which) {
  GstElement* source = make_source();
  g_object_set(source, "prompt", kSources[which].prompt, "seed", kSources[which].seed, "width",
               kSide, "height", kSide, nullptr);
  Harnesses alone(source, "video/x-raw,format=I420", "audio/x-raw,format=" GST_AUDIO_NE(S16));
  alone.play();
  Pulled frames, sound;
  alone.pull_all(frames, sound);
  Clip clip;
  for (GstBuffer* frame : frames.buffers)
    clip.lumas.push_back(static_cast<guint8>(bytes_of(frame)[0]));
  const std::string bytes = sound.bytes();
  clip.samples.resize(bytes.size() / 2);
  memcpy(clip.samples.data(), bytes.data(), bytes.size());
  fail_unless_equals_int(clip.lumas.size(), kFrames);
  fail_unless_equals_int(clip.samples.size(), kSamples);
  return clip;
}

/// What came out of the mixers.
struct Mixed {
  std::vector<int> lumas[2];  // of the first pixel of either half, frame by frame
  std::vector<gint16> samples;
  GstClockTime start[2] = {GST_CLOCK_TIME_NONE, GST_CLOCK_TIME_NONE};  // of picture and sound

  static void on_frame(GstElement*, GstBuffer* buffer, GstPad*, gpointer user) {
    auto* self = static_cast<Mixed*>(user);
    self->start[0] = std::min(self->start[0], GST_BUFFER_PTS(buffer));
    for (int half = 0; half < 2; ++half) {
      guint8 luma = 0;
      gst_buffer_extract(buffer, static_cast<gsize>(half * kSide), &luma, 1);
      self->lumas[half].push_back(luma);
    }
    // Held for a while of the mixers' time: what they send goes on.
    if (self->lumas[0].size() == 5) fake().release(OVI_FAKE_GENERATE);
  }
  static void on_sound(GstElement*, GstBuffer* buffer, GstPad*, gpointer user) {
    auto* self = static_cast<Mixed*>(user);
    const std::string bytes = bytes_of(buffer);
    self->start[1] = std::min(self->start[1], GST_BUFFER_PTS(buffer));
    const size_t before = self->samples.size();
    self->samples.resize(before + bytes.size() / 2);
    memcpy(&self->samples[before], bytes.data(), bytes.size());
  }
};

GstElement* make_graph(Mixed& mixed) {
  std::string line =
      "compositor name=c latency=1500000000 sink_1::xpos=32 "
      // The test pattern is the ground.
      "sink_0::zorder=1 sink_1::zorder=2 sink_2::zorder=0 ! "
      "video/x-raw,format=I420,width=64,height=32,framerate=24/1,colorimetry=bt709 ! "
      "fakesink name=f sync=false signal-handoffs=true "
      "audiomixer name=m latency=1500000000 ! "
      "audio/x-raw,format=" GST_AUDIO_NE(S16) ",rate=16000,channels=1 ! "
      "fakesink name=h sync=false signal-handoffs=true "
      "videotestsrc is-live=true num-buffers=60 pattern=black ! "
      "video/x-raw,width=64,height=32,framerate=24/1 ! c.sink_2 "
      "audiotestsrc is-live=true wave=silence num-buffers=40 samplesperbuffer=1000 ! "
      "audio/x-raw,format=" GST_AUDIO_NE(S16) ",rate=16000,channels=1 ! m. ";
  for (int i = 0; i < 2; ++i) {
    const std::string name = kSources[i].name;
    line += "ovii2vsrc name=" + name + " prompt=" + kSources[i].prompt +
            " seed=" + std::to_string(kSources[i].seed) +
            " model-path=. steps=1 width=32 height=32 is-live=true " + name +
            ".video ! queue ! c.sink_" + std::to_string(i) + " " + name + ".audio ! queue ! m. ";
  }
  GError* error = nullptr;
  GstElement* pipeline = gst_parse_launch(line.c_str(), &error);
  fail_unless(pipeline && !error, "%s", error ? error->message : "");
  GstElement* sink = gst_bin_get_by_name(GST_BIN(pipeline), "f");
  g_signal_connect(sink, "handoff", G_CALLBACK(Mixed::on_frame), &mixed);
  gst_object_unref(sink);
  sink = gst_bin_get_by_name(GST_BIN(pipeline), "h");
  g_signal_connect(sink, "handoff", G_CALLBACK(Mixed::on_sound), &mixed);
  gst_object_unref(sink);
  return pipeline;
}

size_t first_sound(const std::vector<gint16>& samples) {
  size_t at = 0;
  while (at < samples.size() && samples[at] == 0) ++at;
  return at;
}

/// Takes the clip out of the mix, where the first sample that is not 0 is the clip's; says at
/// which sample it began, or -1.
gint64 take_out(std::vector<gint16>& mixed, const Clip& clip) {
  const size_t begin = first_sound(mixed) - first_sound(clip.samples);
  if (begin + clip.samples.size() > mixed.size()) return -1;
  for (size_t i = 0; i < clip.samples.size(); ++i)
    mixed[begin + i] = static_cast<gint16>(mixed[begin + i] - clip.samples[i]);
  return static_cast<gint64>(begin);
}

/// Where the two clips begin, when the mix is these and nothing else; -1 when it is not.
std::array<gint64, 2> begins(const std::vector<gint16>& all, const Clip (&clips)[2]) {
  for (size_t earlier : {0, 1}) {
    std::vector<gint16> mixed = all;
    std::array<gint64, 2> found;
    found[earlier] = take_out(mixed, clips[earlier]);
    found[1 - earlier] = take_out(mixed, clips[1 - earlier]);
    if (found[0] >= 0 && found[1] >= 0 && first_sound(mixed) == mixed.size()) return found;
  }
  return {-1, -1};
}

}  // namespace

GST_START_TEST(two_of_them_beside_other_live_sources) {
  fake().clip_size(kFrames, kSamples);
  const Clip clips[2] = {clip_of(0), clip_of(1)};
  Mixed mixed;
  GstElement* pipeline = make_graph(mixed);
  fake().hold(OVI_FAKE_GENERATE);
  Posted failure;
  fail_unless(play_to_end(pipeline, &failure) == GST_MESSAGE_EOS, "%s", failure.text.c_str());
  gst_element_set_state(pipeline, GST_STATE_NULL);
  gst_object_unref(pipeline);

  // Nothing was held up: the others' 60 frames and 40000 samples at least.
  fail_unless(mixed.lumas[0].size() >= 60 && mixed.samples.size() >= 40000);
  // Sample for sample both clips, wherever each began, and silence everywhere else.
  const std::array<gint64, 2> sound = begins(mixed.samples, clips);
  fail_unless(sound[0] >= 0 && sound[1] >= 0, "the sound is not that of the two clips");
  for (int half = 0; half < 2; ++half) {
    // Each frame once, in its order, one after the other.
    const std::vector<int>& seen = mixed.lumas[half];
    const auto found =
        std::search(seen.begin(), seen.end(), clips[half].lumas.begin(), clips[half].lumas.end());
    fail_unless(found != seen.end(), "frames of source %d were dropped", half);
    fail_unless(found - seen.begin() >= 5, "frames were seen before they were made");
    // Together with its sound: a mixer shows a frame less than one frame's time off.
    const auto picture = static_cast<gint64>(mixed.start[0]) + (found - seen.begin()) * kFrameTime;
    const auto heard =
        static_cast<gint64>(mixed.start[1] + sample_time(static_cast<guint64>(sound[half])));
    fail_unless(ABS(picture - heard) <= kFrameTime, "%d: %d ms apart", half,
                static_cast<int>((picture - heard) / GST_MSECOND));
  }
}
GST_END_TEST

OVI_TEST_MAIN(mixers, OVI_TEST(two_of_them_beside_other_live_sources))
