// SPDX-License-Identifier: Apache-2.0
#include "parallel/own_network.h"

#include <net/if.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <memory>

#include "runtime/error.h"

namespace ovi::parallel {
namespace {

using Addresses = std::unique_ptr<addrinfo, void (*)(addrinfo*)>;

Addresses addresses_of(const std::string& host, uint16_t port, int type) {
  addrinfo wish{}, *found = nullptr;
  wish.ai_socktype = type;
  if (getaddrinfo(host.c_str(), std::to_string(port).c_str(), &wish, &found) != 0) found = nullptr;
  return {found, [](addrinfo* list) {
            if (list) freeaddrinfo(list);
          }};
}

class Socket {
 public:
  explicit Socket(const addrinfo& of)
      : file_(socket(of.ai_family, of.ai_socktype | SOCK_CLOEXEC, of.ai_protocol)) {}
  ~Socket() {
    if (file_ >= 0) close(file_);
  }
  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;
  explicit operator bool() const { return file_ >= 0; }
  int file() const { return file_; }

 private:
  const int file_;
};

}  // namespace

std::string host_name() {
  char name[256] = {};
  return gethostname(name, sizeof name - 1) == 0 ? name : "?";
}

std::string own_address_towards(const std::string& host, uint16_t port) {
  const Addresses found = addresses_of(host, port, SOCK_DGRAM);
  if (!found) return host_name();
  // That of the interface which leads there.
  const Socket towards(*found);
  sockaddr_storage own{};
  socklen_t bytes = sizeof own;
  char text[NI_MAXHOST] = {};
  if (towards && connect(towards.file(), found->ai_addr, found->ai_addrlen) == 0 &&
      getsockname(towards.file(), reinterpret_cast<sockaddr*>(&own), &bytes) == 0 &&
      getnameinfo(reinterpret_cast<sockaddr*>(&own), bytes, text, sizeof text, nullptr, 0,
                  NI_NUMERICHOST) == 0)
    return text;
  return host_name();
}

bool is_elsewhere(const std::string& host) {
  // Of an address that is not this machine's the system refuses to be.
  const Addresses found = addresses_of(host, 0, SOCK_STREAM);
  for (const addrinfo* one = found.get(); one; one = one->ai_next) {
    const Socket own(*one);
    if (own && bind(own.file(), one->ai_addr, one->ai_addrlen) == 0) return false;
  }
  return true;
}

void check_interface(const std::string& variable, const std::string& interface) {
  if (if_nametoindex(interface.c_str()) != 0) return;
  std::string there;
  if (struct if_nameindex* const all = if_nameindex()) {
    for (struct if_nameindex* one = all; one->if_index != 0; ++one)
      there += (there.empty() ? "" : ", ") + std::string(one->if_name);
    if_freenameindex(all);
  }
  throw Error(ErrorKind::kSettings, variable + "=" + interface +
                                        " is no network interface of this machine, which has " +
                                        (there.empty() ? "none" : there) +
                                        ". Set it to one of these, or unset it.");
}

}  // namespace ovi::parallel
