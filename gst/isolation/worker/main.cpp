// ovii2v-worker: runs the engine for one element, in a process of its own. Descriptor 3 is a socket
// to it, over which wire.h is spoken. With --join it is a rank beside an element's (join.h).
// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "join.h"
#include "server.h"

namespace {

constexpr int kSocket = STDERR_FILENO + 1;

bool is_socket(int file) {
  int type = 0;
  socklen_t size = sizeof type;
  return getsockopt(file, SOL_SOCKET, SO_TYPE, &type, &size) == 0 && type == SOCK_STREAM;
}

}  // namespace

int main(int count, char** words) {
  // LibTorch's recorder of what process groups do is not made for ranks that are threads.
  setenv("TORCH_FR_BUFFER_SIZE", "0", /*overwrite=*/0);
  if (count > 1 && std::string_view(words[1]) == "--join") {
    signal(SIGPIPE, SIG_IGN);
    return ovii2v::worker::join(std::vector<std::string>(words + 2, words + count));
  }
  int parent = 0;
  std::string plugin;
  for (int i = 1; i + 1 < count; i += 2) {
    const std::string_view word = words[i], value = words[i + 1];
    if (word == "--parent")
      std::from_chars(value.data(), value.data() + value.size(), parent);
    else if (word == "--plugin")
      plugin = value;
  }
  if (parent <= 0 || count != 5 || !is_socket(kSocket)) {
    std::fputs(
        "ovii2v-worker is started by the element ovii2vsrc, where isolation=process is set; as one "
        "of several ranks by a launcher, see ovii2v-worker --join --help.\n",
        stderr);
    return 2;
  }
  fcntl(kSocket, F_SETFD, FD_CLOEXEC);
  // A file or memory that may not grow is an error, and so is a terminal that is another's.
  signal(SIGXFSZ, SIG_IGN);
  signal(SIGPIPE, SIG_IGN);
  signal(SIGTTOU, SIG_IGN);
  ovii2v::worker::Server(kSocket, parent).run(plugin);
}
