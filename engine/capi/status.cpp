// SPDX-License-Identifier: Apache-2.0
#include "capi/status.h"

#include <c10/util/Exception.h>

#include <cstdio>
#include <new>
#include <stdexcept>
#include <string>
#include <system_error>

#include "capi/plain_text.h"
#include "runtime/error.h"
#include "runtime/threads.h"

namespace ovi::capi {
namespace {

ovi_status status_of(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::kCancelled:
      return OVI_CANCELLED;
    case ErrorKind::kNotFound:
      return OVI_NOT_FOUND;
    case ErrorKind::kNotAuthorized:
      return OVI_NOT_AUTHORIZED;
    case ErrorKind::kOpenRead:
      return OVI_OPEN_READ;
    case ErrorKind::kRead:
      return OVI_READ;
    case ErrorKind::kFormat:
      return OVI_FORMAT;
    case ErrorKind::kLibraryInit:
      return OVI_LIBRARY_INIT;
    case ErrorKind::kNoSpace:
      return OVI_NO_SPACE;
    case ErrorKind::kSettings:
      return OVI_SETTINGS;
    case ErrorKind::kFailed:
      break;
  }
  return OVI_FAILED;
}

template <size_t N>
void copy_text(char (&to)[N], const std::string& from, Lines lines) {
  const std::string plain = plain_text(from, N - 1, lines);
  std::memcpy(to, plain.c_str(), plain.size() + 1);
}

ovi_status fill(ovi_error* error, ovi_status status, const std::string& message,
                const std::string& detail) {
  if (error == nullptr) return status;
  ovi_error known{};
  known.size = sizeof known;
  known.status = status;
  copy_text(known.message, message, Lines::kOne);
  copy_text(known.detail, detail, Lines::kMany);
  write_struct(error, known);
  return status;
}

constexpr const char* kOutOfDeviceMemory =
    "Out of device memory. Close what else uses the GPU, choose memory=stream, precision=bf16 or a "
    "smaller variant, or use a GPU with more.";
constexpr const char* kOutOfHostMemory =
    "Out of host memory. Close what else uses it, choose precision=bf16 or a smaller variant, or "
    "use a "
    "machine with more.";

// LibTorch's host allocator has no exception type of its own.
bool is_host_out_of_memory(const std::string& text) {
  return text.find("DefaultCPUAllocator") != std::string::npos;
}

// c10::Error::what() would end the process where memory ends.
std::string in_full(const c10::Error& error) {
  std::string text = error.what_without_backtrace();
  if (error.backtrace()) text.append("\n").append(error.backtrace()->get());
  return text;
}

// What an exception says, in a message made for it.
ovi_status told(ovi_error* error) {
  try {
    throw;
  } catch (const Error& e) {
    return fill(error, status_of(e.kind()), e.what(), e.detail());
  } catch (const c10::OutOfMemoryError& e) {
    return fill(error, OVI_NO_SPACE, kOutOfDeviceMemory, e.what_without_backtrace());
  } catch (const c10::Error& e) {
    const std::string text = e.what_without_backtrace();
    if (is_host_out_of_memory(text)) return fill(error, OVI_NO_SPACE, kOutOfHostMemory, text);
    const std::string line = text.substr(0, text.find('\n'));
    // After most of these the driver refuses the process everything else.
    if (line.find("CUDA error") != std::string::npos) {
      return fill(error, OVI_FAILED,
                  "The GPU failed: " + line +
                      ". Start the program again; if it comes back, with OVI_FUSED_KERNELS=0, "
                      "memory=stream or device=cpu.",
                  in_full(e));
    }
    return fill(error, OVI_FAILED, "The generator failed inside LibTorch: " + line, in_full(e));
  } catch (const std::bad_alloc& e) {
    return fill(error, OVI_NO_SPACE, kOutOfHostMemory, e.what());
  } catch (const std::length_error& e) {  // of a container that would be larger than any memory
    return fill(error, OVI_NO_SPACE, kOutOfHostMemory, e.what());
  } catch (const std::system_error& e) {
    // Only a thread that the system does not give fails like this.
    const bool threads = e.code() == std::errc::resource_unavailable_try_again;
    if (threads) return fill(error, OVI_NO_SPACE, no_threads({}).what(), e.what());
    return fill(error, OVI_FAILED, std::string("The generator failed: ") + e.what(), {});
  } catch (const std::exception& e) {
    return fill(error, OVI_FAILED, std::string("The generator failed: ") + e.what(), {});
  } catch (...) {
    return fill(error, OVI_FAILED, "The generator failed for an unknown reason.", {});
  }
}

}  // namespace

ovi_status status_of_current_exception(ovi_error* error) {
  try {
    return told(error);
  } catch (...) {
    // There was not even memory for the message.
    if (error == nullptr) return OVI_NO_SPACE;
    ovi_error known{};
    known.status = OVI_NO_SPACE;
    std::memcpy(known.message, kOutOfHostMemory, std::strlen(kOutOfHostMemory));
    write_struct(error, known);
    return OVI_NO_SPACE;
  }
}

}  // namespace ovi::capi
