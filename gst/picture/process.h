// The decoder program: started for one picture, asked, believed nothing, and gone.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "messages.h"
#include "picture/answer.h"

namespace ovii2v {

/// What the program may use of one picture.
struct Budget {
  uint64_t pixels = 100'000'000;
  uint64_t bytes = 1 << 30;  // of the file
  int seconds = 10;
  int memory_mib = 3072;
};

/// Where it lies; empty with `failure` set when it is nowhere.
std::string find_decoder(std::optional<Failure>& failure);

/// What it said, checked: `text` is printable, and the pixels are as many as the sides say.
struct Answer {
  Outcome outcome = Outcome::kFailed;
  std::string text;
  uint32_t width = 0, height = 0;  // pixels
  std::vector<uint8_t> rgb;        // [height, width, 3]
};

/// How the program ended without an answer.
struct Fault {
  enum class Kind { kNone, kNotStarted, kDied, kTooSlow, kMalformed } kind = Kind::kNone;
  int error = 0;       // of kNotStarted: an errno
  int signal = 0;      // of kDied; 0: not known, for another part of the process reaped it
  std::string detail;  // for the log
};

/// Blocks. The program is gone when this returns: killed where it goes on. Empty with no fault:
/// `cancelled` became true. `file` stays the caller's.
std::optional<Answer> ask_decoder(const std::string& program, int file, const Budget& budget,
                                  const std::atomic<bool>& cancelled, Fault& fault);

}  // namespace ovii2v
