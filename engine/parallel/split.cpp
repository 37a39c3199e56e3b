// SPDX-License-Identifier: Apache-2.0
#include "parallel/split.h"

#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/zeros.h>

#include <numeric>
#include <string>
#include <utility>

#include "runtime/error.h"

namespace ovi::parallel {
namespace {

constexpr int64_t kPasses = 2;  // with the prompt and with the negatives

std::vector<int64_t> run_of_ranks(int64_t first, int64_t count) {
  std::vector<int64_t> ranks(static_cast<size_t>(count));
  std::iota(ranks.begin(), ranks.end(), first);
  return ranks;
}

}  // namespace

Division division_of(int64_t ranks) {
  if (ranks % kPasses != 0) return {ranks, kPasses};
  return {ranks / kPasses, 1};
}

Split::Split(std::shared_ptr<Group> group, int64_t video_tokens, int64_t audio_tokens, bool guided)
    : group_(group && group->size() > 1 ? std::move(group) : nullptr) {
  const int64_t ranks = group_ ? group_->size() : 1;
  if (ranks > video_tokens) {
    throw Error(ErrorKind::kSettings, "A clip of " + std::to_string(video_tokens) +
                                          " video tokens cannot be split over " +
                                          std::to_string(ranks) +
                                          " devices. Name fewer devices, or make a larger clip.");
  }
  all_.video = Sequence(group_, video_tokens);
  all_.audio = Sequence(audio_tokens);
  const Division division = division_of(ranks);
  if (!group_ || !guided || division.passes != 1) return;
  Layout halves = all_;
  halves.pass_groups = kPasses;
  halves.own_group = group_->rank() / division.sequence_ranks;
  std::shared_ptr<Group> own_half;
  for (int64_t half = 0; division.sequence_ranks > 1 && half < kPasses; ++half) {
    auto part = group_->part(run_of_ranks(half * division.sequence_ranks, division.sequence_ranks));
    if (part) own_half = std::move(part);
  }
  halves.video = Sequence(std::move(own_half), video_tokens);
  halves_ = std::make_shared<const Layout>(std::move(halves));
}

// The sound of a pass is that of the first rank which has it, so that what ranks of unlike devices
// round in unlike ways never lets their latents drift apart.
std::vector<Split::Tokens> Split::exchange(const Layout& layout, std::vector<Tokens> own,
                                           int64_t passes) const {
  if (whole()) return own;
  const at::Tensor &video = own[0].video, &audio = own[0].audio;
  const int64_t width = video.size(1), sound = audio.numel();
  const std::vector<Share>& rows = layout.video.rows();
  const int64_t longest = rows[0].count * width;
  const auto mine = static_cast<int64_t>(own.size());
  at::Tensor sent = at::zeros({mine, longest + sound}, video.options());
  for (int64_t i = 0; i < mine; ++i) {
    const at::Tensor line = sent[i];
    line.narrow(0, 0, own[i].video.numel()).copy_(own[i].video.flatten());
    line.narrow(0, longest, sound).copy_(own[i].audio.flatten());
  }
  at::Tensor all = at::empty({group_->size(), mine, longest + sound}, video.options());
  group_->all_gather(all, sent);

  const auto ranks = static_cast<int64_t>(rows.size());
  std::vector<Tokens> whole_passes;
  for (int64_t pass = 0; pass < passes; ++pass) {
    const bool halves = layout.pass_groups > 1;
    const int64_t first_rank = halves ? pass * ranks : 0, line = halves ? 0 : pass;
    std::vector<at::Tensor> runs;
    for (int64_t rank = 0; rank < ranks; ++rank) {
      const int64_t count = rows[static_cast<size_t>(rank)].count;
      runs.push_back(all[first_rank + rank][line].narrow(0, 0, count * width).view({count, width}));
    }
    whole_passes.push_back(
        {at::cat(runs, 0),
         all[first_rank][line].narrow(0, longest, sound).view(audio.sizes()).clone()});
  }
  return whole_passes;
}

}  // namespace ovi::parallel
