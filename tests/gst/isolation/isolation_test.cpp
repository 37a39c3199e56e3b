// The engine in a process of its own: however it ends, the element goes on, and nothing is left.
// SPDX-License-Identifier: Apache-2.0
#include <dirent.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <fstream>
#include <set>
#include <string>
#include <thread>

#include "fixture.h"

using namespace fixture;

namespace {

using Clock = std::chrono::steady_clock;

/// Of this process, by all of its threads; zombies too.
std::set<pid_t> children() {
  std::set<pid_t> found;
  GDir* threads = g_dir_open("/proc/self/task", 0, nullptr);
  while (const char* thread = g_dir_read_name(threads)) {
    std::ifstream list("/proc/self/task/" + std::string(thread) + "/children");
    for (pid_t one; list >> one;) found.insert(one);
  }
  g_dir_close(threads);
  return found;
}

int descriptors() {
  int count = 0;
  DIR* folder = opendir("/proc/self/fd");
  while (readdir(folder)) ++count;
  closedir(folder);
  return count;
}

/// Mappings of what workers sent.
int shared_mappings() {
  std::ifstream maps("/proc/self/maps");
  int count = 0;
  for (std::string line; std::getline(maps, line);)
    count += line.find("/memfd:ovii2v") != std::string::npos;
  return count;
}

void check_nothing_left() {
  fail_unless(children().empty(), "%zu processes are left", children().size());
  fail_unless_equals_int(shared_mappings(), 0);
}

void setup() {
  isolate();
  fake().reset();
  fake().clip_size(12, 8000);
}

/// Stops and tells how long that took.
double seconds_to(GstElement* pipeline, GstState state) {
  const auto begin = Clock::now();
  fail_unless_equals_int(gst_element_set_state(pipeline, state), GST_STATE_CHANGE_SUCCESS);
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

void let_go(GstElement* pipeline) {
  gst_element_set_state(pipeline, GST_STATE_NULL);
  gst_object_unref(pipeline);
  check_nothing_left();
}

}  // namespace

GST_START_TEST(a_death_at_any_stage_is_an_error_and_the_element_lives_on) {
  setup();
  const struct {
    int signal;
    const char* part;
  } deaths[] = {{SIGKILL, "killed it (SIGKILL)"},
                {SIGTERM, "asked it to end (SIGTERM)"},
                {SIGSEGV, "crashed (SIGSEGV)"},
                {SIGABRT, "crashed (SIGABRT)"},
                {-1, "ended by itself (status 3)"}};
  for (const ovi_fake_point point : {OVI_FAKE_CREATE, OVI_FAKE_PLAN, OVI_FAKE_LOAD, OVI_FAKE_ENCODE,
                                     OVI_FAKE_GENERATE, OVI_FAKE_SECOND, OVI_FAKE_DECODE})
    for (const auto& death : deaths) {
      GstElement* pipeline = make_pipeline(nullptr);
      fake().die(point, death.signal);
      Posted error;
      fail_unless_equals_int(play_to_end(pipeline, &error), GST_MESSAGE_ERROR);
      check_error(error, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_FAILED, death.part);
      check_error(error, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_FAILED, "can be started again");
      gst_element_set_state(pipeline, GST_STATE_READY);
      fail_unless_equals_int(play_to_end(pipeline), GST_MESSAGE_EOS);
      let_go(pipeline);
    }
}
GST_END_TEST

/// Nobody has seen anything yet that would be worth going on with.
GST_START_TEST(in_the_first_clip_of_a_chain_it_is_an_error) {
  for (const ovi_fake_point point : {OVI_FAKE_LOAD, OVI_FAKE_SECOND}) {
    setup();
    GstElement* source = nullptr;
    GstElement* pipeline = make_pipeline(&source);
    g_object_set(source, "num-clips", 2, "failures", 3, nullptr);
    fake().die(point, SIGKILL);
    gst_element_set_state(pipeline, GST_STATE_PLAYING);
    std::vector<Posted> all;
    check_error(wait_error(pipeline, &all), GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_FAILED,
                "killed it (SIGKILL)");
    for (const Posted& one : all)
      fail_unless(one.type != GST_MESSAGE_WARNING, "%s", one.text.c_str());
    let_go(pipeline);
  }
}
GST_END_TEST

GST_START_TEST(in_a_chain_it_is_a_warning_and_the_clip_is_made_by_another_one) {
  for (const ovi_fake_point point :
       {OVI_FAKE_PLAN, OVI_FAKE_ENCODE, OVI_FAKE_GENERATE, OVI_FAKE_SECOND, OVI_FAKE_DECODE}) {
    setup();
    GstElement* source = make_source();
    g_object_set(source, "num-clips", 2, nullptr);
    Harnesses pads(source);
    fake().hold(OVI_FAKE_SECOND);
    pads.play();
    fail_unless(fake().wait(OVI_FAKE_SECOND, 10));
    const pid_t first = fake().seen()->process;
    // What comes next to these is the second clip.
    if (point == OVI_FAKE_PLAN || point == OVI_FAKE_ENCODE)
      fake().die(point, SIGSEGV);
    else
      fake().hold(OVI_FAKE_ENCODE);
    fake().release(OVI_FAKE_SECOND);
    if (point != OVI_FAKE_PLAN && point != OVI_FAKE_ENCODE) {
      fail_unless(fake().wait(OVI_FAKE_ENCODE, 10));
      fake().die(point, SIGKILL);
      fake().release(OVI_FAKE_ENCODE);
    }
    Pulled frames, sound;
    pads.pull_all(frames, sound);
    fail_unless_equals_int(frames.buffers.size(), 24);
    fail_unless(fake().seen()->process != first);
    gst_element_set_state(source, GST_STATE_READY);
    int warnings = 0;
    for (const Posted& one : take_messages(source)) {
      fail_unless(one.type != GST_MESSAGE_ERROR, "%s", one.text.c_str());
      if (one.type != GST_MESSAGE_WARNING) continue;
      ++warnings;
      check_error(one, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_FAILED, "is tried again");
    }
    fail_unless_equals_int(warnings, 1);
  }
  check_nothing_left();
}
GST_END_TEST

GST_START_TEST(a_worker_that_is_stopped_is_killed_by_a_cancel) {
  setup();
  for (const ovi_fake_point point :
       {OVI_FAKE_LOAD, OVI_FAKE_ENCODE, OVI_FAKE_GENERATE, OVI_FAKE_SECOND}) {
    GstElement* pipeline = make_pipeline(nullptr);
    fake().hold(point);
    gst_element_set_state(pipeline, GST_STATE_PLAYING);
    fail_unless(fake().wait(point, 10));
    const pid_t worker = fake().seen()->process;
    fail_unless_equals_int(getpgid(worker), worker);
    kill(worker, SIGSTOP);
    const double took = seconds_to(pipeline, GST_STATE_READY);
    fail_unless(took >= 1.9 && took < 4, "%.2f s", took);
    fail_unless(kill(worker, 0) != 0 && errno == ESRCH, "it is still there");
    fake().release(point);
    // And another one is there when it is wanted.
    fail_unless_equals_int(play_to_end(pipeline), GST_MESSAGE_EOS);
    fail_unless(fake().seen()->process != worker);
    let_go(pipeline);
  }
}
GST_END_TEST

GST_START_TEST(a_worker_that_stays_stopped_is_an_error) {
  setup();
  GstElement* pipeline = make_pipeline(nullptr);
  fake().hold(OVI_FAKE_GENERATE);
  gst_element_set_state(pipeline, GST_STATE_PLAYING);
  fail_unless(fake().wait(OVI_FAKE_GENERATE, 10));
  const pid_t worker = fake().seen()->process;
  // Whoever stops it for a moment harms nobody.
  kill(worker, SIGSTOP);
  g_usleep(1'000'000);
  kill(worker, SIGCONT);
  g_usleep(200'000);
  kill(worker, SIGSTOP);
  const auto begin = Clock::now();
  Posted error;
  fail_unless_equals_int(play_to_end(pipeline, &error), GST_MESSAGE_ERROR);
  const double took = std::chrono::duration<double>(Clock::now() - begin).count();
  fail_unless(took > 4.5 && took < 10, "%.2f s", took);
  check_error(error, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_FAILED, "does not answer");
  fail_unless(kill(worker, 0) != 0 && errno == ESRCH, "it is still there");
  fake().release(OVI_FAKE_GENERATE);
  gst_element_set_state(pipeline, GST_STATE_READY);
  fail_unless_equals_int(play_to_end(pipeline), GST_MESSAGE_EOS);
  let_go(pipeline);
}
GST_END_TEST

GST_START_TEST(a_cancel_that_is_answered_keeps_worker_and_model) {
  setup();
  GstElement* pipeline = make_pipeline(nullptr);
  fake().hold(OVI_FAKE_GENERATE);
  gst_element_set_state(pipeline, GST_STATE_PLAYING);
  fail_unless(fake().wait(OVI_FAKE_GENERATE, 10));
  const pid_t worker = fake().seen()->process;
  const double took = seconds_to(pipeline, GST_STATE_READY);
  fail_unless(took < 1, "%.2f s", took);
  fake().release(OVI_FAKE_GENERATE);
  fail_unless_equals_int(play_to_end(pipeline), GST_MESSAGE_EOS);
  fail_unless_equals_int(fake().seen()->process, worker);
  fail_unless_equals_int(fake().counters().models_loaded, 1);
  // One that has nothing to do may end: nobody is the worse for it.
  gst_element_set_state(pipeline, GST_STATE_READY);
  kill(worker, SIGKILL);
  siginfo_t ended;
  fail_unless(waitid(P_PID, static_cast<id_t>(worker), &ended, WEXITED | WNOWAIT) == 0);
  fail_unless_equals_int(play_to_end(pipeline), GST_MESSAGE_EOS);
  fail_unless(fake().seen()->process != worker);
  let_go(pipeline);
}
GST_END_TEST

GST_START_TEST(nothing_is_left_after_a_hundred_cycles) {
  setup();
  int before = 0;
  for (int i = 0; i < 100; ++i) {
    GstElement* pipeline = make_pipeline(nullptr);
    if (i % 4 == 1) fake().die(OVI_FAKE_DECODE, SIGKILL);
    if (i % 4 == 2) fake().hold(OVI_FAKE_GENERATE);
    if (i % 4 == 2) {
      gst_element_set_state(pipeline, GST_STATE_PLAYING);
      fail_unless(fake().wait(OVI_FAKE_GENERATE, 10));
      gst_element_set_state(pipeline, GST_STATE_READY);
      fake().release(OVI_FAKE_GENERATE);
    } else {
      fail_unless_equals_int(play_to_end(pipeline),
                             i % 4 == 1 ? GST_MESSAGE_ERROR : GST_MESSAGE_EOS);
    }
    let_go(pipeline);
    if (i == 9) before = descriptors();
  }
  // A thread of GStreamer's that ends may hold the last pipeline's bus for a moment.
  for (int i = 0; i < 100 && descriptors() != before; ++i) g_usleep(50'000);
  fail_unless_equals_int(descriptors(), before);
}
GST_END_TEST

GST_START_TEST(frames_are_mapped_once_and_outlive_the_worker) {
  setup();
  GstElement* source = make_source();
  Pulled frames, sound;
  std::string before;
  {
    Harnesses pads(source);
    pads.play();
    pads.pull_all(frames, sound);
    fail_unless_equals_int(shared_mappings(), 13);  // 12 frames and the sound
    before = frames.bytes();
  }
  fail_unless(children().empty());
  fail_unless_equals_int(shared_mappings(), 13);
  fail_unless(frames.bytes() == before);
  GstMemory* memory = gst_buffer_peek_memory(frames.buffers[0], 0);
  fail_unless(GST_MEMORY_IS_READONLY(memory));
  for (GstBuffer* buffer : frames.buffers) gst_buffer_unref(buffer);
  frames.buffers.clear();
  fail_unless_equals_int(shared_mappings(), 1);
  for (GstBuffer* buffer : sound.buffers) gst_buffer_unref(buffer);
  sound.buffers.clear();
  check_nothing_left();
}
GST_END_TEST

GST_START_TEST(the_thread_that_starts_it_may_end) {
  setup();
  GstElement* pipeline = make_pipeline(nullptr);
  std::thread([pipeline] { gst_element_set_state(pipeline, GST_STATE_READY); }).join();
  const std::set<pid_t> worker = children();
  fail_unless_equals_int(worker.size(), 1);
  fail_unless_equals_int(play_to_end(pipeline), GST_MESSAGE_EOS);
  fail_unless_equals_int(fake().seen()->process, *worker.begin());
  let_go(pipeline);
}
GST_END_TEST

GST_START_TEST(where_it_runs_may_change_in_ready) {
  setup();
  GstElement* source = nullptr;
  GstElement* pipeline = make_pipeline(&source);
  for (const char* where : {"process", "none", "process", "none"}) {
    const bool process = g_str_equal(where, "process");
    gst_util_set_object_arg(G_OBJECT(source), "isolation", where);
    fail_unless_equals_int(play_to_end(pipeline), GST_MESSAGE_EOS);
    fail_unless_equals_int(fake().seen()->process == getpid(), !process);
    fail_unless_equals_int(children().size(), process ? 1 : 0);
    gst_element_set_state(pipeline, GST_STATE_READY);
  }
  let_go(pipeline);
}
GST_END_TEST

/// Made to fail in this way at NULL->READY.
static void check_refused(GstElement* source, GQuark domain, int code, const char* part) {
  fail_unless_equals_int(gst_element_set_state(source, GST_STATE_READY), GST_STATE_CHANGE_FAILURE);
  check_error(wait_error(source), domain, code, part);
  check_nothing_left();
}

/// Where the engine runs by default, and what it gets to know.
GST_START_TEST(several_devices_have_a_process_of_their_own) {
  setup();
  for (const char* devices : {"cpu,cpu", "ranks", "cpu", ""}) {
    const bool several = !g_strcmp0(devices, "cpu,cpu") || !g_strcmp0(devices, "ranks");
    GstElement* source = nullptr;
    GstElement* pipeline = make_pipeline(&source);
    gst_util_set_object_arg(G_OBJECT(source), "isolation", "auto");
    g_object_set(source, "devices", devices, nullptr);
    fail_unless_equals_int(play_to_end(pipeline), GST_MESSAGE_EOS);
    fail_unless_equals_string(fake().seen()->devices, devices);
    fail_unless_equals_int(fake().seen()->process == getpid(), !several);
    let_go(pipeline);
  }
}
GST_END_TEST

/// The others end with the process that is rank 0: it outlives a clip that failed, and where it is
/// gone nothing is tried again.
GST_START_TEST(rank_zero_stays_the_process_that_it_is) {
  for (bool dies : {false, true}) {
    setup();
    GstElement* source = make_source();
    g_object_set(source, "num-clips", 2, "devices", "ranks", nullptr);
    Harnesses pads(source);
    fake().hold(OVI_FAKE_SECOND);
    pads.play();
    fail_unless(fake().wait(OVI_FAKE_SECOND, 10));
    const pid_t first = fake().seen()->process;
    if (dies)
      fake().die(OVI_FAKE_ENCODE, SIGKILL);
    else
      fake().fault(OVI_FAKE_ENCODE, OVI_FAILED, "Rank 1: it broke.", "");
    fake().fault_times(OVI_FAKE_ENCODE, 1);
    fake().release(OVI_FAKE_SECOND);
    Pulled frames, sound;
    pads.pull_all(frames, sound);
    fail_unless_equals_int(frames.buffers.size(), dies ? 12 : 24);
    fail_unless_equals_int(fake().seen()->process, first);
    gst_element_set_state(source, GST_STATE_READY);
    for (const Posted& one : take_messages(source)) {
      if (one.type != GST_MESSAGE_ERROR && one.type != GST_MESSAGE_WARNING) continue;
      fail_unless_equals_int(one.type, dies ? GST_MESSAGE_ERROR : GST_MESSAGE_WARNING);
      fail_unless(one.text.find(dies ? "SIGKILL" : "is tried again") != std::string::npos, "%s",
                  one.text.c_str());
    }
  }
  check_nothing_left();
}
GST_END_TEST

GST_START_TEST(a_worker_that_is_missing_or_another_program_is_an_error_with_a_way_out) {
  setup();
  GstElement* source = make_source();
  const struct {
    const char* path;
    bool init;
    const char* part;
  } programs[] = {
      {"/nonexistent/ovii2v-worker", true,
       "/nonexistent/ovii2v-worker cannot be started: install ovii2v-worker"},
      {"/dev/null", true, "/dev/null cannot be started"},
      {"/bin/true", false, "ended by itself (status 0)"},
      {"/bin/false", false, "ended by itself (status 1)"},
  };
  for (const auto& program : programs) {
    g_setenv("OVII2V_WORKER_PATH", program.path, TRUE);
    if (program.init)
      check_refused(source, GST_LIBRARY_ERROR, GST_LIBRARY_ERROR_INIT, program.part);
    else
      check_refused(source, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_FAILED, program.part);
  }
  g_unsetenv("OVII2V_WORKER_PATH");
  const std::string engine = g_getenv("OVII2V_ENGINE_PATH");
  g_setenv("OVII2V_ENGINE_PATH", "/nonexistent/engine.so", TRUE);
  check_refused(source, GST_LIBRARY_ERROR, GST_LIBRARY_ERROR_INIT, "/nonexistent/engine.so");
  g_setenv("OVII2V_ENGINE_PATH", engine.c_str(), TRUE);
  g_setenv("OVI_FAKE_ABI", "77", TRUE);
  check_refused(source, GST_LIBRARY_ERROR, GST_LIBRARY_ERROR_INIT, "interface version 77");
  g_unsetenv("OVI_FAKE_ABI");
  fail_unless_equals_int(gst_element_set_state(source, GST_STATE_READY), GST_STATE_CHANGE_SUCCESS);
  drop(source);
  check_nothing_left();
}
GST_END_TEST

GST_START_TEST(shared_memory_that_is_refused_is_an_error) {
  setup();
  g_setenv("LD_PRELOAD", g_getenv("OVI_NO_MEMFD"), TRUE);
  for (const auto& [error, full] :
       {std::pair{"ENOSYS", false}, {"ENOSPC", true}, {"EMFILE", true}}) {
    g_setenv("OVI_NO_MEMFD_ERROR", error, TRUE);
    GstElement* pipeline = make_pipeline(nullptr);
    Posted posted;
    fail_unless_equals_int(play_to_end(pipeline, &posted), GST_MESSAGE_ERROR);
    if (full)
      check_error(posted, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_NO_SPACE_LEFT,
                  "Out of shared memory for the clip");
    else
      check_error(posted, GST_LIBRARY_ERROR, GST_LIBRARY_ERROR_FAILED, "isolation=none");
    let_go(pipeline);
  }
}
GST_END_TEST

OVI_TEST_MAIN(isolation,
              OVI_TEST(a_death_at_any_stage_is_an_error_and_the_element_lives_on)               //
              OVI_TEST(in_the_first_clip_of_a_chain_it_is_an_error)                             //
              OVI_TEST(in_a_chain_it_is_a_warning_and_the_clip_is_made_by_another_one)          //
              OVI_TEST(a_worker_that_is_stopped_is_killed_by_a_cancel)                          //
              OVI_TEST(a_worker_that_stays_stopped_is_an_error)                                 //
              OVI_TEST(a_cancel_that_is_answered_keeps_worker_and_model)                        //
              OVI_TEST(nothing_is_left_after_a_hundred_cycles)                                  //
              OVI_TEST(frames_are_mapped_once_and_outlive_the_worker)                           //
              OVI_TEST(the_thread_that_starts_it_may_end)                                       //
              OVI_TEST(where_it_runs_may_change_in_ready)                                       //
              OVI_TEST(several_devices_have_a_process_of_their_own)                             //
              OVI_TEST(rank_zero_stays_the_process_that_it_is)                                  //
              OVI_TEST(a_worker_that_is_missing_or_another_program_is_an_error_with_a_way_out)  //
              OVI_TEST(shared_memory_that_is_refused_is_an_error))
