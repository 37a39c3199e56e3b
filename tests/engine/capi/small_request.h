// What the tests of the C interface ask for.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "ovi/engine.h"

inline ovi_request small_request(uint32_t steps = 1) {
  ovi_request request{};
  request.size = sizeof request;
  request.prompt = "A cat says, <S>Hello.<E> <AUDCAP>purring<ENDAUDCAP>";
  request.seed = 5;
  request.steps = steps;
  request.shift = 5.0;
  request.video_guidance_scale = 4.0;
  request.audio_guidance_scale = 3.0;
  request.slg_layer = 1;
  return request;
}
