// A chain keeps going: wrong settings and clips that fail are warnings.
// SPDX-License-Identifier: Apache-2.0
#include <glib/gstdio.h>

#include "fixture.h"

using namespace fixture;

namespace {

constexpr guint kFrames = 12, kSamples = 8000;

/// A chain that stands after the first frame of its first clip.
struct Chain : Harnesses {
  explicit Chain(guint clips, const char* video_caps = "video/x-raw")
      : Harnesses(make_source(), video_caps) {
    fake().reset();
    fake().clip_size(kFrames, kSamples);
    g_object_set(source, "num-clips", clips, "width", 32, "height", 32, nullptr);
  }
  void begin() {
    fake().hold(OVI_FAKE_SECOND);
    play();
    fail_unless(fake().wait(OVI_FAKE_SECOND, 10));
  }
  /// To the end; what was posted.
  std::vector<Posted> finish(Pulled& frames, Pulled& sound) {
    fake().release(OVI_FAKE_SECOND);
    pull_all(frames, sound);
    gst_element_set_state(source, GST_STATE_READY);
    const auto all = take_messages(source);
    check_progress_balance(all);
    return all;
  }
};

std::vector<Posted> of(const std::vector<Posted>& all, GstMessageType type) {
  std::vector<Posted> found;
  for (const Posted& one : all)
    if (one.type == type) found.push_back(one);
  return found;
}

void check_whole(const Pulled& frames, const Pulled& sound, guint clips) {
  fail_unless_equals_int(frames.buffers.size(), clips * kFrames);
  guint64 next = 0;
  for (GstBuffer* buffer : sound.buffers) {
    fail_unless_equals_uint64(GST_BUFFER_OFFSET(buffer), next);
    next = GST_BUFFER_OFFSET_END(buffer);
  }
  fail_unless_equals_uint64(next, clips * kSamples);
}

}  // namespace

GST_START_TEST(a_bad_prompt_is_a_warning_and_the_next_good_one_counts) {
  for (const char* bad : {"", " \n", "bad \xff utf-8"}) {
    Chain chain(3);
    chain.begin();
    g_object_set(chain.source, "prompt", bad, nullptr);
    fake().hold(OVI_FAKE_ENCODE);  // of clip 1
    fake().release(OVI_FAKE_SECOND);
    fail_unless(fake().wait(OVI_FAKE_ENCODE, 10));
    fail_unless_equals_string(fake().seen()->prompt, "A cat. <S>Meow<E>");
    g_object_set(chain.source, "prompt", "dog", nullptr);
    fake().release(OVI_FAKE_ENCODE);
    Pulled frames, sound;
    const auto all = chain.finish(frames, sound);
    check_whole(frames, sound, 3);
    fail_unless_equals_string(fake().seen()->prompt, "dog");
    fail_unless(of(all, GST_MESSAGE_ERROR).empty());
    const auto warnings = of(all, GST_MESSAGE_WARNING);
    fail_unless_equals_int(warnings.size(), 1);
    check_error(warnings[0], GST_LIBRARY_ERROR, GST_LIBRARY_ERROR_SETTINGS,
                "The last good prompt goes on.");
  }
}
GST_END_TEST

GST_START_TEST(a_bad_image_is_a_warning_and_the_last_good_one_stays) {
  const std::string picture = data_file("astronaut.png");
  const std::string text = scratch_file("text.png", "no picture", 10);
  const std::string half = scratch_file("half.png", "\x89PNG\r\n\x1a\n\0\0\0\rIHDR", 16);
  for (const std::string& bad :
       {std::string("/nonexistent/typo.png"), std::string("nosuch://scheme"), text, half}) {
    Chain chain(3);
    g_object_set(chain.source, "image", picture.c_str(), nullptr);
    chain.begin();
    const guint width = fake().seen()->request.image_width;
    g_object_set(chain.source, "image", bad.c_str(), nullptr);
    Pulled frames, sound;
    const auto all = chain.finish(frames, sound);
    check_whole(frames, sound, 3);
    fail_unless(width > 0 && fake().seen()->request.image_width == width);
    fail_unless(of(all, GST_MESSAGE_ERROR).empty());
    const auto warnings = of(all, GST_MESSAGE_WARNING);
    fail_unless_equals_int(warnings.size(), 2);  // and that width is not used
    fail_unless(warnings[1].text.find("The last good image goes on.") != std::string::npos, "%s",
                warnings[1].text.c_str());
  }
}
GST_END_TEST

/// What was set in READY holds for images that are set later.
GST_START_TEST(where_images_may_come_from_is_settled_before_it_plays) {
  const std::string picture = data_file("astronaut.png");
  const struct {
    const char *before, *after;
    bool taken;
  } rows[] = {{"data", "file", false}, {"file", "data", true}};
  for (const auto& row : rows) {
    for (const bool folder : {false, true}) {
      const std::string here = picture.substr(0, picture.rfind('/'));
      const char* name = folder ? "image-folder" : "image-schemes";
      const auto value = [&](const char* schemes) {
        return !folder ? schemes : g_str_equal(schemes, "data") ? "/proc" : here.c_str();
      };
      Chain chain(3);
      g_object_set(chain.source, name, value(row.before), nullptr);
      chain.begin();
      g_object_set(chain.source, name, value(row.after), "image", picture.c_str(), nullptr);
      Pulled frames, sound;
      const auto all = chain.finish(frames, sound);
      check_whole(frames, sound, 3);
      fail_unless_equals_int(fake().seen()->request.image_width > 0, row.taken);
      bool told = false;
      for (const Posted& one : of(all, GST_MESSAGE_WARNING))
        told |= one.text.find(name) != std::string::npos;
      fail_unless_equals_int(told, !row.taken);
    }
  }
}
GST_END_TEST

/// What is behind the pad takes one size alone.
GST_START_TEST(an_image_of_a_size_that_nobody_takes_is_a_warning) {
  Chain chain(3, "video/x-raw,width=32,height=32");
  chain.begin();
  g_object_set(chain.source, "image", data_file("astronaut.png").c_str(), "prompt", "dog", nullptr);
  Pulled frames, sound;
  const auto all = chain.finish(frames, sound);
  check_whole(frames, sound, 3);
  fail_unless(of(all, GST_MESSAGE_ERROR).empty());
  const auto warnings = of(all, GST_MESSAGE_WARNING);
  fail_unless_equals_int(warnings.size(), 1);
  check_error(warnings[0], GST_CORE_ERROR, GST_CORE_ERROR_NEGOTIATION,
              "The last good image goes on.");
  // The prompt that came with it is good.
  fail_unless_equals_string(fake().seen()->prompt, "dog");
  fail_unless_equals_int(frames.of(GST_EVENT_CAPS).size(), 1);
}
GST_END_TEST

GST_START_TEST(a_folder_that_vanishes_is_a_warning) {
  char* folder = g_dir_make_tmp("ovii2v-XXXXXX", nullptr);
  Chain chain(4);
  g_object_set(chain.source, "model-path", folder, nullptr);
  chain.begin();
  g_rmdir(folder);
  Pulled frames, sound;
  const auto all = chain.finish(frames, sound);
  check_whole(frames, sound, 4);
  const auto warnings = of(all, GST_MESSAGE_WARNING);
  fail_unless_equals_int(warnings.size(), 1);
  check_error(warnings[0], GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_NOT_FOUND, folder);
  g_free(folder);
}
GST_END_TEST

/// In every place of a clip, before and after frames of it are out.
GST_START_TEST(a_clip_that_fails_once_is_made_again) {
  for (ovi_fake_point where : {OVI_FAKE_PLAN, OVI_FAKE_LOAD, OVI_FAKE_ENCODE, OVI_FAKE_GENERATE,
                               OVI_FAKE_SECOND, OVI_FAKE_DECODE}) {
    Chain whole(3);
    Pulled frames, sound, good_frames, good_sound;
    whole.play();
    whole.finish(good_frames, good_sound);
    Chain chain(3);
    chain.begin();
    if (where == OVI_FAKE_LOAD) {  // only once more after a failure
      fake().fault(OVI_FAKE_ENCODE, OVI_FAILED, "Gone.", "");
      fake().fault_times(OVI_FAKE_ENCODE, 1);
    } else {
      fake().fault(where, OVI_FAILED, "Gone.", "");
      fake().fault_times(where, 0);
    }
    fake().hold(OVI_FAKE_DECODE);  // of clip 0, whose other points are behind it
    fake().release(OVI_FAKE_SECOND);
    fail_unless(fake().wait(OVI_FAKE_DECODE, 10));
    if (where != OVI_FAKE_LOAD && where != OVI_FAKE_DECODE) fake().fault_times(where, 1);
    if (where == OVI_FAKE_DECODE) fake().hold(OVI_FAKE_GENERATE);
    fake().release(OVI_FAKE_DECODE);
    if (where == OVI_FAKE_DECODE) {
      fail_unless(fake().wait(OVI_FAKE_GENERATE, 10));
      fake().fault_times(where, 1);
      fake().release(OVI_FAKE_GENERATE);
    }
    const auto all = chain.finish(frames, sound);
    fail_unless(of(all, GST_MESSAGE_ERROR).empty());
    fail_unless_equals_int(of(all, GST_MESSAGE_WARNING).size(), 1);
    // The same film as without the fault.
    fail_unless(frames.bytes() == good_frames.bytes() && sound.bytes() == good_sound.bytes(),
                "point %d", where);
    check_whole(frames, sound, 3);
  }
}
GST_END_TEST

GST_START_TEST(out_of_memory_is_tried_with_a_poorer_plan) {
  const struct {
    const char* device;
    ovi_memory first, second;
  } cases[] = {{"cuda:0", OVI_MEMORY_RESIDENT, OVI_MEMORY_OFFLOAD},
               {"cuda:0", OVI_MEMORY_AUTO, OVI_MEMORY_STREAM},  // the fake chose offload
               {"cuda:0", OVI_MEMORY_STREAM, OVI_MEMORY_STREAM},
               {"cpu", OVI_MEMORY_RESIDENT, OVI_MEMORY_OFFLOAD},
               {"cpu", OVI_MEMORY_OFFLOAD, OVI_MEMORY_OFFLOAD}};
  for (const auto& one : cases) {
    Chain chain(2);
    g_object_set(chain.source, "device", one.device, "memory", one.first, nullptr);
    chain.begin();
    fail_unless_equals_int(fake().seen()->config.memory, one.first);
    fake().fault(OVI_FAKE_ENCODE, OVI_NO_SPACE, "Out of device memory.", "");
    fake().fault_times(OVI_FAKE_ENCODE, 1);
    Pulled frames, sound;
    const auto all = chain.finish(frames, sound);
    check_whole(frames, sound, 2);
    fail_unless_equals_int(fake().seen()->config.memory, one.second);
    const auto warnings = of(all, GST_MESSAGE_WARNING);
    fail_unless_equals_int(warnings.size(), 1);
    check_error(warnings[0], GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_NO_SPACE_LEFT,
                "is tried again");
    fail_unless_equals_int(warnings[0].text.find("less in memory") != std::string::npos,
                           one.first != one.second);
  }
}
GST_END_TEST

GST_START_TEST(so_many_clips_may_fail_in_a_row) {
  for (bool more : {false, true}) {
    Chain chain(3);
    g_object_set(chain.source, "failures", 2, nullptr);
    chain.begin();
    fake().fault(OVI_FAKE_ENCODE, OVI_FAILED, "Gone.", "");
    fake().fault_times(OVI_FAKE_ENCODE, more ? 6 : 5);
    Pulled frames, sound;
    const auto all = chain.finish(frames, sound);
    const auto errors = of(all, GST_MESSAGE_ERROR);
    fail_unless_equals_int(errors.size(), more);
    fail_unless_equals_int(of(all, GST_MESSAGE_WARNING).size(), 5);
    check_whole(frames, sound, more ? 1 : 3);
    // Those that were left out took their seeds along.
    if (!more) fail_unless_equals_int64(fake().seen()->request.seed, 5 + 2 + 2);
  }
}
GST_END_TEST

GST_START_TEST(what_would_fail_again_is_not_tried_again) {
  Chain chain(3);
  chain.begin();
  fake().fault(OVI_FAKE_ENCODE, OVI_RANK_GONE, "Rank 1 is gone. Start all ranks again.", "");
  fake().fault_times(OVI_FAKE_ENCODE, 1);
  Pulled frames, sound;
  const auto all = chain.finish(frames, sound);
  fail_unless(of(all, GST_MESSAGE_WARNING).empty());
  const auto errors = of(all, GST_MESSAGE_ERROR);
  fail_unless_equals_int(errors.size(), 1);
  check_error(errors[0], GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_FAILED, "Start all ranks again");
  check_whole(frames, sound, 1);
}
GST_END_TEST

/// What is out of a clip cannot be taken back: its last frame stands for the rest.
GST_START_TEST(a_clip_that_breaks_off_is_held_to_its_end) {
  Chain chain(2);
  chain.begin();
  fake().hold(OVI_FAKE_GENERATE);
  fake().release(OVI_FAKE_SECOND);
  fail_unless(fake().wait(OVI_FAKE_GENERATE, 10));
  fake().fault(OVI_FAKE_DECODE, OVI_FAILED, "Gone.", "");
  fake().hold(OVI_FAKE_DECODE);  // so that what is made before it is out
  fake().release(OVI_FAKE_GENERATE);
  fail_unless(fake().wait(OVI_FAKE_DECODE, 10));
  Pulled frames, sound;
  while (frames.buffers.size() < kFrames + 1)
    frames.buffers.push_back(gst_harness_pull(chain.video));
  fake().release(OVI_FAKE_DECODE);
  const auto all = chain.finish(frames, sound);
  fail_unless(of(all, GST_MESSAGE_ERROR).empty());
  check_whole(frames, sound, 2);
  const guint half = kFrames + kFrames / 2;
  const std::string last = bytes_of(frames.buffers[half - 1]);
  fail_unless(bytes_of(frames.buffers[half - 2]) != last);
  for (guint i = half; i < 2 * kFrames; ++i) fail_unless(bytes_of(frames.buffers[i]) == last);
}
GST_END_TEST

GST_START_TEST(the_first_clip_may_fail_the_run) {
  Chain chain(3);
  fake().fault(OVI_FAKE_ENCODE, OVI_NO_SPACE, "Out of memory.", "");
  chain.play();
  check_error(wait_error(chain.source), GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_NO_SPACE_LEFT,
              "Out of memory.");
  fail_unless_equals_int(fake().seen()->generations, 1);
}
GST_END_TEST

OVI_TEST_MAIN(channel,
              OVI_TEST(a_bad_prompt_is_a_warning_and_the_next_good_one_counts)       //
              OVI_TEST(a_bad_image_is_a_warning_and_the_last_good_one_stays)         //
              OVI_TEST(where_images_may_come_from_is_settled_before_it_plays)        //
              OVI_TEST(an_image_of_a_size_that_nobody_takes_is_a_warning)            //
              OVI_TEST(a_folder_that_vanishes_is_a_warning)                          //
              OVI_TEST(a_clip_that_fails_once_is_made_again)                         //
              OVI_TEST(out_of_memory_is_tried_with_a_poorer_plan)                    //
              OVI_TEST(so_many_clips_may_fail_in_a_row)                              //
              OVI_TEST(what_would_fail_again_is_not_tried_again)                     //
              OVI_TEST(a_clip_that_breaks_off_is_held_to_its_end)                    //
              OVI_TEST(the_first_clip_may_fail_the_run))
