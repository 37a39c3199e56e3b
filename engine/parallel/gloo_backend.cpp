// Gloo's process group, over TCP.
// SPDX-License-Identifier: Apache-2.0
#define USE_C10D_GLOO
#include <cstdlib>
#include <string>
#include <torch/csrc/distributed/c10d/ProcessGroupGloo.hpp>
#include <utility>

#include "parallel/backend.h"

namespace ovi::parallel {
namespace {

// The agreement finds out who is gone; this is for what only the network knows.
constexpr std::chrono::minutes kOperation(30);

class Gloo final : public c10d::ProcessGroupGloo {
 public:
  using ProcessGroupGloo::ProcessGroupGloo;
  /// LibTorch's does nothing.
  void abort() override {
    for (const auto& context : contexts_) context->closeConnections();
  }
};

}  // namespace

BackendPtr gloo_backend(const StorePtr& store, int64_t rank, int64_t size,
                        const std::string& address) {
  auto options = c10d::ProcessGroupGloo::Options::create(kOperation);
  const char* interface = secure_getenv("GLOO_SOCKET_IFNAME");
  options->devices.push_back(
      interface && *interface ? c10d::ProcessGroupGloo::createDeviceForInterface(interface)
                              : c10d::ProcessGroupGloo::createDeviceForHostname(address));
  return c10::make_intrusive<Gloo>(store, static_cast<int>(rank), static_cast<int>(size),
                                   std::move(options));
}

}  // namespace ovi::parallel
