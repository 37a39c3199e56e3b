// A worker that has been taken over: it says what it should not. OVI_FAKE_WORKER names what;
// "flip:N" changes one bit of what an honest one says, another one for each N.
// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmath>
#include <cstdio>
#include <cstring>
#include <cstdlib>
#include <functional>
#include <random>
#include <string>
#include <vector>

#include "isolation/engine_messages.h"
#include "isolation/shared_memory.h"
#include "isolation/wire.h"

namespace {

using namespace ovii2v;
using wire::body_of;
using wire::Kind;
using wire::read;

constexpr int kSocket = STDERR_FILENO + 1;
std::string mode;

bool is(const char* name) { return mode == name; }
bool on() { return true; }

void raw(const void* data, size_t size) {
  if (write(kSocket, data, size) < 0) _exit(0);
}

/// All that is sent goes through here.
void send(Kind kind, std::string body, int file = -1) {
  static int sent = 0, flip = mode.rfind("flip:", 0) == 0 ? std::atoi(mode.c_str() + 5) : -1;
  if (flip >= 0) {
    static std::mt19937 random(static_cast<unsigned>(flip));
    static const int at = static_cast<int>(random() % 12);
    if (sent++ == at && !body.empty())
      body[random() % body.size()] ^= static_cast<char>(1 << random() % 8);
  }
  if (wire::send(kSocket, kind, body, file, on) != wire::Moved::kWhole) _exit(0);
}

void answer(ovi_status status = OVI_OK, const ovi_plan* plan = nullptr,
            const ovi_stats* stats = nullptr) {
  send(Kind::kAnswer, body_of(wire::Outcome{status, status ? "So it is." : "", ""}, plan, stats));
}

wire::Message next() {
  wire::Message message;
  if (wire::receive(kSocket, wire::kMostToWorker, message, on) != wire::Moved::kWhole) _exit(0);
  return message;
}

void greet() {
  if (is("silent")) pause();
  if (is("garbage")) {
    std::string noise(100000, 0);
    for (size_t i = 0; i < noise.size(); ++i) noise[i] = static_cast<char>(i * 7919 >> 3);
    raw(noise.data(), noise.size());
    pause();
  }
  wire::Head head;
  head.kind = Kind::kHello;
  if (is("endless-message")) {
    head.bytes = 0xFFFFFFFFu;
    raw(&head, sizeof head);
    pause();
  }
  if (is("half-a-head") || is("half-a-head-and-gone")) {
    raw(&head, sizeof head / 2);
    if (is("half-a-head")) pause();
    _exit(0);
  }
  next();
  wire::Hello hello;
  hello.release = is("other-release") ? "99.0.0" : VERSION;
  if (is("other-protocol")) hello.protocol = 4711;
  if (is("other-interface")) hello.abi = 4711;
  hello.engine_version = is("bad-text") ? "\xff\xfe" : "0.0.0";
  hello.engine_path = "/engine.so";
  send(is("not-a-hello") ? Kind::kAnswer : Kind::kHello, body_of(hello));
}

ovi_plan honest_plan() {
  ovi_plan plan{};
  plan.size = sizeof plan;
  plan.variant = OVI_VARIANT_720X720_5S;
  plan.width = 64, plan.height = 32, plan.frames = 3, plan.frame_rate = 24;
  plan.samples = 2000, plan.sample_rate = 16000;
  std::snprintf(plan.variant_name, sizeof plan.variant_name, "720x720_5s");
  std::snprintf(plan.device, sizeof plan.device, "cpu");
  std::snprintf(plan.precision, sizeof plan.precision, "fp32");
  return plan;
}

/// An enumeration of ours cannot hold what is none of its values.
std::string with_number(std::string body, size_t at, int32_t number) {
  std::memcpy(body.data() + at, &number, sizeof number);
  return body;
}

void plan(const wire::Message& asked) {
  ovi_plan plan = honest_plan();
  if (is("plan-without-frames")) plan.frames = 0;
  if (is("plan-of-a-thousand-years")) plan.frames = 0xFFFFFFFFu;
  if (is("plan-too-wide")) plan.width = 0x80000000u;
  if (is("plan-of-no-variant")) {
    // Behind the status and two texts that are empty.
    return send(Kind::kAnswer, with_number(body_of(wire::Outcome{}, &plan, nullptr), 12, 7));
  }
  if (is("plan-with-control-characters")) std::snprintf(plan.device, sizeof plan.device, "\033[2J");
  if (is("plan-cut")) {
    std::string body = body_of(wire::Outcome{}, &plan, nullptr);
    body.resize(body.size() - 3);
    return send(Kind::kAnswer, body);
  }
  if (is("plan-with-more"))
    return send(Kind::kAnswer, body_of(wire::Outcome{}, &plan, nullptr) + "x");
  if (is("status-of-no-kind")) return answer(static_cast<ovi_status>(12));
  if (is("frame-without-a-clip")) send(Kind::kVideo, "");
  for (int i = 0; is("endless-warnings") && i < 100000; ++i) {
    const ovi_warning warning{sizeof warning, OVI_WARNING_TAGS, 1, "A tag."};
    send(Kind::kWarning, body_of(warning));
  }
  const ovi_warning warning{sizeof warning, OVI_WARNING_TAGS, 1, "A tag."};
  wire::Request request;
  bool warn = false;
  if (read(asked.body, request, warn) && warn) send(Kind::kWarning, body_of(warning));
  answer(OVI_OK, &plan);
}

Descriptor memory(size_t bytes) {
  const std::vector<char> data(bytes, 42);
  int error = 0;
  return make_shared(data.data(), bytes, error);
}

/// What is no memory, or not as it should be.
Descriptor bad_memory(size_t bytes) {
  Descriptor made(memfd_create("ovii2v", MFD_ALLOW_SEALING));
  if (is("frame-a-file")) return Descriptor(open("/proc/self/exe", O_RDONLY));
  if (is("frame-a-pipe")) {
    int ends[2];
    return pipe(ends) == 0 ? Descriptor(ends[0]) : Descriptor();
  }
  if (is("frame-too-short")) return memory(bytes / 2);
  if (is("frame-too-long")) return memory(bytes + 1);
  if (ftruncate(made.file, static_cast<off_t>(bytes)) != 0) _exit(9);
  const std::vector<char> data(bytes, 1);
  if (!is("frame-a-hole")) write_at(made.file, data.data(), bytes, 0);
  if (is("frame-that-may-shrink") || is("preview-that-may-shrink"))
    fcntl(made.file, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_GROW);
  if (is("frame-that-may-change") || is("preview-that-may-change"))
    fcntl(made.file, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW);
  if (is("frame-a-hole")) fcntl(made.file, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE);
  return made;
}

/// Two descriptors with one head.
void send_two(const std::string& body) {
  wire::Head head;
  head.kind = Kind::kVideo;
  head.bytes = static_cast<uint32_t>(body.size());
  head.descriptors = 1;
  iovec part{&head, sizeof head};
  alignas(cmsghdr) char control[CMSG_SPACE(2 * sizeof(int))];
  msghdr message{};
  message.msg_iov = &part, message.msg_iovlen = 1;
  message.msg_control = control, message.msg_controllen = sizeof control;
  cmsghdr* rights = CMSG_FIRSTHDR(&message);
  rights->cmsg_level = SOL_SOCKET, rights->cmsg_type = SCM_RIGHTS;
  rights->cmsg_len = CMSG_LEN(2 * sizeof(int));
  const int both[2] = {STDIN_FILENO, STDERR_FILENO};
  std::memcpy(CMSG_DATA(rights), both, sizeof both);
  sendmsg(kSocket, &message, 0);
  raw(body.data(), body.size());
}

void generate() {
  const ovi_plan plan = honest_plan();
  ovi_progress progress{sizeof progress, OVI_STAGE_GENERATE, 1, 2, 0.5};
  if (is("progress-beyond-its-end")) progress.done = 3;
  if (is("progress-no-number")) progress.seconds_left = std::nan("");
  std::string body = body_of(progress);
  send(Kind::kProgress, is("progress-of-no-stage") ? with_number(body, 0, OVI_STAGE_DECODE + 1) : body);
  send(Kind::kNote, is("note-with-control-characters") ? "\033[2J\xff" : "A note.");
  if (is("message-of-no-kind")) send(static_cast<Kind>(99), "x");
  // Two steps, three tries: the seventh is too many.
  for (int i = 0; i < (is("previews-without-end") ? 7 : 1); ++i) {
    ovi_preview preview{sizeof preview, 1, 2, 1, 8, 4, 24, nullptr};
    if (is("preview-too-wide")) preview.width = 1u << 31;
    if (is("preview-too-high")) preview.height = plan.height + 1;
    if (is("preview-of-nothing")) preview.height = 0;
    if (is("preview-before-the-first-step")) preview.step = 0;
    if (is("preview-of-endless-steps")) preview.steps = 0xFFFFFFFFu;
    if (is("preview-cut") || is("preview-with-more")) {
      std::string body = body_of(preview);
      body.resize(body.size() + (is("preview-cut") ? -3 : 3));
      send(Kind::kPreview, body, memory(96).file);
    }
    if (is("preview-beyond-the-clip")) preview.frame = plan.frames;
    if (is("preview-after-the-last-step")) preview.step = 3;
    const size_t bytes = is("preview-too-short") ? 95 : is("preview-too-long") ? 97 : 96;
    const bool bad = is("preview-that-may-change") || is("preview-that-may-shrink");
    Descriptor shared = bad ? bad_memory(bytes) : memory(bytes);
    send(Kind::kPreview, body_of(preview), is("preview-without-memory") ? -1 : shared.file);
  }
  if (is("endless-notes"))
    for (;;) send(Kind::kNote, "x");
  ovi_audio audio{sizeof audio, nullptr, 8000, 2000, nullptr};
  if (is("audio-too-much")) audio.samples = 1u << 31;
  if (is("clip-with-more-sound")) send(Kind::kAudio, body_of(audio), memory(audio.bytes).file);
  if (!is("clip-without-sound"))
    send(Kind::kAudio, body_of(audio), is("audio-without-memory") ? -1 : memory(audio.bytes).file);
  for (uint32_t i = 0; i < plan.frames && !is("clip-without-frames"); ++i) {
    ovi_video_frame frame{sizeof frame,    i,      nullptr, 3072, 3, {0, 2048, 2560, 0},
                          {64, 32, 32, 0}, nullptr};
    if (is("frame-beyond-the-clip")) frame.index = plan.frames;
    if (is("frame-of-many-planes")) frame.planes = 5;
    if (is("frame-plane-outside")) frame.offset[1] = 1u << 30;
    if (is("frame-plane-turned")) frame.stride[0] = -64;
    if (is("frame-too-large")) frame.bytes = size_t{1} << 60;
    if (is("frame-of-nothing")) frame.bytes = 0;
    if (is("two-descriptors")) send_two(body_of(frame));
    const bool bad = mode.rfind("frame-a", 0) == 0 || mode.rfind("frame-too-s", 0) == 0 ||
                     is("frame-too-long") || mode.rfind("frame-that", 0) == 0;
    Descriptor shared = bad ? bad_memory(frame.bytes) : memory(3072);
    send(Kind::kVideo, body_of(frame), is("frame-without-memory") ? -1 : shared.file);
  }
  if (is("cancelled-by-nobody")) answer(OVI_CANCELLED);
  ovi_stats stats{};
  stats.size = sizeof stats;
  stats.steps = 2;
  std::snprintf(stats.memory, sizeof stats.memory, "resident");
  if (is("stats-no-number")) stats.total_seconds = std::nan("");
  if (is("stats-without-end")) stats.load_seconds = INFINITY;
  if (is("answer-with-memory"))
    send(Kind::kAnswer, body_of(wire::Outcome{}, nullptr, &stats), memory(10).file);
  answer(OVI_OK, nullptr, &stats);
  if (is("two-answers")) answer(OVI_OK, nullptr, &stats);
}

}  // namespace

int main() {
  const char* named = std::getenv("OVI_FAKE_WORKER");
  mode = named ? named : "";
  signal(SIGPIPE, SIG_IGN);
  greet();
  for (;;) {
    const wire::Message message = next();
    if (is("silent-create") || (is("silent-plan") && message.kind == Kind::kPlan)) pause();
    if (message.kind == Kind::kCreate) answer();
    if (message.kind == Kind::kPlan) plan(message);
    if (message.kind == Kind::kGenerate) generate();
  }
}
