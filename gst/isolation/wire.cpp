// What element and worker say to each other: messages over a socket, with lengths in front.
// SPDX-License-Identifier: Apache-2.0
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "isolation/wire.h"

#include <errno.h>
#include <glib.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <new>

namespace ovii2v::wire {
namespace {

constexpr int kPollInterval = 20;  // ms

/// Waits a little for the socket; false: given up.
bool wait(int socket, short events, const GoOn& go_on) {
  pollfd waiting{socket, events, 0};
  return poll(&waiting, 1, kPollInterval) > 0 || go_on();
}

/// One that was sent along, if any; more than that is closed by the kernel, for want of room.
bool take_descriptors(msghdr& message, Descriptor& descriptor) {
  for (cmsghdr* control = CMSG_FIRSTHDR(&message); control;
       control = CMSG_NXTHDR(&message, control)) {
    if (control->cmsg_level != SOL_SOCKET || control->cmsg_type != SCM_RIGHTS) continue;
    const size_t count = (control->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (size_t i = 0; i < count; ++i) {
      Descriptor one;
      std::memcpy(&one.file, CMSG_DATA(control) + i * sizeof(int), sizeof(int));
      if (descriptor.file >= 0) return false;
      descriptor = std::move(one);
    }
  }
  return true;
}

/// Exactly `count` bytes; with `descriptor` what was sent along too.
Moved receive_bytes(int socket, void* data, size_t count, Descriptor* descriptor,
                    const GoOn& go_on) {
  for (size_t at = 0; at < count;) {
    iovec part{static_cast<char*>(data) + at, count - at};
    // Room for two: who sends two is found out.
    alignas(cmsghdr) char control[CMSG_SPACE(2 * sizeof(int))];
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    if (descriptor) {
      message.msg_control = control;
      message.msg_controllen = sizeof control;
    }
    const ssize_t got = recvmsg(socket, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
      if (!wait(socket, POLLIN, go_on)) return Moved::kStopped;
      continue;
    }
    if (got <= 0) return Moved::kEnd;
    if (descriptor && !take_descriptors(message, *descriptor)) return Moved::kMalformed;
    // Sent along, but this process may open no more (or too many were sent).
    if (descriptor && (message.msg_flags & MSG_CTRUNC)) return Moved::kNoRoom;
    at += static_cast<size_t>(got);
  }
  return Moved::kWhole;
}

}  // namespace

void Reader::bytes(std::string& text, size_t most) {
  text.clear();
  uint32_t length = 0;
  number(length);
  if (bad_ || length > most || length > rest_.size()) return fail();
  const std::string_view found = rest_.substr(0, length);
  if (found.find('\0') != found.npos) return fail();
  text = found;
  rest_.remove_prefix(length);
}

void Reader::text(std::string& text, size_t most) {
  bytes(text, most);
  if (g_utf8_validate(text.data(), static_cast<gssize>(text.size()), nullptr)) return;
  text.clear();
  fail();
}

bool Reader::optional(std::string& text, size_t most) {
  uint8_t there = 0;
  within<uint8_t>(there, 0, 1);
  text.clear();
  if (there) this->text(text, most);
  return there;
}

Moved send(int socket, Kind kind, std::string_view body, int descriptor, const GoOn& go_on) {
  Head head;
  head.kind = kind;
  head.bytes = static_cast<uint32_t>(body.size());
  head.descriptors = descriptor >= 0;
  for (size_t at = 0; at < sizeof head + body.size();) {
    iovec parts[2];
    const size_t of_head = at < sizeof head ? sizeof head - at : 0;
    const size_t in_body = at < sizeof head ? 0 : at - sizeof head;
    parts[0] = {reinterpret_cast<char*>(&head) + (sizeof head - of_head), of_head};
    parts[1] = {const_cast<char*>(body.data()) + in_body, body.size() - in_body};
    msghdr message{};
    message.msg_iov = parts;
    message.msg_iovlen = 2;
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))];
    if (at == 0 && descriptor >= 0) {
      message.msg_control = control;
      message.msg_controllen = sizeof control;
      cmsghdr* rights = CMSG_FIRSTHDR(&message);
      rights->cmsg_level = SOL_SOCKET;
      rights->cmsg_type = SCM_RIGHTS;
      rights->cmsg_len = CMSG_LEN(sizeof(int));
      std::memcpy(CMSG_DATA(rights), &descriptor, sizeof descriptor);
    }
    const ssize_t put = sendmsg(socket, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (put < 0 && errno == EINTR) continue;
    if (put < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
      if (!wait(socket, POLLOUT, go_on)) return Moved::kStopped;
      continue;
    }
    if (put < 0 && (errno == ETOOMANYREFS || errno == ENOMEM || errno == ENOBUFS)) {
      // Too many descriptors are on their way: the other side takes them out.
      poll(nullptr, 0, kPollInterval);
      if (!go_on()) return Moved::kStopped;
      continue;
    }
    if (put < 0) return Moved::kEnd;
    at += static_cast<size_t>(put);
  }
  return Moved::kWhole;
}

Moved receive(int socket, uint32_t most, Message& message, const GoOn& go_on) {
  message = {};
  Head head;
  if (const Moved moved = receive_bytes(socket, &head, sizeof head, &message.descriptor, go_on);
      moved != Moved::kWhole)
    return moved;
  if (head.magic != Head::kMagic || head.bytes > most || head.descriptors > 1 ||
      (head.descriptors == 1) != (message.descriptor.file >= 0))
    return Moved::kMalformed;
  message.kind = head.kind;
  try {
    message.body.resize(head.bytes);
  } catch (const std::bad_alloc&) {
    return Moved::kNoRoom;
  }
  // What is sent along with the body is closed by the kernel.
  return receive_bytes(socket, message.body.data(), head.bytes, nullptr, go_on);
}

}  // namespace ovii2v::wire
