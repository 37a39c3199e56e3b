// The structs of ovi/engine.h as bodies of messages.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "isolation/wire.h"
#include "ovi/engine.h"

namespace ovii2v::wire {

/// Both sides say which they are; the worker also which engine it opened, or why it did not.
struct Hello {
  uint32_t protocol = kProtocol;
  uint32_t abi = OVI_ENGINE_ABI;
  std::string release;  // of plug-in and worker: "0.1.0"
  // The worker's alone:
  std::string engine_version, engine_path;
  std::string message, detail;  // `message` is empty when all is well
};

/// With its texts; give() borrows from it.
struct Config {
  ovi_engine_config values{};
  std::string model_path;
  std::optional<std::string> device;
  struct Lora {
    std::string path;
    double strength = 1;
  };
  std::vector<Lora> loras;
  explicit Config(const ovi_engine_config& config);
  Config() = default;
  /// `loras` holds what the config points to.
  ovi_engine_config give(std::vector<ovi_lora>& loras) const;
};

/// The same. Pixels come as shared memory beside it; `picture`: there is one, its sides are in
/// `values`.
struct Request {
  ovi_request values{};
  std::string prompt;
  std::optional<std::string> video_negative_prompt, audio_negative_prompt;
  bool picture = false;
  Request() = default;
  explicit Request(const ovi_request& request);
  ovi_request give(const uint8_t* pixels) const;
};

/// How a call ended.
struct Outcome {
  ovi_status status = OVI_OK;
  std::string message, detail;
};

/// What a request may be at most; engine.h's own ranges are the engine's to check.
constexpr size_t kMostText = 1 << 20;
constexpr uint64_t kMostPixels = 200'000'000;
constexpr uint32_t kMostLoras = 1000;

std::string body_of(const Hello& hello);
std::string body_of(const Config& config);
std::string body_of(const Request& request, bool warn);
std::string body_of(const ovi_warning& warning);
std::string body_of(const ovi_progress& progress);
std::string body_of(const ovi_video_frame& frame);
std::string body_of(const ovi_audio& audio);
/// Without the row's length: rows come without gaps.
std::string body_of(const ovi_preview& preview);
/// `plan` and `stats` may be null: answers to other calls.
std::string body_of(const Outcome& outcome, const ovi_plan* plan, const ovi_stats* stats);

/// Each false where the body is not whole, or says what cannot be: sizes, enumerations, times that
/// are no numbers, texts that are not UTF-8. Bodies come from a process that may have been taken
/// over.
bool read(const std::string& body, Hello& hello);
bool read(const std::string& body, Config& config);
bool read(const std::string& body, Request& request, bool& warn);
bool read(const std::string& body, ovi_warning& warning, std::string& text);
bool read(const std::string& body, ovi_progress& progress);
/// `plan` bounds it; data and owner are left out.
bool read(const std::string& body, const ovi_plan& plan, ovi_video_frame& frame);
bool read(const std::string& body, const ovi_plan& plan, ovi_audio& audio);
bool read(const std::string& body, const ovi_plan& plan, ovi_preview& preview);
bool read(const std::string& body, Outcome& outcome, ovi_plan* plan, ovi_stats* stats);

}  // namespace ovii2v::wire
