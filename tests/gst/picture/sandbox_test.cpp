// What the picture decoder's process can no longer do, and what it still can.
// SPDX-License-Identifier: Apache-2.0
#include "sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <thread>
#include <vector>

using namespace ovii2v::picture;

namespace {

int failures = 0;

void expect(bool right, const char* what) {
  if (right) return;
  ++failures;
  std::fprintf(stderr, "FAILED: %s\n", what);
}

/// Runs `body` in a child; its failures count here. The status of waitpid().
template <typename Body>
int in_child(Body body) {
  const pid_t child = fork();
  if (child == 0) {
    failures = 0;
    body();
    _exit(failures);
  }
  int status = -1;
  waitpid(child, &status, 0);
  return status;
}

constexpr uint64_t kMemory = uint64_t{256} << 20;  // bytes

void limits() {
  expect(limit_process(2, kMemory), "the limits are taken");
  char name[] = "/tmp/ovii2v-sandbox-XXXXXX";
  const int file = mkstemp(name);
  unlink(name);
  expect(write(file, "x", 1) < 0 && errno == EFBIG, "no file is written, and nobody is killed");
  std::vector<char*> pieces;
  size_t got = 0;
  while (char* piece = static_cast<char*>(std::malloc(1 << 20))) {
    pieces.push_back(piece);
    piece[0] = 1;
    if (++got > 1024) break;
  }
  expect(got <= 256, "memory ends at its limit");
  for (char* piece : pieces) std::free(piece);
  rlimit core{};
  getrlimit(RLIMIT_CORE, &core);
  expect(core.rlim_max == 0, "no core file");
}

void doors() {
  expect(limit_process(5, kMemory) && close_doors(), "the doors are closed");
  expect(open("/etc/hostname", O_RDONLY) < 0 && errno == EPERM, "nothing is opened");
  expect(socket(AF_INET, SOCK_STREAM, 0) < 0 && errno == EPERM, "nothing is connected");
  expect(socket(AF_UNIX, SOCK_STREAM, 0) < 0 && errno == EPERM, "nothing local either");
  execl("/bin/true", "true", nullptr);
  expect(errno == EPERM, "nothing is started");
  expect(kill(getppid(), 0) < 0 && errno == EPERM, "nobody is signalled");
  expect(unlink("/tmp/none") < 0 && errno == EPERM, "nothing is removed");
  int sum = 0;
  std::thread([&sum] { sum = static_cast<int>(std::vector<int>(1 << 20, 1).size()); }).join();
  expect(sum == 1 << 20, "threads and memory are there");
}

void network() {
  expect(limit_process(5, kMemory) && close_network(), "the network is closed");
  const int file = open("/etc/passwd", O_RDONLY);
  expect(file >= 0, "decoders can be loaded");
  expect(open("/tmp/ovii2v-made", O_RDONLY | O_CREAT, 0600) < 0 && errno == EACCES, "none is made");
  expect(open("/dev/null", O_WRONLY) < 0 && errno == EACCES, "none is written");
  expect(open("/dev/null", O_RDWR) < 0 && errno == EACCES, "nor read and written");
  expect(access("/tmp/ovii2v-made", F_OK) != 0, "there is none");
  expect(chmod("/tmp", 0777) < 0 && errno == EPERM, "rights stay");
  expect(socket(AF_INET, SOCK_STREAM, 0) < 0 && errno == EPERM, "nothing is connected");
  execl("/bin/true", "true", nullptr);
  expect(errno == EPERM, "nothing is started");
  expect(rename("/tmp/none", "/tmp/other") < 0 && errno == EPERM, "nothing is renamed");
}

void too_long() {
  if (!limit_process(1, kMemory)) return;
  for (volatile uint64_t i = 0;; i = i + 1) {
  }
}

}  // namespace

int main() {
  expect(in_child(limits) == 0, "limits");
  expect(in_child(doors) == 0, "doors");
  expect(in_child(network) == 0, "network");
  const int status = in_child(too_long);
  expect(WIFSIGNALED(status) && WTERMSIG(status) == SIGXCPU, "a second of processor time is one");
  return failures ? EXIT_FAILURE : EXIT_SUCCESS;
}
