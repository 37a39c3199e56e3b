// One rank as a process of its own: it meets the others as its environment says, and gathers until
// something goes wrong. rank-program [RELEASE]
// SPDX-License-Identifier: Apache-2.0
#include <ATen/ops/empty.h>
#include <ATen/ops/full.h>

#include <cstdio>
#include <cstdlib>
#include <string>

#include "parallel/agreement.h"
#include "parallel/c10d_group.h"
#include "parallel/rendezvous.h"
#include "runtime/error.h"

int main(int count, char** words) {
  using namespace ovi::parallel;
  const Environment environment = [](const char* name) { return std::getenv(name); };
  try {
    const Place place = *place_in(environment);
    const auto agreement =
        meet(place, {count > 1 ? words[1] : "1.0", "cpu"}, patience_in(environment));
    agreement->begin_round(1, nullptr);
    const auto group = join_group(agreement, "1", c10::kCPU, own_address(place));
    std::puts("met");
    std::fflush(stdout);
    for (double step = 0;; ++step) {
      at::Tensor all = at::empty({group->size(), 1000});
      group->all_gather(all, at::full({1000}, step));
      if (all[group->size() - 1][0].item<double>() != step) return 3;
    }
  } catch (const ovi::Error& error) {
    std::printf("error: %s\n", error.what());
    std::fflush(stdout);
    return 1;
  }
}
