// LibTorch's CUDA half, opened only when somebody asks for a GPU.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace ovi {

struct CudaLibrary {
  bool driver = false;  // libcuda.so.1 is there
  bool torch = false;   // libtorch_cuda is open and has registered its kernels
  std::string why;      // what the loader said, when torch is false
};

/// Opens the library once a process, and leaves it open. Must come before anything
/// asks LibTorch whether it has CUDA: LibTorch keeps the first answer for ever.
const CudaLibrary& open_cuda_library();

/// Of `folders`, the libraries that compile kernels at run time (NVRTC), each after what it
/// opens itself.
std::vector<std::filesystem::path> nvrtc_files(const std::vector<std::filesystem::path>& folders);

}  // namespace ovi
