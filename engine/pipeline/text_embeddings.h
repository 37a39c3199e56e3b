// Prompts to embeddings, remembered: negatives and repeated prompts cost nothing.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/core/Tensor.h>

#include <cstddef>
#include <functional>
#include <list>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "models/umt5_encoder.h"
#include "runtime/cancel.h"
#include "text/tokenizer.h"

namespace ovi {

class TextEmbeddings {
 public:
  static constexpr size_t kKept = 8;  // most recent texts; 4 MB each at most in bfloat16

  /// Whether all of them are remembered, so that no encoder is needed.
  bool know(const std::vector<std::string>& texts) const;

  /// Cleans, tokenises and encodes the texts that are not known, all at once, so that the
  /// encoder's weights pass once: [n, dim] each, n <= 512. `encoder` is called when there
  /// are any.
  std::vector<at::Tensor> embed(const std::vector<std::string>& texts,
                                const text::Tokenizer& tokenizer,
                                const std::function<std::shared_ptr<const Umt5Encoder>()>& encoder,
                                const Cancel* cancel);

 private:
  using Entry = std::pair<std::string, at::Tensor>;
  std::list<Entry>::const_iterator find(const std::string& text) const;

  std::list<Entry> recent_;
};

}  // namespace ovi
