// A driver with one device.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "emulated_cuda.h"

inline cudaError_t cudaGetDevice(int* device) {
  *device = 0;
  return cudaSuccess;
}
inline cudaError_t cudaSetDevice(int device) {
  constexpr cudaError_t kInvalidDevice = 101;
  return device == 0 ? cudaSuccess : kInvalidDevice;
}
inline const char* cudaGetErrorString(cudaError_t) { return "an error of the emulated device"; }
