// The decoder program: started for one picture, asked, believed nothing, and gone.
// SPDX-License-Identifier: Apache-2.0
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "picture/process.h"

#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <poll.h>
#include <unistd.h>

#include <chrono>
#include <new>
#include <vector>

#include "child_process.h"
#include "picture/location.h"

extern char** environ;

namespace ovii2v {
namespace {

using Clock = std::chrono::steady_clock;

constexpr const char* kProgram = "ovii2v-picture";
constexpr const char* kVariable = "OVII2V_PICTURE_PATH";
constexpr int kPollInterval = 20;  // ms
/// Beyond its own limit, for starting and for handing over the pixels.
constexpr std::chrono::seconds kGrace{2};
constexpr int kDyingMilliseconds = 100;
constexpr int kPipeBytes = 1 << 20;

/// 0, or an errno.
int start(ChildProcess& child, const std::string& program, int input, int output,
          const Budget& budget) {
  const std::vector<std::string> words{program,
                                       "--most-pixels",
                                       std::to_string(budget.pixels),
                                       "--most-bytes",
                                       std::to_string(budget.bytes),
                                       "--seconds",
                                       std::to_string(budget.seconds),
                                       "--memory-mib",
                                       std::to_string(budget.memory_mib),
                                       "--parent",
                                       std::to_string(getpid())};
  return child.start(words, {{input, STDIN_FILENO}, {output, STDOUT_FILENO}}, environ);
}

/// Takes what comes out of a pipe, and knows when to stop.
class Reading {
 public:
  Reading(int pipe, Clock::time_point deadline, const std::atomic<bool>& cancelled)
      : pipe_(pipe), deadline_(deadline), cancelled_(cancelled) {}

  enum class End { kAll, kShort, kCancelled, kTooSlow };
  /// Exactly `count` bytes.
  End read(void* data, size_t count);
  bool saw_any() const { return any_; }
  /// Whether nothing more comes.
  End expect_end() {
    char more;
    const End end = read(&more, 1);
    return end == End::kShort ? End::kAll : end == End::kAll ? End::kShort : end;
  }

 private:
  const int pipe_;
  const Clock::time_point deadline_;
  const std::atomic<bool>& cancelled_;
  bool any_ = false;
};

Reading::End Reading::read(void* data, size_t count) {
  for (size_t at = 0; at < count;) {
    if (cancelled_) return End::kCancelled;
    if (Clock::now() > deadline_) return End::kTooSlow;
    pollfd waiting{pipe_, POLLIN, 0};
    if (poll(&waiting, 1, kPollInterval) <= 0) continue;
    const ssize_t got = ::read(pipe_, static_cast<uint8_t*>(data) + at, count - at);
    if (got < 0 && (errno == EINTR || errno == EAGAIN)) continue;
    if (got <= 0) return End::kShort;
    any_ = true;
    at += static_cast<size_t>(got);
  }
  return End::kAll;
}

/// kShort: too few bytes, or not what answer.h says.
Reading::End read_answer(Reading& reading, const Budget& budget, Answer& answer) {
  using End = Reading::End;
  AnswerHead head;
  if (const End end = reading.read(&head, sizeof head); end != End::kAll) return end;
  const bool picture = head.outcome == Outcome::kPicture;
  if (head.magic != AnswerHead::kMagic || head.outcome > Outcome::kFailed ||
      head.text_bytes > AnswerHead::kMostText)
    return End::kShort;
  if (picture && (head.width == 0 || head.height == 0 || head.width > budget.pixels / head.height))
    return End::kShort;
  std::string text(head.text_bytes, '\0');
  if (const End end = reading.read(text.data(), text.size()); end != End::kAll) return end;
  answer.outcome = head.outcome;
  answer.text = printable_line(text);
  if (picture) {
    answer.width = head.width, answer.height = head.height;
    answer.rgb.resize(size_t{3} * head.width * head.height);
    if (const End end = reading.read(answer.rgb.data(), answer.rgb.size()); end != End::kAll)
      return end;
  }
  return reading.expect_end();
}

}  // namespace

std::string find_decoder(std::optional<Failure>& failure) {
  std::string first, tried;
  const std::string path = find_program(kProgram, kVariable, "picture/decoder", first, tried);
  if (!path.empty()) return path;
  failure = Failure{GST_LIBRARY_ERROR, GST_LIBRARY_ERROR_INIT,
                    "The picture decoder " + first +
                        " cannot be started: install ovii2v-picture there, which comes with the "
                        "plug-in, or run the set-up again.",
                    tried};
  return {};
}

std::optional<Answer> ask_decoder(const std::string& program, int file, const Budget& budget,
                                  const std::atomic<bool>& cancelled, Fault& fault) {
  fault = {};
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) {
    fault = {Fault::Kind::kNotStarted, errno, 0, g_strerror(errno)};
    return std::nullopt;
  }
  Descriptor pipe_out(ends[0]);
  Descriptor pipe_in(ends[1]);
  // Above the three standard ones, which an application may have closed: they are replaced.
  Descriptor input(fcntl(file, F_DUPFD_CLOEXEC, STDERR_FILENO + 1));
  Descriptor output(fcntl(pipe_in.file, F_DUPFD_CLOEXEC, STDERR_FILENO + 1));
  pipe_in.shut();
  fcntl(pipe_out.file, F_SETFL, O_NONBLOCK);
  fcntl(pipe_out.file, F_SETPIPE_SZ, kPipeBytes);  // or as it was
  ChildProcess child;
  const int error = input.file < 0 || output.file < 0
                        ? errno
                        : start(child, program, input.file, output.file, budget);
  input.shut();
  output.shut();
  if (error) {
    fault = {Fault::Kind::kNotStarted, error, 0, g_strerror(error)};
    return std::nullopt;
  }
  Reading reading(pipe_out.file, Clock::now() + std::chrono::seconds(budget.seconds) + kGrace,
                  cancelled);
  Answer answer;
  Reading::End end;
  try {
    end = read_answer(reading, budget, answer);
  } catch (const std::bad_alloc&) {
    answer = {Outcome::kNoMemory, "its pixels do not fit into memory", 0, 0, {}};
    end = Reading::End::kAll;
  }
  switch (end) {
    case Reading::End::kAll:
      return answer;
    case Reading::End::kCancelled:
      break;
    case Reading::End::kTooSlow:
      fault = {Fault::Kind::kTooSlow, 0, 0, ""};
      break;
    case Reading::End::kShort: {
      // The end of its output is the end of it, unless it says what it should not.
      const bool said = reading.saw_any();
      const int signal = child.reap_within(kDyingMilliseconds).signal;
      fault = {signal || !said ? Fault::Kind::kDied : Fault::Kind::kMalformed, 0, signal,
               said ? "its answer was not whole" : "it gave no answer"};
      break;
    }
  }
  return std::nullopt;
}

}  // namespace ovii2v
