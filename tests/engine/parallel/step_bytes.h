// The formula of docs/scaling.md: what a rank hands to the others in one step of two passes.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "parallel/share.h"

namespace ovi::test {

struct StepSizes {
  int64_t video_tokens = 0, audio_tokens = 0;
  int64_t heads = 0, head_dim = 0, blocks = 0;
  int64_t patch_channels = 0, audio_channels = 0;  // of a token's velocity
  int64_t element = 0;                             // bytes
};

inline int64_t step_bytes(const StepSizes& s, int64_t ranks, int64_t rank) {
  const int64_t halves = ranks % 2 == 0 ? 2 : 1, sequence = ranks / halves, passes = 2 / halves;
  const auto rows = parallel::shares(s.video_tokens, sequence),
             heads = parallel::shares(s.heads, sequence);
  const int64_t n = rows[rank % sequence].count, h = heads[rank % sequence].count;
  // Block 0's self-attention has seen no prompt: one for all passes.
  const int64_t self_attention = (1 + passes * (s.blocks - 1)) *
                                 (3 * n * (s.heads - h) + h * (s.video_tokens - n)) * s.head_dim *
                                 s.element;
  const int64_t sound_looks_at_video =
      passes * s.blocks * (sequence - 1) * s.audio_tokens * s.heads * (s.head_dim * s.element + 4);
  const int64_t velocities =
      (ranks - 1) * passes *
      (rows[0].count * s.patch_channels + s.audio_tokens * s.audio_channels) * s.element;
  return self_attention + sound_looks_at_video + velocities;
}

}  // namespace ovi::test
