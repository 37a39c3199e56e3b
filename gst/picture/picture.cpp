// From the property `image` to pixels: located, fetched, and decoded in a process of its own.
// SPDX-License-Identifier: Apache-2.0
#include "picture/picture.h"

#include <signal.h>
#include <unistd.h>

#include <new>

#include "child_process.h"
#include "picture/fetch.h"
#include "picture/process.h"
#include "stream/host_memory.h"

namespace ovii2v {
namespace {

constexpr const char* kSaveAs = "save it as JPEG or PNG.";

Failure stream(gint code, const std::string& message, const std::string& detail = {}) {
  return {GST_STREAM_ERROR, code, message, detail};
}

Failure failure_of(const std::string& name, const Answer& answer) {
  const std::string why = answer.text.empty() ? "" : ": " + answer.text;
  switch (answer.outcome) {
    case Outcome::kNotAPicture:
      return stream(GST_STREAM_ERROR_WRONG_TYPE,
                    name + " is not a picture" + why +
                        ". Set \"image\" to a JPEG, PNG or other picture file, or save it as PNG.");
    case Outcome::kBroken:
      return stream(GST_STREAM_ERROR_DECODE,
                    name + " is broken" + why + ". Fetch it again, or " + kSaveAs);
    case Outcome::kTooLarge:
      return stream(GST_STREAM_ERROR_FORMAT, name + " is too large" + why + ": scale it down.");
    case Outcome::kNoDecoder:
      return stream(GST_STREAM_ERROR_CODEC_NOT_FOUND,
                    name + " cannot be decoded" + why + ", or " + kSaveAs);
    case Outcome::kNoMemory:
      return {GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_NO_SPACE_LEFT,
              name + " takes too much memory" + why + ". Scale it down, or " + kSaveAs, ""};
    case Outcome::kPicture:
    case Outcome::kFailed:
      break;
  }
  return stream(GST_STREAM_ERROR_DECODE, name + " cannot be decoded" + why + ". Please " + kSaveAs);
}

Failure failure_of(const std::string& name, const Fault& fault, const std::string& program,
                   const Budget& budget) {
  switch (fault.kind) {
    case Fault::Kind::kNotStarted:
      if (out_of_something(fault.error))
        return {GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_NO_SPACE_LEFT,
                name + " cannot be decoded: the system gives no memory, descriptors or processes " +
                    "for the decoder. End other programs, or raise the limits (ulimit -n, -u).",
                program + ": " + fault.detail};
      return {GST_LIBRARY_ERROR, GST_LIBRARY_ERROR_INIT,
              "The picture decoder " + program +
                  " cannot be started: install ovii2v-picture there, which comes with the plug-in, "
                  "or run the set-up again.",
              fault.detail};
    case Fault::Kind::kTooSlow:
      break;
    case Fault::Kind::kDied:
      // The kernel's word for a process that used up its seconds.
      if (fault.signal == SIGXCPU) break;
      // Nothing in a file does that: the kernel short of memory, or a person.
      if (fault.signal == SIGKILL)
        return {GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_FAILED,
                name +
                    " was not decoded: something killed the decoder (SIGKILL), as the system does "
                    "where memory ends. Try again with more of it.",
                fault.detail};
      return stream(GST_STREAM_ERROR_DECODE,
                    name + " is broken: decoding it crashed the decoder" +
                        (fault.signal ? " (" + signal_name(fault.signal) + ")" : "") +
                        ". Fetch it again, or " + kSaveAs,
                    fault.detail);
    case Fault::Kind::kMalformed:
    case Fault::Kind::kNone:
      return stream(GST_STREAM_ERROR_DECODE,
                    name +
                        " cannot be decoded: the decoder gave an answer that makes no sense. "
                        "Install plug-in and ovii2v-picture of the same release, or " +
                        kSaveAs,
                    program + ": " + fault.detail);
  }
  return stream(GST_STREAM_ERROR_DECODE,
                name + " takes longer than the " + std::to_string(budget.seconds) +
                    " seconds that decoding may take: scale it down, or " + kSaveAs);
}

int open_location(const Location& location, const Reach& reach, const std::atomic<bool>& cancelled,
                  std::optional<Failure>& failure) {
  switch (location.kind) {
    case Location::Kind::kFile:
      return open_local(location, reach, failure);
    case Location::Kind::kData:
      return read_data(location, {}, failure);
    case Location::Kind::kRemote:
      break;
  }
  failure = check_remote(location);
  return failure ? -1 : fetch_remote(location, {}, cancelled, failure);
}

std::optional<Image> read_located(const Location& location, const Reach& reach,
                                  const std::atomic<bool>& cancelled,
                                  std::optional<Failure>& failure) {
  const std::string program = find_decoder(failure);
  if (program.empty()) return std::nullopt;
  const int file = open_location(location, reach, cancelled, failure);
  if (file < 0) return std::nullopt;
  const Budget budget;
  Fault fault;
  auto answer = ask_decoder(program, file, budget, cancelled, fault);
  close(file);
  if (!answer) {
    if (fault.kind != Fault::Kind::kNone)
      failure = failure_of(location.name, fault, program, budget);
    return std::nullopt;
  }
  if (answer->outcome != Outcome::kPicture) {
    failure = failure_of(location.name, *answer);
    return std::nullopt;
  }
  return Image{answer->width, answer->height, std::move(answer->rgb)};
}

}  // namespace

std::optional<Failure> check_image_location(const std::string& image, const Reach& reach) {
  std::optional<Failure> failure;
  const auto location = locate(image, reach, failure);
  if (!location) return failure;
  switch (location->kind) {
    case Location::Kind::kFile:
      if (const int file = open_local(*location, reach, failure); file >= 0) close(file);
      break;
    case Location::Kind::kData:
      failure = check_data(*location);
      break;
    case Location::Kind::kRemote:
      failure = check_remote(*location);
      break;
  }
  if (!failure) find_decoder(failure);
  return failure;
}

std::optional<Image> read_image(const std::string& image, const Reach& reach,
                                const std::atomic<bool>& cancelled,
                                std::optional<Failure>& failure) {
  failure.reset();
  try {
    const auto location = locate(image, reach, failure);
    if (!location) return std::nullopt;
    return read_located(*location, reach, cancelled, failure);
  } catch (const std::bad_alloc&) {
    failure = out_of_host_memory("the image");
    return std::nullopt;
  }
}

}  // namespace ovii2v
