// The engine's functions, run by a process of its own.
// SPDX-License-Identifier: Apache-2.0
#include "isolation/isolated_engine.h"

#include <errno.h>
#include <glib.h>

#include <algorithm>
#include <new>

#include "isolation/shared_memory.h"
#include "picture/location.h"

namespace ovii2v {

/// What the handles of one element have in common.
struct IsolatedEngine::Shared {
  Patience patience;
  Cancelling cancelling;
  std::string program;
  std::unique_ptr<EngineProcess> spare;  // started, and nothing created in it
  std::string version;

  /// The spare one, or a new one; null with `error`.
  std::unique_ptr<EngineProcess> take(WorkerError& error) {
    if (spare && spare->alive()) return std::move(spare);
    spare.reset();
    auto process = std::make_unique<EngineProcess>(patience, cancelling);
    error = process->start(program);
    if (error.status != OVI_OK) return nullptr;
    version = process->hello().engine_version;
    return process;
  }
};

namespace {

using Shared = IsolatedEngine::Shared;
using wire::Kind;

/// Warnings of one plan: the engine says 20 at most.
constexpr int kMostWarnings = 100;

ovi_status tell(const WorkerError& error, ovi_error* to) {
  if (!to || error.status == OVI_OK || error.status == OVI_CANCELLED) return error.status;
  to->status = error.status;
  g_strlcpy(to->message, error.message.c_str(), sizeof to->message);
  g_strlcpy(to->detail, error.detail.c_str(), sizeof to->detail);
  return error.status;
}

WorkerError no_memory(const char* what, int error) {
  return {OVI_NO_SPACE,
          std::string("Out of memory for ") + what +
              ": end other programs, or raise the process's limits (ulimit -v, -n).",
          g_strerror(error)};
}

/// What an ovi_engine of the table points to.
class Handle {
 public:
  Handle(std::shared_ptr<Shared> shared, const ovi_engine_config& config)
      : shared_(std::move(shared)), config_(config) {}
  ~Handle() {
    if (is_rank_zero()) shared_->spare = std::move(process_);
  }
  Handle(const Handle&) = delete;
  Handle& operator=(const Handle&) = delete;

  /// Its process is there, and has the engine's handle.
  WorkerError ready();
  WorkerError plan(const ovi_request& request, ovi_plan& plan,
                   void (*warn)(void*, const ovi_warning*), void* user);
  WorkerError generate(const ovi_request& request, const ovi_callbacks& callbacks,
                       ovi_stats& stats);

 private:
  /// The ranks that a launcher started end with its process.
  bool is_rank_zero() const { return config_.devices == "ranks"; }
  WorkerError call(Kind kind, const std::string& body, int descriptor,
                   const EngineProcess::Take& take, ovi_plan* plan, ovi_stats* stats);
  bool take_message(wire::Message& message, const ovi_callbacks& callbacks, WorkerError& error);
  bool take_preview(const wire::Message& message, const ovi_callbacks& callbacks);
  template <typename Piece>
  bool take_piece(const wire::Message& message, void (*give)(void*, const Piece*), void* user,
                  WorkerError& error);

  const std::shared_ptr<Shared> shared_;
  const wire::Config config_;
  std::unique_ptr<EngineProcess> process_;
  ovi_plan plan_{};        // the last one: what frames and samples of the clip may be
  ovi_request planned_{};  // of which request; its texts are gone
};

WorkerError Handle::ready() {
  if (process_ && process_->alive()) return {};
  WorkerError error;
  process_ = shared_->take(error);
  if (!process_) return error;
  return call(Kind::kCreate, body_of(config_), -1, {}, nullptr, nullptr);
}

/// Of one call, with what its answer says.
WorkerError Handle::call(Kind kind, const std::string& body, int descriptor,
                         const EngineProcess::Take& take, ovi_plan* plan, ovi_stats* stats) {
  std::string answer;
  if (WorkerError error =
          process_->call(kind, body, descriptor, kind == Kind::kGenerate, take, answer);
      error.status != OVI_OK) {
    if (error.status == kWorkerDied && is_rank_zero()) error.status = OVI_RANK_GONE;
    return error;
  }
  wire::Outcome outcome;
  if (!wire::read(answer, outcome, plan, stats)) return process_->senseless("an answer");
  if (outcome.status == OVI_CANCELLED && !shared_->cancelling.triggered())
    return process_->senseless("cancelled, which nobody did");
  return {outcome.status, outcome.message, outcome.detail};
}

WorkerError Handle::plan(const ovi_request& request, ovi_plan& plan,
                         void (*warn)(void*, const ovi_warning*), void* user) {
  if (WorkerError error = ready(); error.status != OVI_OK) return error;
  int warnings = 0;
  const auto take = [&](wire::Message& message) {
    ovi_warning warning{};
    std::string text;
    if (message.kind != Kind::kWarning || !wire::read(message.body, warning, text) ||
        ++warnings > kMostWarnings)
      return false;
    if (warn) warn(user, &warning);
    return true;
  };
  const WorkerError error =
      call(Kind::kPlan, body_of(wire::Request(request), warn != nullptr), -1, take, &plan, nullptr);
  plan_ = error.status == OVI_OK ? plan : ovi_plan{};
  planned_ = request;
  return error;
}

/// Whether both give clips of one size and length.
bool same_size(const ovi_request& one, const ovi_request& other) {
  return !one.image == !other.image && one.image_width == other.image_width &&
         one.image_height == other.image_height && one.width == other.width &&
         one.height == other.height;
}

template <typename Piece>
bool Handle::take_piece(const wire::Message& message, void (*give)(void*, const Piece*), void* user,
                        WorkerError& error) {
  Piece piece{};
  if (message.descriptor.file < 0 || !wire::read(message.body, plan_, piece)) return false;
  int wrong = 0;
  auto memory = map_shared(message.descriptor.file, piece.bytes, wrong);
  if (!memory && wrong) error = no_memory("the clip", wrong);
  if (!memory) return false;
  if (!give) return true;
  piece.data = static_cast<decltype(piece.data)>(memory->data);
  piece.owner = memory.release();  // whoever takes it gives it back
  give(user, &piece);
  return true;
}

bool Handle::take_preview(const wire::Message& message, const ovi_callbacks& callbacks) {
  ovi_preview preview{};
  if (message.descriptor.file < 0 || !wire::read(message.body, plan_, preview)) return false;
  int wrong = 0;
  const auto rows = map_shared(message.descriptor.file, preview.stride * preview.height, wrong);
  if (!rows) return wrong != 0;  // without memory for it, the clip goes on
  preview.rgb = static_cast<const uint8_t*>(rows->data);
  if (callbacks.preview) callbacks.preview(callbacks.user, &preview);
  return true;
}

bool Handle::take_message(wire::Message& message, const ovi_callbacks& callbacks,
                          WorkerError& error) {
  if (message.kind == Kind::kAudio)
    return take_piece<ovi_audio>(message, callbacks.audio, callbacks.user, error);
  if (message.kind == Kind::kVideo)
    return take_piece<ovi_video_frame>(message, callbacks.video, callbacks.user, error);
  if (message.kind == Kind::kPreview) return take_preview(message, callbacks);
  if (message.descriptor.file >= 0) return false;
  if (message.kind == Kind::kProgress) {
    ovi_progress progress{};
    if (!wire::read(message.body, progress)) return false;
    if (callbacks.progress) callbacks.progress(callbacks.user, &progress);
    return true;
  }
  if (message.kind != Kind::kNote) return false;
  if (callbacks.note) callbacks.note(callbacks.user, printable_line(message.body).c_str());
  return true;
}

WorkerError Handle::generate(const ovi_request& request, const ovi_callbacks& callbacks,
                             ovi_stats& stats) {
  if (WorkerError error = ready(); error.status != OVI_OK) return error;
  ovi_plan unasked{};
  if (!plan_.frames || !same_size(request, planned_))
    if (WorkerError error = plan(request, unasked, nullptr, nullptr); error.status != OVI_OK)
      return error;
  Descriptor pixels;
  if (request.image) {
    const size_t row = size_t{3} * request.image_width;
    int wrong = 0;
    pixels = make_shared(
        row * request.image_height,
        [&](int file) {
          for (uint32_t y = 0; y < request.image_height; ++y)
            if (!write_at(file, request.image + y * request.image_stride, row, y * row))
              return false;
          return true;
        },
        wrong);
    if (wrong) return no_memory("the picture that the Ovi worker gets", wrong);
  }
  wire::Request wished(request);
  if (request.image) wished.values.image_stride = size_t{3} * request.image_width;
  if (!callbacks.preview) wished.values.preview = 0;
  // A clip may be begun again, with a poorer plan.
  constexpr uint32_t kTries = 3;
  const uint64_t most_previews = wished.values.preview ? uint64_t{kTries} * request.steps : 0;
  WorkerError own;
  uint32_t frames = 0, sounds = 0, previews = 0;
  const auto take = [&](wire::Message& message) {
    frames += message.kind == Kind::kVideo;
    sounds += message.kind == Kind::kAudio;
    previews += message.kind == Kind::kPreview;
    return frames <= plan_.frames && sounds <= 1 && previews <= most_previews &&
           take_message(message, callbacks, own);
  };
  WorkerError error =
      call(Kind::kGenerate, body_of(wished, false), pixels.file, take, nullptr, &stats);
  if (own.status != OVI_OK) return own;
  if (error.status == OVI_OK && (frames != plan_.frames || sounds != 1))
    return process_->senseless("a clip with less than it planned");
  return error;
}

Handle* handle_of(ovi_engine* engine) { return reinterpret_cast<Handle*>(engine); }

/// No exception goes through the engine's door.
template <typename Call>
ovi_status guarded(ovi_error* error, const Call& call) {
  try {
    return tell(call(), error);
  } catch (const std::bad_alloc&) {
    return tell(no_memory("a message of the Ovi worker", ENOMEM), error);
  }
}

ovi_status plan_clip(ovi_engine* engine, const ovi_request* request, ovi_plan* plan,
                     void (*warn)(void*, const ovi_warning*), void* user, ovi_error* error) {
  return guarded(error, [&] { return handle_of(engine)->plan(*request, *plan, warn, user); });
}

ovi_status generate_clip(ovi_engine* engine, const ovi_request* request,
                         const ovi_callbacks* callbacks, const ovi_cancel*, ovi_stats* stats,
                         ovi_error* error) {
  ovi_stats unasked{};
  return guarded(error, [&] {
    return handle_of(engine)->generate(*request, *callbacks, stats ? *stats : unasked);
  });
}

void destroy(ovi_engine* engine) { delete handle_of(engine); }

/// What an ovi_cancel of the table points to.
struct Cancel {
  std::shared_ptr<Shared> shared;
};

Cancelling& cancelling_of(ovi_cancel* cancel) {
  return reinterpret_cast<Cancel*>(cancel)->shared->cancelling;
}

void trigger(ovi_cancel* cancel) { cancelling_of(cancel).trigger(); }
void reset(ovi_cancel* cancel) { cancelling_of(cancel).reset(); }

void free_cancel(ovi_cancel* cancel) {
  if (!cancel) return;
  reset(cancel);
  delete reinterpret_cast<Cancel*>(cancel);
}

void release(void* owner) { delete static_cast<SharedMemory*>(owner); }

uint32_t abi_version() { return OVI_ENGINE_ABI; }

}  // namespace

std::unique_ptr<IsolatedEngine> IsolatedEngine::open(WorkerError& error, const Patience& patience,
                                                     const std::string& program) {
  auto shared = std::make_shared<Shared>();
  shared->patience = patience;
  shared->program = program;
  if (program.empty()) {
    std::string first, tried;
    shared->program =
        find_program("ovii2v-worker", "OVII2V_WORKER_PATH", "isolation/worker", first, tried);
    if (shared->program.empty()) {
      error = {OVI_LIBRARY_INIT,
               "The Ovi worker " + first +
                   " cannot be started: install ovii2v-worker there, which comes with the plug-in, "
                   "run the set-up again, or set isolation=none.",
               tried};
      return nullptr;
    }
  }
  auto process = shared->take(error);
  if (!process) return nullptr;
  const std::string path = process->hello().engine_path;
  shared->spare = std::move(process);
  auto made = std::unique_ptr<IsolatedEngine>(new IsolatedEngine(shared));
  made->table_.path = path + " in " + shared->program;
  return made;
}

IsolatedEngine::IsolatedEngine(std::shared_ptr<Shared> shared) : shared_(std::move(shared)) {
  table_.abi_version = abi_version;
  table_.version = [its = shared_] { return its->version.c_str(); };
  table_.create = [its = shared_](const ovi_engine_config* config, ovi_engine** engine,
                                  ovi_error* error) {
    return guarded(error, [&] {
      auto handle = std::make_unique<Handle>(its, *config);
      const WorkerError wrong = handle->ready();
      if (wrong.status == OVI_OK) *engine = reinterpret_cast<ovi_engine*>(handle.release());
      return wrong;
    });
  };
  table_.plan = plan_clip;
  table_.generate = generate_clip;
  table_.destroy = destroy;
  table_.cancel_new = [its = shared_] {
    its->cancelling.reset();
    return reinterpret_cast<ovi_cancel*>(new Cancel{its});
  };
  table_.cancel_trigger = trigger;
  table_.cancel_reset = reset;
  table_.cancel_free = free_cancel;
  table_.buffer_release = release;
}

IsolatedEngine::~IsolatedEngine() = default;

}  // namespace ovii2v
