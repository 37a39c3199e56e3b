// SPDX-License-Identifier: Apache-2.0
#include "coroutine.h"

#include <cstdint>

#include "../../sanitizers.h"

#if defined(OVI_ADDRESS_SANITIZER)
#include <sanitizer/common_interface_defs.h>
#else
// Nobody else need know on which stack we are.
static void __sanitizer_start_switch_fiber(void**, const void*, size_t) {}
static void __sanitizer_finish_switch_fiber(void*, const void**, size_t*) {}
#endif

#if defined(__x86_64__)
// swapcontext() asks the kernel for the signal mask each time, which takes 20 times as long.
extern "C" void emulated_cuda_go(void** from, void* to);
asm(R"(
.text
.hidden emulated_cuda_go
.globl emulated_cuda_go
.type emulated_cuda_go, @function
emulated_cuda_go:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
)");
#endif

namespace emulated_cuda {

Coroutine* Coroutine::running = nullptr;

#if defined(__x86_64__)
Coroutine::Coroutine(void (*body)()) : stack_(new char[kStack]) {
  constexpr int kRegisters = 6;
  const auto end = reinterpret_cast<uintptr_t>(stack_.get() + kStack) / 16 * 16;
  void** top = reinterpret_cast<void**>(end) - 1;  // where a caller's address would lie
  *top = nullptr;
  *--top = reinterpret_cast<void*>(body);
  for (int i = 0; i < kRegisters; ++i) *--top = nullptr;
  here_ = top;
}
void Coroutine::go(Place& from, Place& to) { emulated_cuda_go(&from, to); }
#else
Coroutine::Coroutine(void (*body)()) : stack_(new char[kStack]) {
  getcontext(&here_);
  here_.uc_stack.ss_sp = stack_.get();
  here_.uc_stack.ss_size = kStack;
  makecontext(&here_, body, 0);
}
void Coroutine::go(Place& from, Place& to) { swapcontext(&from, &to); }
#endif

void Coroutine::resume() {
  running = this;
  void* shadow = nullptr;
  __sanitizer_start_switch_fiber(&shadow, stack_.get(), kStack);
  go(home_, here_);
  __sanitizer_finish_switch_fiber(shadow, nullptr, nullptr);
}
void Coroutine::leave() {
  __sanitizer_start_switch_fiber(&shadow_, home_stack_, home_bytes_);
  go(here_, home_);
  __sanitizer_finish_switch_fiber(shadow_, &home_stack_, &home_bytes_);
}
void Coroutine::begun() {
  __sanitizer_finish_switch_fiber(nullptr, &running->home_stack_, &running->home_bytes_);
}

}  // namespace emulated_cuda
