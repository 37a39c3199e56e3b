// SPDX-License-Identifier: Apache-2.0
#include "runtime/failure.h"

#include <c10/util/Exception.h>

#include <new>
#include <stdexcept>
#include <string>
#include <system_error>

#include "runtime/threads.h"

namespace ovi {
namespace {

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

}  // namespace

const char* out_of_host_memory() { return kOutOfHostMemory; }

Error error_in_flight() {
  try {
    throw;
  } catch (const Error& e) {
    return e;
  } catch (const c10::OutOfMemoryError& e) {
    return Error(ErrorKind::kNoSpace, kOutOfDeviceMemory, e.what_without_backtrace());
  } catch (const c10::Error& e) {
    const std::string text = e.what_without_backtrace();
    if (is_host_out_of_memory(text)) return Error(ErrorKind::kNoSpace, kOutOfHostMemory, text);
    const std::string line = text.substr(0, text.find('\n'));
    // After most of these the driver refuses the process everything else.
    if (line.find("CUDA error") != std::string::npos) {
      return Error(ErrorKind::kFailed,
                   "The GPU failed: " + line +
                       ". Start the program again; if it comes back, with OVI_FUSED_KERNELS=0, "
                       "memory=stream or device=cpu.",
                   in_full(e));
    }
    return Error(ErrorKind::kFailed, "The generator failed inside LibTorch: " + line, in_full(e));
  } catch (const std::bad_alloc& e) {
    return Error(ErrorKind::kNoSpace, kOutOfHostMemory, e.what());
  } catch (const std::length_error& e) {  // of a container that would be larger than any memory
    return Error(ErrorKind::kNoSpace, kOutOfHostMemory, e.what());
  } catch (const std::system_error& e) {
    // Only a thread that the system does not give fails like this.
    const bool threads = e.code() == std::errc::resource_unavailable_try_again;
    if (threads) return Error(ErrorKind::kNoSpace, no_threads({}).what(), e.what());
    return Error(ErrorKind::kFailed, std::string("The generator failed: ") + e.what());
  } catch (const std::exception& e) {
    return Error(ErrorKind::kFailed, std::string("The generator failed: ") + e.what());
  } catch (...) {
    return Error(ErrorKind::kFailed, "The generator failed for an unknown reason.");
  }
}

}  // namespace ovi
