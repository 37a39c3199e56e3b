// A decoder that dies, hangs or lies: the element tells it, and the process is as it was.
// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <glib/gstdio.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "picture/pictures.h"

using namespace fixture;

namespace {

/// From here on this shell script is the decoder.
void decode_by(const std::string& lines) {
  const std::string script = "#!/bin/sh\n" + lines + "\n";
  const std::string path = scratch_file("decoder", script.data(), script.size());
  g_chmod(path.c_str(), 0700);
  g_setenv("OVII2V_PICTURE_PATH", path.c_str(), TRUE);
}

Posted error_of_picture() {
  GstElement* source = nullptr;
  GstElement* pipeline = make_pipeline(&source);
  g_object_set(source, "image", data_file("astronaut.png").c_str(), nullptr);
  Posted error;
  fail_unless_equals_int(play_to_end(pipeline, &error), GST_MESSAGE_ERROR);
  gst_element_set_state(pipeline, GST_STATE_NULL);
  gst_object_unref(pipeline);
  return error;
}

/// "OVP1", outcome, width, height and length of the text, as printf writes them.
std::string head(const char* outcome, const char* width, const char* height, const char* text) {
  return std::string("printf 'OVP1\\") + outcome + "\\0\\0\\0" + width + height + text + "'";
}

constexpr const char* kZero = "\\0\\0\\0\\0";

int open_descriptors() {
  int count = 0;
  GDir* folder = g_dir_open("/proc/self/fd", 0, nullptr);
  while (g_dir_read_name(folder)) ++count;
  g_dir_close(folder);
  return count;
}

}  // namespace

GST_START_TEST(a_death_is_told_by_its_signal) {
  decode_by("kill -SEGV $$");
  check_error(error_of_picture(), GST_STREAM_ERROR, GST_STREAM_ERROR_DECODE,
              "astronaut.png is broken: decoding it crashed the decoder (SIGSEGV)");
  decode_by(head("0", "\\1\\0\\0\\0", "\\1\\0\\0\\0", kZero) + "; kill -ABRT $$");
  check_error(error_of_picture(), GST_STREAM_ERROR, GST_STREAM_ERROR_DECODE, "(SIGABRT)");
}
GST_END_TEST

GST_START_TEST(nothing_is_believed) {
  const std::string answers[] = {
      "printf nonsense",
      "printf 'OVP2%020d' 0",
      "exit 0",
      head("11", kZero, kZero, kZero),                                     // no such outcome
      head("0", kZero, "\\1\\0\\0\\0", kZero),                             // no pixels
      head("0", "\\377\\377\\377\\377", "\\377\\377\\377\\377", kZero),    // 55 EiB
      head("0", "\\0\\0\\1\\0", "\\0\\0\\1\\0", kZero),                    // 4 gigapixels
      head("0", "\\1\\0\\0\\0", "\\1\\0\\0\\0", kZero) + "; printf ab",    // too few
      head("0", "\\1\\0\\0\\0", "\\1\\0\\0\\0", kZero) + "; printf abcd",  // too many
      head("2", kZero, kZero, "\\377\\377\\377\\377") + "; printf abcd",   // endless text
      "exec cat /dev/zero"};
  for (const std::string& answer : answers) {
    decode_by(answer);
    const Posted error = error_of_picture();
    check_error(error, GST_STREAM_ERROR, GST_STREAM_ERROR_DECODE, "astronaut.png");
  }
  decode_by(head("2", kZero, kZero, "\\10\\0\\0\\0") + "; printf 'a\\n\\33[m\\377\\0b'");
  const Posted error = error_of_picture();
  check_error(error, GST_STREAM_ERROR, GST_STREAM_ERROR_DECODE, "is broken: a??[m");
  fail_unless(g_utf8_validate(error.text.c_str(), -1, nullptr));
}
GST_END_TEST

GST_START_TEST(one_that_hangs_is_stopped_at_once) {
  const std::string begun = scratch_file("begun", "", 0);
  decode_by("echo >>" + begun + "\nexec sleep 100");
  GstElement* source = nullptr;
  GstElement* pipeline = make_pipeline(&source);
  g_object_set(source, "image", data_file("astronaut.png").c_str(), nullptr);
  gst_element_set_state(pipeline, GST_STATE_PLAYING);
  GStatBuf info{};
  while (g_stat(begun.c_str(), &info) == 0 && info.st_size == 0) g_usleep(1000);
  const gint64 begin = g_get_monotonic_time();
  gst_element_set_state(pipeline, GST_STATE_NULL);
  fail_unless(g_get_monotonic_time() - begin < G_USEC_PER_SEC / 2);
  fail_unless(waitpid(-1, nullptr, WNOHANG) == -1 && errno == ECHILD,
              "it lives, or was not reaped");
  for (const Posted& one : take_messages(pipeline))
    fail_unless(one.type != GST_MESSAGE_ERROR, "%s", one.text.c_str());
  gst_object_unref(pipeline);
}
GST_END_TEST

GST_START_TEST(one_that_hangs_has_its_time) {
  decode_by("exec sleep 100");
  const gint64 begin = g_get_monotonic_time();
  check_error(error_of_picture(), GST_STREAM_ERROR, GST_STREAM_ERROR_DECODE, "10 seconds");
  fail_unless(g_get_monotonic_time() - begin < 15 * G_USEC_PER_SEC);
}
GST_END_TEST

/// No descriptor goes over but the three, and none stays.
GST_START_TEST(descriptors_stay_where_they_are) {
  const int unmarked = open("/dev/null", O_RDONLY);
  fail_unless(dup2(unmarked, 50) == 50);
  const std::string seen = scratch_file("seen", "", 0);
  decode_by("for f in /proc/$$/fd/*; do readlink $f; done >" + seen + "\nkill -SEGV $$");
  error_of_picture();
  const int before = open_descriptors();
  for (int i = 0; i < 5; ++i) error_of_picture();
  fail_unless_equals_int(open_descriptors(), before);
  char* text = nullptr;
  fail_unless(g_file_get_contents(seen.c_str(), &text, nullptr, nullptr));
  int count = 0;
  g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
  // Beside the shell's own: the picture, the pipe or the list, /dev/null once, the script.
  for (char** line = lines; *line; ++line)
    count +=
        g_str_equal(*line, "/dev/null") || strstr(*line, "socket:") || strstr(*line, "registry");
  fail_unless(count == 1, "%s", text);
  fail_unless(strstr(text, "astronaut.png") != nullptr, "%s", text);
  g_free(text);
  close(50);
  close(unmarked);
}
GST_END_TEST

/// Whatever an application does with SIGCHLD and its own descriptors.
GST_START_TEST(applications_may_reap_for_themselves) {
  signal(SIGCHLD, SIG_IGN);
  for (int standard = 0; standard < 2; ++standard) close(standard);
  fail_unless_equals_int(seen_by_engine(data_file("astronaut.png")).width, 512);
  decode_by("kill -SEGV $$");
  check_error(error_of_picture(), GST_STREAM_ERROR, GST_STREAM_ERROR_DECODE, "crashed the decoder");
}
GST_END_TEST

GST_START_TEST(one_that_is_not_there_is_named) {
  g_setenv("OVII2V_PICTURE_PATH", "/nonexistent/ovii2v-picture", TRUE);
  check_error(error_of_picture(), GST_LIBRARY_ERROR, GST_LIBRARY_ERROR_INIT,
              "/nonexistent/ovii2v-picture cannot be started: install ovii2v-picture");
}
GST_END_TEST

OVI_TEST_MAIN(picture_process,
              OVI_TEST(a_death_is_told_by_its_signal) OVI_TEST(nothing_is_believed)
                  OVI_TEST(one_that_hangs_is_stopped_at_once) OVI_TEST(one_that_hangs_has_its_time)
                      OVI_TEST(descriptors_stay_where_they_are)
                          OVI_TEST(applications_may_reap_for_themselves)
                              OVI_TEST(one_that_is_not_there_is_named))
