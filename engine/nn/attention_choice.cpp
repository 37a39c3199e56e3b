// SPDX-License-Identifier: Apache-2.0
#include "nn/attention_choice.h"

#include <cmath>
#include <utility>
#include <vector>

#include "runtime/decimal.h"
#include "runtime/error.h"

namespace ovi::nn {
namespace {

std::string cudnn_text(int64_t version) {
  if (version == 0) return "no cuDNN";
  return "cuDNN " + std::to_string(version / 10000) + "." + std::to_string(version / 100 % 100) +
         "." + std::to_string(version % 100);
}

std::string milliseconds(double seconds) {
  return decimal(seconds * 1e3, 2) + " ms";
}

std::string too_old(int64_t version) {
  return "LibTorch found " + cudnn_text(version) + ", whose attention is not used: it needs " +
         cudnn_text(kOldestCudnn) +
         ". LibTorch brings a newer one; another on LD_LIBRARY_PATH may hide it.";
}

}  // namespace

const char* name_of(AttentionKernel kernel) {
  switch (kernel) {
    case AttentionKernel::kFlash:
      return "flash";
    case AttentionKernel::kCudnn:
      return "cudnn";
    case AttentionKernel::kGeneral:
      break;
  }
  return "general";
}

AttentionChoice choose_attention(const AttentionFacts& facts,
                                 const std::function<Verdict(AttentionKernel)>& probe) {
  const bool free = facts.wish.empty() || facts.wish == "auto";
  const bool wants_cudnn = facts.wish == "cudnn", wants_flash = facts.wish == "flash";
  if (!free && !wants_cudnn && !wants_flash) {
    throw Error(ErrorKind::kSettings,
                "OVI_ATTENTION is \"" + facts.wish + "\"; use auto, cudnn or flash, or unset it.");
  }
  AttentionChoice choice;
  const auto warn = [&](const std::string& text) {
    choice.warning += (choice.warning.empty() ? "" : " ") + text;
  };
  const bool old = facts.cudnn_version > 0 && facts.cudnn_version < kOldestCudnn;
  if (old && free) warn(too_old(facts.cudnn_version));

  std::vector<AttentionKernel> candidates;
  if (wants_cudnn || (free && facts.cudnn_version >= kOldestCudnn))
    candidates.push_back(AttentionKernel::kCudnn);
  if (!wants_cudnn) candidates.push_back(AttentionKernel::kFlash);

  choice.reason = cudnn_text(facts.cudnn_version);
  double best = 0;
  for (const AttentionKernel kernel : candidates) {
    const Verdict verdict = probe(kernel);
    const std::string name = name_of(kernel);
    choice.reason +=
        ", " + name + " " + (verdict.good ? milliseconds(verdict.seconds) : verdict.problem);
    if (!verdict.good) {
      warn("Attention by " + name + " " + verdict.problem + " and is not used.");
    } else if (choice.kernel == AttentionKernel::kGeneral || verdict.seconds < best) {
      choice.kernel = kernel;
      best = verdict.seconds;
    }
  }
  if (choice.kernel == AttentionKernel::kGeneral)
    warn("LibTorch chooses how attention is computed, which may be slow.");
  return choice;
}

}  // namespace ovi::nn
