// The worker's side of the conversation: what is asked is asked of the engine.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/types.h>

#include <condition_variable>
#include <deque>
#include <mutex>
#include <optional>
#include <string>

#include "engine/gstovii2vloader.h"
#include "isolation/engine_messages.h"
#include "isolation/wire.h"

namespace ovii2v::worker {

/// Two threads: one listens, so that a cancel and the end of the element count at once, the other
/// calls the engine, always the same one (LibTorch keeps much by thread).
class Server {
 public:
  /// `socket` stays the caller's. `parent`: whose end is this process's too.
  Server(int socket, pid_t parent) : socket_(socket), parent_(parent) {}

  /// Greets, and opens the engine as the plug-in `plugin` would. Answers until the element is gone;
  /// does not return then.
  void run(const std::string& plugin);

 private:
  void greet(const std::string& plugin);
  void listen();
  wire::Message next();
  void send(wire::Kind kind, const std::string& body, int descriptor = -1);
  void answer(ovi_status status, const ovi_error& error, const ovi_plan* plan = nullptr,
              const ovi_stats* stats = nullptr);

  void create(const wire::Message& message);
  void plan(const wire::Message& message);
  void generate(const wire::Message& message);
  void tell_no_memory(int wrong, const char* what);
  template <typename Piece>
  void share(wire::Kind kind, const Piece& piece);

  static void on_warning(void* self, const ovi_warning* warning);
  static void on_progress(void* self, const ovi_progress* progress);
  static void on_note(void* self, const char* message);
  static void on_preview(void* self, const ovi_preview* preview);
  static void on_audio(void* self, const ovi_audio* audio);
  static void on_video(void* self, const ovi_video_frame* frame);

  const int socket_;
  const pid_t parent_;
  const Engine* engine_ = nullptr;
  ovi_engine* model_ = nullptr;
  ovi_cancel* cancel_ = nullptr;
  std::mutex sending_;
  std::mutex lock_;
  std::condition_variable asked_;
  bool greeted_ = false;
  std::deque<wire::Message> requests_;
  int no_memory_ = 0;  // an errno: a frame could not be shared, and the clip is given up
};

}  // namespace ovii2v::worker
