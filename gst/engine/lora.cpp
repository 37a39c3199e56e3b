// The property `lora` as a list of files with strengths.
// SPDX-License-Identifier: Apache-2.0
#include "engine/lora.h"

#include <glib.h>
#include <stdio.h>

#include <cmath>
#include <memory>

namespace ovii2v {
namespace {

constexpr size_t kMost = 32;  // as the engine takes
constexpr double kStrongest = 10;

/// "1", "-0.5", ".25", "1e-3", "nan": how a number begins, and nothing after it.
bool read_number(const std::string& text, double& number) {
  if (text.empty() || g_ascii_isspace(text[0])) return false;
  char* end = nullptr;
  number = g_ascii_strtod(text.c_str(), &end);
  return end != text.c_str() && *end == '\0';
}

/// One part of the list, with the places of backslashes and colons still known.
struct Part {
  std::string text;                 // without backslashes
  size_t colon = std::string::npos;  // the last one that has its meaning, in `text`

  bool read(std::vector<Lora>& loras, std::string& problem) const {
    Lora lora{text, 1};
    double strength = 1;
    if (colon != std::string::npos && read_number(text.substr(colon + 1), strength)) {
      lora = {text.substr(0, colon), strength};
    }
    if (lora.path.empty()) {
      problem = "The property \"lora\" has an entry without a file: write FILE:strength, with a "
                "comma between two.";
      return false;
    }
    if (!(std::abs(lora.strength) <= kStrongest)) {
      problem = "The strength of the LoRA " + lora.path +
                " is not -10 to 10 (1 is usual): set the property \"lora\" to FILE:strength.";
      return false;
    }
    if (loras.size() == kMost) {
      problem = "The property \"lora\" names more than 32 files: leave some out.";
      return false;
    }
    loras.push_back(std::move(lora));
    return true;
  }
};

}  // namespace

std::optional<std::vector<Lora>> read_loras(std::string_view text, std::string& problem) {
  std::vector<Lora> loras;
  if (text.find_first_not_of(' ') == std::string_view::npos) return loras;
  Part part;
  bool begins = true;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == ',') {
      if (!part.read(loras, problem)) return std::nullopt;
      part = {};
      begins = true;
      continue;
    }
    if (begins && text[i] == ' ') continue;
    begins = false;
    if (text[i] == ':') part.colon = part.text.size();
    if (text[i] == '\\' && i + 1 < text.size()) ++i;
    part.text += text[i];
  }
  if (!part.read(loras, problem)) return std::nullopt;
  return loras;
}

std::vector<ovi_lora> engine_loras(const std::vector<Lora>& loras) {
  std::vector<ovi_lora> made;
  for (const Lora& lora : loras)
    made.push_back({sizeof(ovi_lora), lora.path.c_str(), lora.strength});
  return made;
}

std::string file_digest(const std::string& path, const std::atomic<bool>& cancelled) {
  constexpr size_t kPiece = size_t{4} << 20;  // bytes
  if (!g_file_test(path.c_str(), G_FILE_TEST_IS_REGULAR)) return {};
  const std::unique_ptr<FILE, int (*)(FILE*)> file(fopen(path.c_str(), "rbe"), fclose);
  if (!file) return {};
  const std::unique_ptr<GChecksum, void (*)(GChecksum*)> sum(g_checksum_new(G_CHECKSUM_SHA256),
                                                             g_checksum_free);
  std::vector<guchar> piece(kPiece);
  for (size_t read = 1; read > 0 && !cancelled;) {
    read = fread(piece.data(), 1, piece.size(), file.get());
    g_checksum_update(sum.get(), piece.data(), static_cast<gssize>(read));
  }
  if (cancelled || ferror(file.get())) return {};
  return std::string("sha256:") + g_checksum_get_string(sum.get());
}

std::string lora_digests(const std::vector<Lora>& loras, const std::atomic<bool>& cancelled) {
  std::string text;
  for (const Lora& lora : loras) {
    const std::string digest = file_digest(lora.path, cancelled);
    if (digest.empty()) return {};
    if (!text.empty()) text += ' ';
    text += digest;
  }
  return text;
}

}  // namespace ovii2v
