// Whether a rank gets weights sooner from another rank or from the file: what Gloo hands on between two
// ranks of this machine, beside what one of them reads from the page cache.
// SPDX-License-Identifier: Apache-2.0
//
//   rank-weights [MIB]    prints JSON; the file is made where TMPDIR says, and removed
#include <ATen/ops/empty.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/randint.h>
#include <ATen/ops/zeros_like.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "../engine/parallel/thread_ranks.h"
#include "runtime/stopwatch.h"

namespace {

constexpr int64_t kChunk = int64_t{64} << 20;  // about a large matrix of the model
constexpr int kRuns = 5;

double fastest(const std::function<void()>& run) {
  double best = 1e9;
  for (int i = 0; i < kRuns; ++i) {
    const ovi::Stopwatch watch;
    run();
    best = std::min(best, watch.seconds());
  }
  return best;
}

}  // namespace

int main(int count, char** words) {
  const int64_t mib = count > 1 ? std::atoll(words[1]) : 1024;
  if (mib < 64 || mib % 64 != 0) {
    std::fprintf(stderr, "usage: %s [MIB]; MIB is a multiple of 64\n", words[0]);
    return 2;
  }
  const int64_t chunks = (mib << 20) / kChunk;
  const at::Tensor weights =
      at::randint(0, 256, {chunks, kChunk}, at::TensorOptions().dtype(at::kByte));
  const std::filesystem::path path = std::filesystem::temp_directory_path() /
                                     ("rank-weights-" + std::to_string(::getpid()));
  FILE* file = std::fopen(path.c_str(), "wb");
  if (!file || std::fwrite(weights.data_ptr(), 1, weights.nbytes(), file) != weights.nbytes() ||
      std::fclose(file) != 0) {
    std::perror(path.c_str());
    return 1;
  }
  const at::Tensor to = at::empty({kChunk}, at::TensorOptions().dtype(at::kByte));
  bool same = true;
  const double reading = fastest([&] {
    FILE* again = std::fopen(path.c_str(), "rb");
    for (int64_t i = 0; i < chunks; ++i) {
      same = same && std::fread(to.data_ptr(), 1, kChunk, again) == static_cast<size_t>(kChunk);
    }
    std::fclose(again);
  });
  std::filesystem::remove(path);
  same = same && at::equal(to, weights[chunks - 1]);

  double handing = 0;
  const auto thrown = ovi::parallel::in_group(2, [&](ovi::parallel::Group& group, auto&) {
    at::Tensor mine = group.rank() == 0 ? at::Tensor() : at::zeros_like(to);
    const double seconds = fastest([&] {
      for (int64_t i = 0; i < chunks; ++i) {
        at::Tensor chunk = group.rank() == 0 ? weights[i] : mine;
        group.broadcast(chunk, 0);
      }
    });
    if (group.rank() == 1) {
      handing = seconds;
      same = same && at::equal(mine, weights[chunks - 1]);
    }
  });
  for (const std::string& error : thrown) {
    if (error.empty()) continue;
    std::fprintf(stderr, "%s\n", error.c_str());
    return 1;
  }
  const double gigabytes = static_cast<double>(weights.nbytes()) / 1e9;
  std::printf("{\"mib\": %lld, \"page_cache_gb_s\": %.2f, \"gloo_broadcast_gb_s\": %.2f, \"same\": %s}\n",
              static_cast<long long>(mib), gigabytes / reading, gigabytes / handing,
              same ? "true" : "false");
  return same ? 0 : 1;
}
