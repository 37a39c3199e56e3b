// Memory whose size a user has a say in.
// SPDX-License-Identifier: Apache-2.0
#include "stream/host_memory.h"

#include <sys/sysinfo.h>

#include <memory>
#include <new>

namespace ovii2v {

GstBuffer* new_host_buffer(size_t bytes) {
  void* data = g_try_malloc(bytes ? bytes : 1);
  if (!data) throw std::bad_alloc();
  return gst_buffer_new_wrapped(data, bytes);
}

void expect_host_memory(size_t bytes) {
  void* data = g_try_malloc(bytes);
  if (!data) throw std::bad_alloc();
  g_free(data);
}

size_t converter_bytes(size_t from_width, size_t to_width) {
  constexpr size_t kLines = 32, kPixel = 8;  // bytes: four components of 16 bits
  return kLines * kPixel * (from_width + to_width);
}

Failure out_of_host_memory(const std::string& what) {
  struct sysinfo now {};
  std::string detail = "no memory for it";
  if (sysinfo(&now) == 0)
    detail = "free: " + std::to_string((uint64_t{now.freeram} * now.mem_unit) >> 20) + " MiB";
  return {GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_NO_SPACE_LEFT,
          "Out of host memory for " + what +
              ": end other programs, raise the process's limit, or use a smaller picture.",
          detail};
}

Failure out_of_threads(const std::string& what) {
  return {GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_FAILED,
          "Out of threads for " + what +
              ": raise the limit of the user or the container (ulimit -u, pids.max).",
          ""};
}

}  // namespace ovii2v
