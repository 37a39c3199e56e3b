// Bytes become a file in memory, so that the readers run as they do for users.
// SPDX-License-Identifier: Apache-2.0
#include "weights_fuzz.h"

#include <ATen/core/Tensor.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstdlib>
#include <string>

#include "runtime/error.h"
#include "weights/component.h"
#include "weights/weights.h"

namespace {

class MemoryFile {
 public:
  MemoryFile(const uint8_t* data, size_t size) : fd_(::memfd_create("weights", MFD_CLOEXEC)) {
    if (fd_ < 0) std::abort();
    while (size > 0) {
      const ssize_t written = ::write(fd_, data, size);
      if (written <= 0) std::abort();
      data += written;
      size -= static_cast<size_t>(written);
    }
  }
  ~MemoryFile() { ::close(fd_); }
  MemoryFile(const MemoryFile&) = delete;
  MemoryFile& operator=(const MemoryFile&) = delete;
  std::string path() const { return "/proc/self/fd/" + std::to_string(fd_); }

 private:
  int fd_;
};

/// Touches every value, so that a view past the mapping is a crash.
void read_values(const std::shared_ptr<ovi::TensorSource>& source) {
  const ovi::Weights weights(source, {});
  for (const ovi::TensorInfo& info : source->tensors()) {
    const at::Tensor packed = source->view(info.name).contiguous();
    const auto* bytes = static_cast<const volatile uint8_t*>(packed.const_data_ptr());
    for (size_t i = 0; i < packed.nbytes(); ++i) (void)bytes[i];
    if (!weights.has(info.name) || packed.sizes() != at::IntArrayRef(info.shape)) std::abort();
  }
  ovi::reject_wrong_component(*source, ovi::Component::kFusion);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const MemoryFile file(data, size);
  try {
    read_values(ovi::open_tensors(file.path()));
  } catch (const ovi::Error&) {
    // The only way out for bytes that are no weights.
  }
  return 0;
}
