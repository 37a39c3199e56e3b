// What element and worker say to each other: messages over a socket, with lengths in front.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <cstring>
#include <functional>
#include <string>
#include <string_view>
#include <type_traits>

#include "child_process.h"

namespace ovii2v::wire {

/// Changes with every change of a message.
constexpr uint32_t kProtocol = 3;

/// What a message is. The element asks for one thing at a time (kCreate, kPlan, kGenerate) and
/// gets any number of the others, then one kAnswer.
enum class Kind : uint32_t {
  kHello = 1,  // both ways, first: versions
  kCreate,     // to the worker
  kPlan,
  kGenerate,  // with a descriptor where there is a picture: shared memory
  kCancel,    // of what is generated; has no answer
  kWarning,   // to the element
  kProgress,
  kNote,
  kAudio,    // with a descriptor: shared memory
  kVideo,    // the same
  kPreview,  // the same: rows of RGB without gaps
  kAnswer,
};

/// Of the body: a longer message is not read.
constexpr uint32_t kMostToElement = 64 << 10, kMostToWorker = 4 << 20;

/// In the machine's own byte order, as everything here.
struct Head {
  static constexpr uint32_t kMagic = 0x3149564f;  // "OVI1"
  uint32_t magic = kMagic;
  Kind kind{};
  uint32_t bytes = 0;        // of the body
  uint32_t descriptors = 0;  // 0 or 1, sent along with the first byte of the head
};

struct Message {
  Kind kind{};
  std::string body;
  Descriptor descriptor;
};

/// Puts a body together.
class Writer {
 public:
  template <typename Number>
  Writer& number(Number value) {
    static_assert(std::is_arithmetic_v<Number> || std::is_enum_v<Number>);
    body_.append(reinterpret_cast<const char*>(&value), sizeof value);
    return *this;
  }
  Writer& text(std::string_view text) {
    number(static_cast<uint32_t>(text.size()));
    body_.append(text);
    return *this;
  }
  /// A null pointer stays one.
  Writer& optional(const char* text) {
    number(static_cast<uint8_t>(text != nullptr));
    return text ? this->text(text) : *this;
  }
  std::string take() { return std::move(body_); }

 private:
  std::string body_;
};

/// Takes a body apart. What is not there, too long or no UTF-8 makes it bad(), and what is read
/// then is 0 or empty.
class Reader {
 public:
  explicit Reader(std::string_view body) : rest_(body) {}

  template <typename Number>
  void number(Number& value) {
    static_assert(std::is_arithmetic_v<Number> || std::is_enum_v<Number>);
    value = {};
    if (bad_ || rest_.size() < sizeof value) return fail();
    std::memcpy(&value, rest_.data(), sizeof value);
    rest_.remove_prefix(sizeof value);
  }
  /// Checked: one of 0 .. last.
  template <typename Enum>
  void choice(Enum& value, Enum last) {
    int32_t found = 0;
    number(found);
    if (found < 0 || found > static_cast<int32_t>(last)) return fail();
    value = static_cast<Enum>(found);
  }
  template <typename Number>
  void within(Number& value, Number least, Number most) {
    number(value);
    if (!(value >= least && value <= most)) {  // NaN as well
      value = least;
      fail();
    }
  }
  void text(std::string& text, size_t most);
  /// The same of any bytes but 0: names of files.
  void bytes(std::string& text, size_t most);
  /// Into an array of a struct, with its end; what does not fit is bad.
  template <size_t N>
  void text(char (&text)[N]) {
    std::string whole;
    this->text(whole, N - 1);
    std::memcpy(text, whole.c_str(), whole.size() + 1);
  }
  /// Whether it was there.
  bool optional(std::string& text, size_t most);

  void fail() {
    bad_ = true;
    rest_ = {};
  }
  bool bad() const { return bad_; }
  /// All of it was read, and it was well.
  bool whole() const { return !bad_ && rest_.empty(); }

 private:
  std::string_view rest_;
  bool bad_ = false;
};

/// How a sending or receiving ended.
enum class Moved {
  kWhole,
  kEnd,        // the other side is gone
  kMalformed,  // it says what makes no sense
  kStopped,    // the waiting was given up
  kNoRoom,     // no memory for the body, or no descriptor left for what came along
};

/// Asked again and again while nothing moves, 20 ms apart at most; false: give up.
using GoOn = std::function<bool()>;

/// Whole messages, whatever the socket does. Neither blocks for longer than `go_on` lets it.
Moved send(int socket, Kind kind, std::string_view body, int descriptor, const GoOn& go_on);
Moved receive(int socket, uint32_t most, Message& message, const GoOn& go_on);

}  // namespace ovii2v::wire
