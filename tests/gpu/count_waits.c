// Counts what makes a host wait for its GPU, or a GPU for its host: to be preloaded
// (LD_PRELOAD) into a program that uses LibTorch's CUDA. At the end it writes one JSON
// object to the file that OVI_COUNT_WAITS names.
// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

// CUDA's runtime as its headers have it: errors and kinds are ints, streams are pointers.
enum { kToDevice = 1, kToHost = 2 };
enum { kErrorUnknown = 999 };

typedef struct {
  unsigned x, y, z;
} Dim;

static atomic_long device, stream, event, copy, to_device, to_host, allocation, release, launched;

// The runtime may have been opened out of sight of a search from here.
static void* next(const char* name) {
  void* function = dlsym(RTLD_NEXT, name);
  if (!function) {
    void* runtime = dlopen("libcudart.so.13", RTLD_LAZY | RTLD_NOLOAD);
    if (!runtime) runtime = dlopen("libcudart.so.12", RTLD_LAZY | RTLD_NOLOAD);
    if (runtime) function = dlsym(runtime, name);
  }
  return function;
}

#define COUNTED(name, parameters, arguments, count)   \
  int name parameters;                                \
  int name parameters {                               \
    static int(*real) parameters;                     \
    if (!real) real = (int(*) parameters)next(#name); \
    count;                                            \
    return real ? real arguments : kErrorUnknown;     \
  }

static void count_kind(int kind) {
  if (kind == kToDevice) ++to_device;
  if (kind == kToHost) ++to_host;
}

COUNTED(cudaDeviceSynchronize, (void), (), ++device)
COUNTED(cudaStreamSynchronize, (void* s), (s), ++stream)
COUNTED(cudaEventSynchronize, (void* e), (e), ++event)
COUNTED(cudaMemcpy, (void* to, const void* from, size_t bytes, int kind), (to, from, bytes, kind),
        ++copy)
COUNTED(cudaMemcpyAsync, (void* to, const void* from, size_t bytes, int kind, void* s),
        (to, from, bytes, kind, s), count_kind(kind))
COUNTED(cudaMalloc, (void** to, size_t bytes), (to, bytes), ++allocation)
COUNTED(cudaFree, (void* memory), (memory), ++release)
COUNTED(cudaLaunchKernelExC, (const void* config, const void* f, void** arguments),
        (config, f, arguments), ++launched)
// What a launch in angle brackets becomes: of a function until CUDA 12, of a kernel since 13.
COUNTED(cudaLaunchKernel,
        (const void* f, Dim grid, Dim block, void** arguments, size_t shared, void* s),
        (f, grid, block, arguments, shared, s), ++launched)
COUNTED(__cudaLaunchKernel,
        (void* kernel, Dim grid, Dim block, void** arguments, size_t shared, void* s),
        (kernel, grid, block, arguments, shared, s), ++launched)

__attribute__((destructor)) static void report(void) {
  const char* path = getenv("OVI_COUNT_WAITS");
  FILE* file = path ? fopen(path, "w") : NULL;
  if (!file) return;
  fprintf(file,
          "{\"device_waits\": %ld, \"stream_waits\": %ld, \"event_waits\": %ld, "
          "\"copies\": %ld, \"async_to_device\": %ld, \"async_to_host\": %ld, "
          "\"allocations\": %ld, \"releases\": %ld, \"launches\": %ld}\n",
          device, stream, event, copy, to_device, to_host, allocation, release, launched);
  fclose(file);
}
