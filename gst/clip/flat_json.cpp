// A JSON object of texts, numbers and truth values: written in ASCII, read strictly.
// SPDX-License-Identifier: Apache-2.0
#include "clip/flat_json.h"

#include <glib.h>

#include <charconv>
#include <cmath>
#include <unordered_set>

namespace ovii2v {
namespace {

constexpr size_t kMostBytes = size_t{4} << 20;
constexpr size_t kMostMembers = 256;

void write_text(std::string& out, const std::string& text) {
  out += '"';
  g_autofree char* valid = g_utf8_make_valid(text.data(), static_cast<gssize>(text.size()));
  for (const char* at = valid; *at; at = g_utf8_next_char(at)) {
    const gunichar c = g_utf8_get_char(at);
    char code[16];
    if (c == '"' || c == '\\')
      (out += '\\') += static_cast<char>(c);
    else if (c >= 0x20 && c < 0x7F)
      out += static_cast<char>(c);
    else if (c < 0x10000)
      out.append(code, static_cast<size_t>(g_snprintf(code, sizeof code, "\\u%04x", c)));
    else
      out.append(code, static_cast<size_t>(g_snprintf(code, sizeof code, "\\u%04x\\u%04x",
                                                      0xD7C0 + (c >> 10), 0xDC00 + (c & 0x3FF))));
  }
  out += '"';
}

template <typename Number>
void write_number(std::string& out, Number number) {
  char digits[32];
  out.append(digits, std::to_chars(digits, digits + sizeof digits, number).ptr);
}

struct Problem {
  const char* what;
};

class Reader {
 public:
  explicit Reader(std::string_view text) : text_(text) {}

  size_t at() const { return at_; }

  void object(FlatObject& object) {
    std::unordered_set<std::string> names;
    expect('{', "is no object");
    skip_blanks();
    if (take('}')) return;
    do {
      skip_blanks();
      std::string name = text();
      if (!names.insert(name).second) throw Problem{"names a member twice"};
      if (object.size() >= kMostMembers) throw Problem{"has too many members"};
      skip_blanks();
      expect(':', "has no colon after a name");
      skip_blanks();
      object.emplace_back(std::move(name), value());
      skip_blanks();
    } while (take(','));
    expect('}', "has no end");
  }

 private:
  char peek() const { return at_ < text_.size() ? text_[at_] : '\0'; }
  bool take(char c) {
    if (at_ >= text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }
  void expect(char c, const char* problem) {
    if (!take(c)) throw Problem{problem};
  }
  void skip_blanks() {
    while (take(' ') || take('\t') || take('\n') || take('\r')) {
    }
  }
  bool take_word(std::string_view word) {
    if (text_.substr(at_, word.size()) != word) return false;
    at_ += word.size();
    return true;
  }

  FlatValue value() {
    if (peek() == '"') return text();
    if (take_word("true")) return true;
    if (take_word("false")) return false;
    if (peek() == '-' || g_ascii_isdigit(peek())) return number();
    throw Problem{"has a value that is neither text, number, true nor false"};
  }

  void digits() {
    if (!g_ascii_isdigit(peek())) throw Problem{"has a number without digits"};
    while (g_ascii_isdigit(peek())) ++at_;
  }

  FlatValue number() {
    const size_t begin = at_;
    bool whole = true;
    take('-');
    if (!take('0')) digits();
    if (take('.')) {
      whole = false;
      digits();
    }
    if (take('e') || take('E')) {
      whole = false;
      take('+') || take('-');
      digits();
    }
    const char *first = text_.data() + begin, *last = text_.data() + at_;
    int64_t integer = 0;
    if (whole && std::from_chars(first, last, integer).ec == std::errc()) return integer;
    double real = 0;
    if (std::from_chars(first, last, real).ec != std::errc() || !std::isfinite(real))
      throw Problem{"has a number that is too large or too small"};
    return real;
  }

  /// Of \uXXXX.
  gunichar unit() {
    gunichar unit = 0;
    for (int i = 0; i < 4; ++i, ++at_) {
      if (!g_ascii_isxdigit(peek())) throw Problem{"has a \\u without four digits"};
      unit = unit * 16 + static_cast<gunichar>(g_ascii_xdigit_value(peek()));
    }
    return unit;
  }

  void escape(std::string& out) {
    constexpr std::string_view kNames = "\"\\/bfnrt", kMeant = "\"\\/\b\f\n\r\t";
    const char name = peek();
    ++at_;
    if (name == 'u') {
      gunichar c = unit();
      if (c >= 0xD800 && c < 0xDC00 && take('\\')) {
        expect('u', "has half of a character");
        const gunichar low = unit();
        if (low < 0xDC00 || low > 0xDFFF) throw Problem{"has half of a character"};
        c = 0x10000 + ((c - 0xD800) << 10) + (low - 0xDC00);
      }
      if (c == 0) throw Problem{"has a NUL in a text"};
      if (!g_unichar_validate(c)) throw Problem{"has half of a character"};
      char bytes[6];
      out.append(bytes, static_cast<size_t>(g_unichar_to_utf8(c, bytes)));
      return;
    }
    const size_t which = kNames.find(name);
    if (which == std::string_view::npos) throw Problem{"has an unknown escape"};
    out += kMeant[which];
  }

  std::string text() {
    std::string out;
    expect('"', "has no quote where a text begins");
    const size_t begin = at_;
    while (!take('"')) {
      const char c = peek();
      if (static_cast<unsigned char>(c) < 0x20) throw Problem{"has a text without an end"};
      ++at_;
      if (c == '\\')
        escape(out);
      else
        out += c;
    }
    // Escapes give whole characters, so what is wrong is in the text itself.
    if (!g_utf8_validate(out.data(), static_cast<gssize>(out.size()), nullptr)) {
      at_ = begin;
      throw Problem{"has a text that is not UTF-8"};
    }
    return out;
  }

  std::string_view text_;
  size_t at_ = 0;
};

}  // namespace

std::string write_flat_json(const FlatObject& object) {
  std::string out;
  for (const auto& [name, value] : object) {
    out += out.empty() ? '{' : ',';
    write_text(out, name);
    out += ':';
    if (const auto* text = std::get_if<std::string>(&value))
      write_text(out, *text);
    else if (const auto* integer = std::get_if<int64_t>(&value))
      write_number(out, *integer);
    else if (const auto* real = std::get_if<double>(&value))
      write_number(out, *real);
    else
      out += std::get<bool>(value) ? "true" : "false";
  }
  return out.empty() ? "{}" : out + "}";
}

bool read_flat_json(std::string_view text, FlatObject& object, size_t& used, std::string& problem) {
  object.clear();
  Reader reader(text.substr(0, kMostBytes));
  try {
    reader.object(object);
    used = reader.at();
    return true;
  } catch (const Problem& one) {
    object.clear();
    problem = std::string(one.what) + " at byte " + std::to_string(reader.at());
    return false;
  }
}

}  // namespace ovii2v
