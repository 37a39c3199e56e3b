// What the tool says, and how: plain lines on stderr, results on stdout.
// SPDX-License-Identifier: Apache-2.0
#include "words.h"

#include <glib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdint>

namespace ovii2v::tools {
namespace {

/// Insertions, removals and changes that make one of the other.
size_t distance(const std::string& one, const std::string& other) {
  std::vector<size_t> row(other.size() + 1);
  for (size_t i = 0; i <= other.size(); ++i) row[i] = i;
  for (size_t i = 1; i <= one.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i;
    for (size_t k = 1; k <= other.size(); ++k) {
      const size_t changed = diagonal + (one[i - 1] != other[k - 1]);
      diagonal = row[k];
      row[k] = std::min({row[k] + 1, row[k - 1] + 1, changed});
    }
  }
  return row.back();
}

/// Whether a character moves a terminal's cursor or turns the direction of writing.
bool is_unseen(gunichar c) {
  return c < 0x20 || (c >= 0x7F && c <= 0x9F) || c == 0x061C || c == 0x200E || c == 0x200F ||
         (c >= 0x2028 && c <= 0x202E) || (c >= 0x2066 && c <= 0x2069);
}

std::string status;  // what status_line() shows
uint64_t lines = 0;  // that were said

void line(const std::string& text) {
  status_line({});
  ++lines;
  g_printerr("%s\n", text.c_str());
}

}  // namespace

void complain(const std::string& text) { line("ovi: " + text); }
void hint(const std::string& text) { line("hint: " + text); }

void answer(const std::string& text) {
  status_line({});
  ++lines;
  g_print("%s\n", text.c_str());
}

void status_line(const std::string& text) {
  if (text == status) return;
  status = text;
  g_printerr("\r%s\033[K", text.c_str());
}

uint64_t lines_said() { return lines; }

unsigned columns() {
  const char* terminal = g_getenv("TERM");
  if (!isatty(STDERR_FILENO) || !terminal || g_str_equal(terminal, "dumb")) return 0;
  winsize size{};
  const bool known = ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0;
  return known ? size.ws_col : 80;
}

void Warnings::say(const std::string& text) {
  if (said_.insert(text).second) complain("warning: " + text);
}

std::string shown(std::string_view text) {
  g_autofree gchar* valid = g_utf8_make_valid(text.data(), static_cast<gssize>(text.size()));
  std::string result;
  for (const char* at = valid; *at; at = g_utf8_next_char(at)) {
    const gunichar c = g_utf8_get_char(at);
    if (c == '\n' || c == '\t')
      result += ' ';
    else if (is_unseen(c))
      result += "\uFFFD";
    else
      result.append(at, static_cast<size_t>(g_utf8_next_char(at) - at));
  }
  return result;
}

std::string shown_file(const std::string& name) {
  g_autofree gchar* text = g_filename_display_name(name.c_str());
  return shown(text);
}

std::string nearest(const std::string& word, const std::vector<std::string>& known) {
  std::string best;
  size_t least = word.size() / 3 + 1;  // more is another word
  for (const std::string& candidate : known) {
    const bool begins = word.size() >= 3 && candidate.compare(0, word.size(), word) == 0;
    const size_t steps = begins ? 0 : distance(word, candidate);
    if (steps > least || (steps == least && !best.empty())) continue;
    least = steps;
    best = candidate;
  }
  return best;
}

std::string duration_text(double seconds) {
  const auto whole = static_cast<int64_t>(std::ceil(seconds));
  if (whole < 120) return std::to_string(whole) + " s";
  if (whole < 7200) return std::to_string(whole / 60) + " min " + std::to_string(whole % 60) + " s";
  return std::to_string(whole / 3600) + " h " + std::to_string(whole / 60 % 60) + " min";
}

std::string bytes_text(uint64_t bytes) {
  char buffer[G_ASCII_DTOSTR_BUF_SIZE];
  const bool large = bytes >= (uint64_t{1} << 30);
  const double unit = large ? 1 << 30 : 1 << 20;
  return std::string(
             g_ascii_formatd(buffer, sizeof buffer, "%.1f", static_cast<double>(bytes) / unit)) +
         (large ? " GiB" : " MiB");
}

std::string utf8_of(const std::string& text, std::string& problem) {
  if (g_utf8_validate(text.data(), static_cast<gssize>(text.size()), nullptr)) return text;
  g_autoptr(GError) error = nullptr;
  gsize bytes = 0;
  g_autofree gchar* converted =
      g_locale_to_utf8(text.data(), static_cast<gssize>(text.size()), nullptr, &bytes, &error);
  if (converted) return {converted, bytes};
  problem = "is neither UTF-8 nor in the encoding of the locale";
  return {};
}

}  // namespace ovii2v::tools
