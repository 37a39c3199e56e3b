// The property `lora` as a list of files with strengths.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ovi/engine.h"

namespace ovii2v {

struct Lora {
  std::string path;
  double strength = 1;
};

/// "FILE:strength,FILE:strength": a strength (-10 to 10) may be left out, and is 1 then; blanks
/// before a file are passed over. A backslash takes its meaning from the sign after it: "\,",
/// "\:" and "\\" are of the file's name. What follows the last colon and is no number is of the
/// name too. Nothing, with `problem` (a sentence) set, for anything else; empty for an empty text.
std::optional<std::vector<Lora>> read_loras(std::string_view text, std::string& problem);

/// For ovi_engine_config; borrows from `loras`.
std::vector<ovi_lora> engine_loras(const std::vector<Lora>& loras);

/// "sha256:..." of the file's bytes; empty where it cannot be read, or when cancelled.
std::string file_digest(const std::string& path, const std::atomic<bool>& cancelled);
/// Those of all files, in their order, with a blank between; empty when one is.
std::string lora_digests(const std::vector<Lora>& loras, const std::atomic<bool>& cancelled);

}  // namespace ovii2v
