// The engine library: not opened by a scan, told of when missing or wrong.
// SPDX-License-Identifier: Apache-2.0
#include <string.h>

#include "fixture.h"

using namespace fixture;

static bool engine_is_mapped() {
  char* maps = nullptr;
  fail_unless(g_file_get_contents("/proc/self/maps", &maps, nullptr, nullptr));
  const bool found = strstr(maps, "libovii2v-engine");
  g_free(maps);
  return found;
}

GST_START_TEST(the_engine_is_opened_at_ready_and_no_sooner) {
  GstElement* source = make_source();
  fail_unless(!engine_is_mapped(), "making the element opened the engine");
  fail_unless_equals_int(gst_element_set_state(source, GST_STATE_READY), GST_STATE_CHANGE_SUCCESS);
  fail_unless(engine_is_mapped());
  drop(source);
  fail_unless(engine_is_mapped(), "it must stay");
}
GST_END_TEST

static void expect_failure(GstElement* source, const char* part, const char* in_debug) {
  fail_unless_equals_int(gst_element_set_state(source, GST_STATE_READY), GST_STATE_CHANGE_FAILURE);
  const Posted error = wait_error(source);
  check_error(error, GST_LIBRARY_ERROR, GST_LIBRARY_ERROR_INIT, part);
  fail_unless(error.debug.find(in_debug) != std::string::npos, "%s", error.debug.c_str());
}

/// With what was missing put right, the same instance makes its clip.
static void check_works(GstElement* source) {
  Harnesses pair(source);
  pair.play();
  Pulled frames, sound;
  pair.pull_all(frames, sound);
  fail_unless_equals_int(frames.buffers.size(), 121);
}

GST_START_TEST(a_missing_engine_is_told_and_can_be_put_right) {
  const std::string right = g_getenv("OVII2V_ENGINE_PATH");
  g_setenv("OVII2V_ENGINE_PATH", "/nonexistent/libovii2v-engine.so", TRUE);
  GstElement* source = make_source();
  expect_failure(source, "OVII2V_ENGINE_PATH", "/nonexistent/libovii2v-engine.so: no such file");
  const std::string text = scratch_file("libtext.so", "no library", 10);
  g_setenv("OVII2V_ENGINE_PATH", text.c_str(), TRUE);
  expect_failure(source, "OVII2V_ENGINE_PATH", "libtext.so");
  g_setenv("OVII2V_ENGINE_PATH", right.c_str(), TRUE);
  check_works(source);
}
GST_END_TEST

GST_START_TEST(another_interface_version_is_refused) {
  g_setenv("OVI_FAKE_ABI", "99", TRUE);
  GstElement* source = make_source();
  expect_failure(source, "interface version 99", "this plug-in needs 1");
  g_unsetenv("OVI_FAKE_ABI");
  check_works(source);
}
GST_END_TEST

GST_START_TEST(another_library_is_refused) {
  const std::string right = g_getenv("OVII2V_ENGINE_PATH");
  g_setenv("OVII2V_ENGINE_PATH", g_getenv("OVI_OTHER_LIBRARY"), TRUE);
  GstElement* source = make_source();
  expect_failure(source, "no Ovi engine", "ovi_engine_abi_version");
  g_setenv("OVII2V_ENGINE_PATH", right.c_str(), TRUE);
  check_works(source);
}
GST_END_TEST

OVI_TEST_MAIN(loading, OVI_TEST(the_engine_is_opened_at_ready_and_no_sooner)
                           OVI_TEST(a_missing_engine_is_told_and_can_be_put_right)
                               OVI_TEST(another_interface_version_is_refused)
                                   OVI_TEST(another_library_is_refused))
