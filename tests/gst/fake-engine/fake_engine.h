// How a test steers the fake engine.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <stdint.h>

#include "ovi/engine.h"

// The fake engine speaks ovi/engine.h without a model: frames and samples are
// plain functions of seed, prompt and index. A test opens the same library and
// steers it; nothing in it waits for a time unless the environment says so.
//
// Environment, for tests that run another program:
//   OVI_FAKE_ABI=N      answers N as its interface version
//   OVI_FAKE_HOLD=stage holds there (load, encode, generate, decode) until cancelled
//   OVI_FAKE_FRAMES=N   clips have N frames, and the sound of that time
//   OVI_FAKE_MOST_SIDE=N clips have sides of N pixels at most, else 128
//   OVI_FAKE_FAIL=N     generate() fails with status N
//   OVI_FAKE_STEP_MS=N  each step takes N ms
//   OVI_FAKE_FRAME_MS=N and each frame
//   OVI_FAKE_SHARED=FILE the state is in that file, and all processes that name it share it: a test
//                       steers the fake that a worker process has opened

#ifdef __cplusplus
extern "C" {
#endif

typedef enum ovi_fake_point {
  OVI_FAKE_CREATE = 0,
  OVI_FAKE_PLAN,
  OVI_FAKE_LOAD,
  OVI_FAKE_ENCODE,
  OVI_FAKE_GENERATE,  // before the last step
  OVI_FAKE_DECODE,    // after half of the frames
  OVI_FAKE_SECOND,    // after the first frame, before the second latent is decoded
  OVI_FAKE_POINTS
} ovi_fake_point;

typedef struct ovi_fake_counters {
  int engines, models_loaded, clips, buffers;  // engines and buffers: alive now
  int cancelled;
  int most_buffers;  // alive at once, since reset()
} ovi_fake_counters;

typedef struct ovi_fake_seen {
  uint64_t plans;  // how often ovi_engine_plan() was called
  int64_t seeds[128];  // of the generations, in their order
  uint32_t generations;
  char prompt[256], video_negative[256], audio_negative[256];
  char model_path[256], device[32], devices[64];
  char loras[512];  // "FILE:strength," of each
  ovi_request request;      // its pointers are gone
  ovi_engine_config config;  // its pointers are gone
  uint8_t *image;            // RGB, rows without gaps; kept by the fake
  int process;               // that was at a point last
} ovi_fake_seen;

typedef struct ovi_fake_api {
  void (*reset)(void);
  /* The next call that reaches `point` fails so, and each after it. */
  void (*fault)(ovi_fake_point point, ovi_status status, const char *message, const char *detail);
  /* Only so many calls from now on fail there. */
  void (*fault_times)(ovi_fake_point point, int times);
  /* Generations stop at `point` until released or cancelled. */
  void (*hold)(ovi_fake_point point);
  /* Waits until a generation stands at a held `point`; 0 after `seconds`. */
  int (*wait)(ovi_fake_point point, int seconds);
  void (*release)(ovi_fake_point point);
  void (*warn)(ovi_warning_code code, int64_t position, const char *message);
  /* Frames and samples of the clips to come. */
  void (*clip_size)(uint32_t frames, uint32_t samples);
  /* A picture's width is rounded down to multiples of 32 after `add` was added. */
  void (*widen)(int add);
  /* Width of the frames is wrong by this (a broken engine). */
  void (*break_frames)(int on);
  ovi_fake_counters (*counters)(void);
  const ovi_fake_seen *(*seen)(void);
  /* The process that next comes to `point` ends by this signal, or, with -1, of itself. */
  void (*die)(ovi_fake_point point, int signal);
} ovi_fake_api;

OVI_API const ovi_fake_api *ovi_fake(void);

#ifdef __cplusplus
}
#endif
