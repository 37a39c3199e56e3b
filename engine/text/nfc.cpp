// SPDX-License-Identifier: Apache-2.0
#include "text/nfc.h"

#include <glib.h>

#include <algorithm>
#include <vector>

namespace ovi::text {
namespace {

// Below it nothing decomposes into something else than itself again, and nothing is a mark.
constexpr char32_t kFirstMark = 0x300;
constexpr size_t kLongestDecomposition = 18;  // G_UNICHAR_MAX_DECOMPOSITION_LENGTH

struct Placed {
  char32_t c;
  int order;  // canonical combining class; 0 starts a new run
};

// Decomposed, each run of marks in canonical order.
std::vector<Placed> decompose(std::u32string_view text) {
  std::vector<Placed> result;
  result.reserve(text.size() + text.size() / 8);
  size_t run = 0;  // where the marks that still have to be ordered begin
  bool ordered = true;
  const auto order_run = [&] {
    if (!ordered) {
      std::stable_sort(result.begin() + static_cast<std::ptrdiff_t>(run), result.end(),
                       [](const Placed& a, const Placed& b) { return a.order < b.order; });
    }
    ordered = true;
  };
  for (const char32_t c : text) {
    gunichar parts[kLongestDecomposition];
    size_t count = 1;
    parts[0] = c;
    if (c >= 0xC0) {
      count = std::max<size_t>(
          g_unichar_fully_decompose(c, FALSE, parts, kLongestDecomposition), 1);
    }
    for (size_t i = 0; i < count; ++i) {
      const int order = parts[i] < kFirstMark ? 0 : g_unichar_combining_class(parts[i]);
      if (order == 0) {
        order_run();
        result.push_back({parts[i], 0});
        run = result.size();
        continue;
      }
      if (result.size() > run && result.back().order > order) ordered = false;
      result.push_back({parts[i], order});
    }
  }
  order_run();
  return result;
}

}  // namespace

bool is_nfc_inert(char32_t c) {
  if (c < kFirstMark) return true;
  if (c >= 0x3400 && c <= 0x9FFF) return true;    // ideographs
  if (c >= 0x1F000 && c <= 0x1FAFF) return true;  // pictographs
  if (c > 0xFFFF || (c >= 0x1100 && c <= 0x11FF)) return false;
  if (g_unichar_ismark(c)) return false;
  gunichar first = 0, second = 0;
  return c >= 0xAC00 && c <= 0xD7A3 ? false : !g_unichar_decompose(c, &first, &second);
}

std::u32string to_nfc(std::u32string_view text) {
  if (std::all_of(text.begin(), text.end(), [](char32_t c) { return c < kFirstMark; })) {
    return std::u32string(text);
  }
  const std::vector<Placed> parts = decompose(text);
  std::u32string result;
  result.reserve(parts.size());
  constexpr size_t kNone = static_cast<size_t>(-1);
  size_t starter = kNone;  // the last one, in `result`
  int last = 0;            // class of what stands between it and the next part; -1: nothing
  for (const Placed& part : parts) {
    gunichar composed = 0;
    if (starter != kNone && (last == -1 || (last != 0 && last < part.order)) &&
        g_unichar_compose(result[starter], part.c, &composed)) {
      result[starter] = composed;
      continue;
    }
    result.push_back(part.c);
    if (part.order == 0) {
      starter = result.size() - 1;
      last = -1;
    } else {
      last = part.order;
    }
  }
  return result;
}

}  // namespace ovi::text
