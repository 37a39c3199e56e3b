// One rank as a process, as its environment says: rank 0 makes clips of the small model, the others
// join it. rank-clips MODEL STEPS CLIPS: each clip is held against the one of this device alone;
// with CLIPS "cancel" the first is cancelled in its midst, with "anew" a model is opened for each of
// three, and closed before the next.
// SPDX-License-Identifier: Apache-2.0
#include <signal.h>

#include <cstdio>
#include <cstdlib>
#include <string>

#include "clip_pixels.h"
#include "ovi/engine.h"
#include "small_request.h"

namespace {

ovi_cancel* cancel = nullptr;

void say(const std::string& line) {
  std::puts(line.c_str());
  std::fflush(stdout);
}

int told(const ovi_error& error) {
  say(std::string(error.status == OVI_RANK_GONE ? "gone: " : "error: ") + error.message);
  return 1;
}

// The ranks stay together, whatever is opened on them.
int make_anew(ovi_engine_config& config, const ovi_request& request, const ovi::ClipPixels& alone) {
  ovi_error error{};
  error.size = sizeof error;
  for (const ovi_memory memory : {OVI_MEMORY_RESIDENT, OVI_MEMORY_OFFLOAD, OVI_MEMORY_RESIDENT}) {
    config.memory = memory;
    ovi_engine* engine = nullptr;
    ovi::ClipPixels made;
    const ovi_callbacks callbacks = made.callbacks();
    if (ovi_engine_create(&config, &engine, &error) != OVI_OK ||
        ovi_engine_generate(engine, &request, &callbacks, cancel, nullptr, &error) != OVI_OK)
      return told(error);
    ovi_engine_destroy(engine);
    say("differs by " + std::to_string(ovi::difference(alone, made)));
  }
  return 0;
}

int make(const char* model, uint32_t steps, const std::string& clips) {
  ovi_error error{};
  error.size = sizeof error;
  ovi_engine_config config{};
  config.size = sizeof config;
  config.model_path = model;
  config.device = "cpu";
  ovi_request request = small_request(steps);
  ovi::ClipPixels alone;
  ovi_callbacks callbacks = alone.callbacks();
  ovi_engine* engine = nullptr;
  if (ovi_engine_create(&config, &engine, &error) != OVI_OK) return told(error);
  constexpr uint32_t kWhole = 100;  // steps of a clip that somebody ends in its midst
  if (clips != "cancel" && clips != "0" && steps < kWhole &&
      ovi_engine_generate(engine, &request, &callbacks, nullptr, nullptr, &error) != OVI_OK)
    return told(error);
  ovi_engine_destroy(engine);

  config.devices = "ranks";
  if (clips == "anew") return make_anew(config, request, alone);
  if (ovi_engine_create(&config, &engine, &error) != OVI_OK) return told(error);
  say("opened");
  const bool cancels = clips == "cancel";
  const int count = cancels ? 2 : std::atoi(clips.c_str());
  for (int clip = 0; clip < count; ++clip) {
    ovi::ClipPixels made;
    made.on_progress = [&](const ovi_progress& progress) {
      if (progress.stage != OVI_STAGE_GENERATE || progress.done != 1) return;
      say("step");
      if (cancels && clip == 0) ovi_cancel_trigger(cancel);
    };
    callbacks = made.callbacks();
    if (cancels && clip == 1) request.steps = 1;
    const ovi_status status =
        ovi_engine_generate(engine, &request, &callbacks, cancel, nullptr, &error);
    ovi_cancel_reset(cancel);
    if (status == OVI_CANCELLED) {
      say("cancelled");
      continue;
    }
    if (status != OVI_OK) return told(error);
    say(cancels ? std::string("made")
                : "differs by " + std::to_string(ovi::difference(alone, made)));
  }
  ovi_engine_destroy(engine);
  return 0;
}

}  // namespace

int main(int count, char** words) {
  if (count != 4) return 2;
  cancel = ovi_cancel_new();
  signal(SIGTERM, [](int) { ovi_cancel_trigger(cancel); });
  if (std::string(std::getenv("RANK")) == "0")
    return make(words[1], static_cast<uint32_t>(std::atoi(words[2])), words[3]);
  ovi_join_config config{};
  config.size = sizeof config;
  config.model_path = std::getenv("OVI_OWN_MODEL");
  const char* device = std::getenv("OVI_OWN_DEVICE");
  config.device = device ? device : "cpu";
  ovi_error error{};
  error.size = sizeof error;
  const ovi_status status = ovi_engine_join(&config, cancel, &error);
  if (status == OVI_OK) say("left");
  if (status == OVI_CANCELLED) say("cancelled");
  return status == OVI_OK || status == OVI_CANCELLED ? 0 : told(error);
}
