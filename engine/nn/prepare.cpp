// SPDX-License-Identifier: Apache-2.0
#include "nn/prepare.h"

#include <c10/core/InferenceMode.h>
#include <c10/util/Logging.h>

#include "kernels/kernel_check.h"
#include "nn/attention_choice.h"
#include "nn/float8_product.h"
#include "nn/gelu_epilogue.h"

namespace ovi::nn {

void prepare(const c10::Device& device, const Arithmetic& arithmetic) {
  const c10::InferenceMode inference;
  if (arithmetic.dtype == at::kBFloat16) {
    attention_kernel_of(device);
    has_gelu_epilogue(device);
  }
  if (arithmetic.float8_matrices) float8_product_of(device);
  kernels::try_fused_kernels(device);
  c10::initLogging();  // LibTorch reads TORCH_CPP_LOG_LEVEL here, and by itself only in Python
  LOG(INFO) << "On " << device.str() << ": " << in_words(known_choices(device));
}

Choices known_choices(const c10::Device& device) {
  Choices choices;
  const AttentionChoice* attention = known_attention_choice(device);
  choices.attention = attention ? Choice{name_of(attention->kernel), attention->reason}
                                : Choice{name_of(AttentionKernel::kGeneral), "nothing was tried"};
  const Float8Choice* float8 = known_float8_choice(device);
  choices.float8_product =
      float8 ? Choice{name_of(float8->product), float8->note} : Choice{"none", "nothing was tried"};
  const std::string* gelu = known_gelu_problem(device);
  choices.gelu_epilogue = gelu ? Choice{gelu->empty() ? "fused" : "separate", *gelu}
                               : Choice{"separate", "nothing was tried"};
  choices.fused_kernels = kernels::known_kernel_states(device);
  return choices;
}

std::string in_words(const Choices& choices) {
  const auto words = [](const char* name, const Choice& choice) {
    return name + choice.taken + (choice.reason.empty() ? "" : " (" + choice.reason + ")");
  };
  std::string all = words("attention ", choices.attention) +
                    words("; 8-bit products ", choices.float8_product) +
                    words("; GELU ", choices.gelu_epilogue) + "; fused kernels";
  std::map<std::string, std::string> by_state;
  for (const auto& [kernel, state] : choices.fused_kernels)
    by_state[state] += (by_state[state].empty() ? "" : ", ") + kernel;
  if (by_state.size() == 1) return all + " " + by_state.begin()->first;
  for (const auto& [state, kernels] : by_state) all += " " + state + ": " + kernels + ";";
  all.pop_back();
  return all;
}

}  // namespace ovi::nn
