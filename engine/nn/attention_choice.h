// Which of LibTorch's fused attention kernels a GPU uses.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <c10/core/Device.h>

#include <functional>
#include <string>

#include "runtime/trial.h"

namespace ovi::nn {

enum class AttentionKernel {
  kGeneral,  // what LibTorch's own dispatch takes: any shape and type
  kFlash,    // FlashAttention-2 (Dao 2023, arXiv 2307.08691)
  kCudnn,
};
const char* name_of(AttentionKernel kernel);

/// The oldest cuDNN, in its own counting (major * 10000 + minor * 100 + patch), whose
/// attention is right for lengths that are no multiple of 128.
inline constexpr int64_t kOldestCudnn = 91501;

/// What is known before anything is tried.
struct AttentionFacts {
  std::string wish;           // OVI_ATTENTION: "", "auto", "cudnn", "flash"
  int64_t cudnn_version = 0;  // of the library in this process; 0: none
};

struct AttentionChoice {
  AttentionKernel kernel = AttentionKernel::kGeneral;
  std::string reason;   // what was tried, and what came of it
  std::string warning;  // for the user; empty: all is well
};

/// The faster of those kernels that `probe` finds good; a wish leaves one. A cuDNN that is
/// too old is tried only when it is wished for. Throws Error(kSettings) for an unknown wish.
AttentionChoice choose_attention(const AttentionFacts& facts,
                                 const std::function<Verdict(AttentionKernel)>& probe);

/// The choice for a device, tried once in a process at the size of a real clip, which takes
/// tens of milliseconds and 250 MB for the moment; a warning is given once. kGeneral on a
/// CPU. Synchronises at a device's first call.
AttentionKernel attention_kernel_of(const c10::Device& device);

/// The choice that was made for a device; null when none was.
const AttentionChoice* known_attention_choice(const c10::Device& device);

}  // namespace ovi::nn
