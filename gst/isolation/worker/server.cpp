// The worker's side of the conversation: what is asked is asked of the engine.
// SPDX-License-Identifier: Apache-2.0
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif

#include "server.h"

#include <errno.h>
#include <glib.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <memory>
#include <new>
#include <thread>
#include <vector>

#include "clip/preview_picture.h"
#include "isolation/shared_memory.h"

namespace ovii2v::worker {
namespace {

using wire::Kind;
using wire::Moved;

constexpr int kLook = 1000;        // ms; only where the system has no pidfd
constexpr int kPollGreeting = 20;  // ms

bool for_ever() { return true; }

/// Nothing is left to do, whatever the engine is doing: what it holds goes with the process.
[[noreturn]] void leave() { _exit(EXIT_SUCCESS); }

std::string valid(const char* text) {
  g_autofree char* made = g_utf8_make_valid(text ? text : "", -1);
  return made;
}

ovi_error fresh_error() {
  ovi_error error{};
  error.size = sizeof error;
  return error;
}

}  // namespace

void Server::send(Kind kind, const std::string& body, int descriptor) {
  std::lock_guard guard(sending_);
  if (wire::send(socket_, kind, body, descriptor, for_ever) != Moved::kWhole) leave();
}

void Server::answer(ovi_status status, const ovi_error& error, const ovi_plan* plan,
                    const ovi_stats* stats) {
  const bool told = status != OVI_OK && status != OVI_CANCELLED;
  send(Kind::kAnswer, body_of(wire::Outcome{status, told ? valid(error.message) : "",
                                            told ? valid(error.detail) : ""},
                              plan, stats));
}

void Server::greet(const std::string& plugin) {
  wire::Message theirs;
  wire::Hello hello;
  if (wire::receive(socket_, wire::kMostToWorker, theirs, for_ever) != Moved::kWhole) leave();
  if (theirs.kind != Kind::kHello || !wire::read(theirs.body, hello)) leave();
  const bool same =
      hello.protocol == wire::kProtocol && hello.abi == OVI_ENGINE_ABI && hello.release == VERSION;
  wire::Hello mine;
  mine.release = VERSION;
  // Another release need not wait for the engine.
  if (same) engine_ = open_engine(mine.message, mine.detail, plugin);
  mine.message = valid(mine.message.c_str());
  mine.detail = valid(mine.detail.c_str());
  if (engine_) {
    mine.engine_version = valid(engine_->version());
    mine.engine_path = valid(engine_->path.c_str());
    cancel_ = engine_->cancel_new();
  }
  send(Kind::kHello, body_of(mine));
  if (!engine_) leave();
}

void Server::run(const std::string& plugin) {
  // Bound to the process of the element, not to the thread that started this one.
  std::thread([this] { listen(); }).detach();
  greet(plugin);
  {
    std::lock_guard guard(lock_);
    greeted_ = true;
  }
  asked_.notify_all();
  for (;;) {
    const wire::Message message = next();
    try {
      if (message.kind == Kind::kCreate)
        create(message);
      else if (message.kind == Kind::kPlan)
        plan(message);
      else if (message.kind == Kind::kGenerate)
        generate(message);
      else
        leave();
    } catch (const std::bad_alloc&) {
      ovi_error error = fresh_error();
      g_strlcpy(error.message, "Out of host memory in the Ovi worker: end other programs.",
                sizeof error.message);
      answer(OVI_NO_SPACE, error);
    }
  }
}

wire::Message Server::next() {
  std::unique_lock held(lock_);
  asked_.wait(held, [this] { return !requests_.empty(); });
  wire::Message message = std::move(requests_.front());
  requests_.pop_front();
  return message;
}

/// Until the element closes the socket, or its process ends: that, since another of its children
/// may hold the socket too.
void Server::listen() {
  const int parent = static_cast<int>(syscall(SYS_pidfd_open, parent_, 0));
  if (getppid() != parent_) leave();  // it went before it could be watched
  for (;;) {
    pollfd watched[2] = {{socket_, 0, 0}, {parent, POLLIN, 0}};
    {
      // The greeting is read by who greets.
      std::lock_guard guard(lock_);
      if (greeted_) watched[0].events = POLLIN;
    }
    const int wait = !watched[0].events ? kPollGreeting : parent < 0 ? kLook : -1;
    poll(watched, parent < 0 ? 1 : 2, wait);
    if ((parent >= 0 && watched[1].revents) || getppid() != parent_) leave();
    if (!watched[0].events && (watched[0].revents & (POLLHUP | POLLERR))) leave();
    if (!watched[0].events || !watched[0].revents) continue;
    wire::Message message;
    if (wire::receive(socket_, wire::kMostToWorker, message, for_ever) != Moved::kWhole) leave();
    if (message.kind == Kind::kCancel) {
      engine_->cancel_trigger(cancel_);
      continue;
    }
    // Here, in the order of what was said: a cancel that comes next is one of this clip.
    if (message.kind == Kind::kGenerate) engine_->cancel_reset(cancel_);
    std::lock_guard guard(lock_);
    requests_.push_back(std::move(message));
    asked_.notify_all();
  }
}

void Server::create(const wire::Message& message) {
  wire::Config config;
  if (!wire::read(message.body, config)) leave();
  if (model_) engine_->destroy(model_);
  model_ = nullptr;
  ovi_error error = fresh_error();
  std::vector<ovi_lora> loras;
  const ovi_engine_config given = config.give(loras);
  const ovi_status status = engine_->create(&given, &model_, &error);
  if (status != OVI_OK) model_ = nullptr;
  answer(status, error);
}

void Server::on_warning(void* self, const ovi_warning* warning) {
  const std::string text = valid(warning->message);
  ovi_warning one = *warning;
  one.message = text.c_str();
  // An engine of another release may know more kinds.
  const int code = static_cast<int>(one.code);
  if (code < 0 || code > OVI_WARNING_MODEL) one.code = OVI_WARNING_SETTINGS;
  static_cast<Server*>(self)->send(Kind::kWarning, wire::body_of(one));
}

void Server::plan(const wire::Message& message) {
  wire::Request request;
  bool warn = false;
  if (!model_ || !wire::read(message.body, request, warn)) leave();
  static const uint8_t pixel[3] = {};  // a plan looks at the dimensions alone
  const ovi_request given = request.give(request.picture ? pixel : nullptr);
  ovi_plan plan{};
  plan.size = sizeof plan;
  ovi_error error = fresh_error();
  const ovi_status status =
      engine_->plan(model_, &given, &plan, warn ? on_warning : nullptr, this, &error);
  answer(status, error, &plan);
}

void Server::on_progress(void* self, const ovi_progress* progress) {
  const int stage = static_cast<int>(progress->stage);
  // The element knows no others.
  if (stage < OVI_STAGE_LOAD || stage > OVI_STAGE_DECODE) return;
  static_cast<Server*>(self)->send(Kind::kProgress, wire::body_of(*progress));
}

void Server::on_note(void* self, const char* message) {
  static_cast<Server*>(self)->send(Kind::kNote, valid(message));
}

/// One that finds no memory is left out: the clip is what was asked for.
void Server::on_preview(void* self, const ovi_preview* preview) {
  if (!is_picture(*preview))
    return on_note(self, "A preview that is no picture is left out.");
  const size_t row = size_t{3} * preview->width;
  int wrong = 0;
  const Descriptor shared = make_shared(
      row * preview->height,
      [&](int file) {
        for (uint32_t y = 0; y < preview->height; ++y)
          if (!write_at(file, preview->rgb + y * preview->stride, row, y * row)) return false;
        return true;
      },
      wrong);
  if (!wrong)
    static_cast<Server*>(self)->send(Kind::kPreview, wire::body_of(*preview), shared.file);
}

/// The one copy of a clip: from the engine's memory to what both processes have.
template <typename Piece>
void Server::share(Kind kind, const Piece& piece) {
  int wrong = no_memory_;
  Descriptor shared;
  if (!wrong) shared = make_shared(piece.data, piece.bytes, wrong);
  engine_->buffer_release(piece.owner);
  if (wrong && !no_memory_) engine_->cancel_trigger(cancel_);
  no_memory_ = wrong;
  if (!wrong) send(kind, wire::body_of(piece), shared.file);
}

void Server::on_audio(void* self, const ovi_audio* audio) {
  static_cast<Server*>(self)->share(Kind::kAudio, *audio);
}

void Server::on_video(void* self, const ovi_video_frame* frame) {
  static_cast<Server*>(self)->share(Kind::kVideo, *frame);
}

void Server::generate(const wire::Message& message) {
  wire::Request request;
  bool warn = false;
  if (!model_ || !wire::read(message.body, request, warn) ||
      request.picture != (message.descriptor.file >= 0))
    leave();
  ovi_error error = fresh_error();
  std::unique_ptr<SharedMemory> pixels;
  if (request.picture) {
    const ovi_request& of = request.values;
    if (of.image_stride < uint64_t{3} * of.image_width ||
        of.image_stride > SIZE_MAX / 2 / G_MAXUINT32)
      leave();
    int wrong = 0;
    pixels = map_shared(message.descriptor.file, of.image_stride * of.image_height, wrong);
    if (!pixels) return tell_no_memory(wrong, "the picture");
  }
  const ovi_request given =
      request.give(pixels ? static_cast<const uint8_t*>(pixels->data) : nullptr);
  ovi_callbacks callbacks{};
  callbacks.size = sizeof callbacks;
  callbacks.user = this;
  callbacks.progress = on_progress;
  callbacks.audio = on_audio;
  callbacks.video = on_video;
  callbacks.note = on_note;
  callbacks.preview = on_preview;
  ovi_stats stats{};
  stats.size = sizeof stats;
  no_memory_ = 0;
  const ovi_status status = engine_->generate(model_, &given, &callbacks, cancel_, &stats, &error);
  if (no_memory_) return tell_no_memory(no_memory_, "the clip");
  answer(status, error, nullptr, &stats);
}

void Server::tell_no_memory(int wrong, const char* what) {
  ovi_error error = fresh_error();
  const bool full = wrong == ENOMEM || wrong == ENOSPC || wrong == EMFILE || wrong == ENFILE;
  g_snprintf(
      error.message, sizeof error.message,
      full ? "Out of shared memory for %s: end other programs, or raise the limits of the process "
             "or the container."
           : "The system gives no shared memory for %s (memfd): allow it, or set isolation=none.",
      what);
  g_strlcpy(error.detail, g_strerror(wrong), sizeof error.detail);
  answer(full ? OVI_NO_SPACE : OVI_FAILED, error);
}

}  // namespace ovii2v::worker
