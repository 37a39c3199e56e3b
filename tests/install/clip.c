/* A program of the engine that knows nothing but ovi/engine.h: makes one clip of the model in its
 * first argument, and says what came. Built by pkg-config alone, with the header that is installed
 * and with the first one of this interface.
 * SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <ovi/engine.h>
#include <stdio.h>
#include <string.h>

typedef struct {
  uint32_t frames, samples, progressed;
  size_t bytes;
} received;

static void on_progress(void *user, const ovi_progress *progress) {
  received *got = user;
  if (progress->done <= progress->total) got->progressed++;
}

static void on_audio(void *user, const ovi_audio *audio) {
  received *got = user;
  got->samples += audio->samples;
  ovi_buffer_release(audio->owner);
}

static void on_video(void *user, const ovi_video_frame *frame) {
  received *got = user;
  if (frame->index == got->frames && frame->data) got->frames++;
  got->bytes += frame->bytes;
  ovi_buffer_release(frame->owner);
}

/* What is written beyond the size that a struct says would be behind it. */
typedef struct {
  ovi_stats stats;
  unsigned char behind[1024];
} guarded_stats;

static int failed(const char *what, const ovi_error *error) {
  fprintf(stderr, "%s: %s (%s)\n", what, error->message, error->detail);
  return 1;
}

int main(int argc, char **argv) {
  ovi_error error;
  ovi_engine_config config;
  ovi_request request;
  ovi_plan plan;
  guarded_stats made;
  ovi_callbacks callbacks;
  size_t at;
  received got;
  ovi_engine *engine = NULL;

  if (argc != 2) return 2;
  if (ovi_engine_abi_version() != OVI_ENGINE_ABI) {
    fprintf(stderr, "interface %u, not %u\n", ovi_engine_abi_version(), OVI_ENGINE_ABI);
    return 1;
  }
  memset(&error, 0, sizeof error);
  error.size = sizeof error;
  memset(&config, 0, sizeof config);
  config.size = sizeof config;
  config.model_path = argv[1];
  config.device = "cpu";
  if (ovi_engine_create(&config, &engine, &error) != OVI_OK) return failed("create", &error);

  memset(&request, 0, sizeof request);
  request.size = sizeof request;
  request.prompt = "She says, <S>Hello.<E> <AUDCAP>A soft chord.<ENDAUDCAP>";
  request.seed = 103;
  request.steps = 1;
  request.shift = 5;
  request.video_guidance_scale = 1;
  request.audio_guidance_scale = 1;
  memset(&plan, 0, sizeof plan);
  plan.size = sizeof plan;
  if (ovi_engine_plan(engine, &request, &plan, NULL, NULL, &error) != OVI_OK)
    return failed("plan", &error);

  memset(&got, 0, sizeof got);
  memset(&callbacks, 0, sizeof callbacks);
  callbacks.size = sizeof callbacks;
  callbacks.user = &got;
  callbacks.progress = on_progress;
  callbacks.audio = on_audio;
  callbacks.video = on_video;
  memset(&made, 0x5a, sizeof made);
  made.stats.size = sizeof made.stats;
  if (ovi_engine_generate(engine, &request, &callbacks, NULL, &made.stats, &error) != OVI_OK)
    return failed("generate", &error);
  for (at = 0; at < sizeof made.behind; ++at)
    if (made.behind[at] != 0x5a) {
      fprintf(stderr, "written behind ovi_stats\n");
      return 1;
    }
  ovi_engine_destroy(engine);

  printf("engine %s, interface %u, %u frames of %ux%u in %zu bytes, %u samples, seed %" PRId64 "\n",
         ovi_engine_version(), ovi_engine_abi_version(), got.frames, plan.width, plan.height,
         got.bytes, got.samples, made.stats.seed);
  return got.frames == plan.frames && got.samples == plan.samples && got.progressed > 0 &&
                 got.bytes == (size_t)plan.width * plan.height * 3 * plan.frames
             ? 0
             : 1;
}
