// How the ranks of a group divide the denoising of one clip: decided here and nowhere else.
//
// In a step with two passes an even number of ranks falls into two halves of one pass each
// (guidance split); within a half, or among all ranks where their number is odd or there is one
// pass, each holds a run of the video's tokens (sequence split). Every rank has all of the sound.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <vector>

#include "parallel/group.h"
#include "parallel/sequence.h"

namespace ovi::parallel {

/// Which passes and which rows this rank has in a step.
struct Layout {
  int64_t pass_groups = 1;  // 2: each half of the ranks has a pass
  int64_t own_group = 0;
  Sequence video, audio;  // the tokens, among the ranks of this one's passes

  bool has(int64_t pass) const { return pass_groups == 1 || pass == own_group; }
  /// Passes that the ranks together evaluate where `asked` are asked for: no half is idle.
  int64_t passes(int64_t asked) const { return pass_groups == 1 ? asked : pass_groups; }
};

class Split {
 public:
  /// `group` may be null: everything is here. `guided`: some steps have two passes. Throws
  /// Error(kSettings) where there are more ranks than tokens.
  Split(std::shared_ptr<Group> group, int64_t video_tokens, int64_t audio_tokens, bool guided);

  bool whole() const { return group_ == nullptr; }
  /// Of a step that evaluates two passes, or one.
  const Layout& layout(bool two_passes) const { return two_passes && halves_ ? *halves_ : all_; }

  /// What a pass gave: video [own rows, ...] and audio [length, ...], of one dtype.
  struct Tokens {
    at::Tensor video, audio;
  };
  /// Those of each of `passes` passes with all rows, the same bits on every rank, in one
  /// exchange; `own` are of those that this rank has.
  std::vector<Tokens> exchange(const Layout& layout, std::vector<Tokens> own, int64_t passes) const;

 private:
  std::shared_ptr<Group> group_;
  Layout all_;
  std::shared_ptr<const Layout> halves_;  // null: passes are not split
};

/// Ranks among which a sequence is split, and passes that one of them evaluates, where a step
/// has two passes: what a rank's memory has to hold.
struct Division {
  int64_t sequence_ranks = 1, passes = 2;
};
Division division_of(int64_t ranks);

}  // namespace ovi::parallel
