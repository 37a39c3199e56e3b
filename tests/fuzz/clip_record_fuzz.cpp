// Bytes as the comment of a file that somebody made.
// SPDX-License-Identifier: Apache-2.0
#include "clip/clip_record.h"
#include "fuzz_input.h"

namespace {

/// Without plugins: a first look at them makes more names than GLib has places for, and what it
/// leaves behind when it makes room looks like a leak.
bool start() {
  return g_setenv("GST_REGISTRY_DISABLE", "yes", TRUE) && gst_init_check(nullptr, nullptr, nullptr);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const bool ready = start();
  fuzz::expect(ready, "GStreamer");
  std::string problem;
  GstStructure* record =
      ovii2v::record_of_text({reinterpret_cast<const char*>(data), size}, problem);
  if (!record) {
    fuzz::expect_message(problem, 300);
    return 0;
  }
  // What was read is written so that it reads the same.
  const std::string text = ovii2v::text_of_record(record);
  GstStructure* again = ovii2v::record_of_text(text, problem);
  fuzz::expect(again && ovii2v::text_of_record(again) == text, "another record than before");
  gst_structure_free(again);
  gst_structure_free(record);
  return 0;
}
