// libovii2v-cuda, as far as it can be tried with and without a GPU.
// SPDX-License-Identifier: Apache-2.0
#include "kernels/cuda_kernels.h"

#include <ATen/ops/empty.h>
#include <gtest/gtest.h>

#include <cstdlib>

#include "runtime/error.h"

namespace ovi::kernels {
namespace {

TEST(CudaKernels, SaysWhyALibraryIsNotUsed) {
  const CudaKernels missing = open_cuda_kernels("/nowhere/libovii2v-cuda.so");
  EXPECT_EQ(missing.table, nullptr);
  EXPECT_NE(missing.why.find("/nowhere/libovii2v-cuda.so"), std::string::npos) << missing.why;
  const CudaKernels other = open_cuda_kernels("libm.so.6");
  EXPECT_EQ(other.table, nullptr);
  EXPECT_NE(other.why.find(kCudaTableSymbol), std::string::npos) << other.why;
}

#ifdef OVI_WITH_NVCC
TEST(CudaKernels, OpenWithoutADriver) {
  const char* path = std::getenv("OVI_CUDA_LIBRARY");
  ASSERT_NE(path, nullptr);
  const CudaKernels kernels = open_cuda_kernels(path);
  ASSERT_NE(kernels.table, nullptr) << kernels.why;
  const CudaTable& table = *kernels.table;
  EXPECT_EQ(table.version, kCudaTableVersion);
  for (const bool filled :
       {table.layer_norm != nullptr, table.gated_add != nullptr, table.rms_norm_rope != nullptr,
        table.channel_norm != nullptr, table.pack_pixels != nullptr, table.snake != nullptr,
        table.float8_rows != nullptr})
    EXPECT_TRUE(filled);
  // No machine has this many: an error, told in words.
  const int error = table.use_device(4096);
  EXPECT_NE(error, 0);
  try {
    check_launch(table, error, "a kernel");
    FAIL() << "error " << error << " was taken for success";
  } catch (const Error& thrown) {
    EXPECT_EQ(thrown.kind(), ErrorKind::kFailed);
    EXPECT_NE(std::string(thrown.what()).find(table.describe(error)), std::string::npos);
    EXPECT_NE(thrown.detail().find("a kernel"), std::string::npos);
  }
  check_launch(table, 0, "a kernel");
  // The engine finds the same library by itself.
  EXPECT_EQ(cuda_kernels().table, kernels.table) << cuda_kernels().why;
}
#endif

TEST(CudaKernels, AreNotForTheCpu) {
  EXPECT_EQ(cuda_table_for(at::empty({4}, at::kFloat), Kernel::kSnake), nullptr);
}

TEST(RowsAligned, LooksAtStartAndLength) {
  const at::Tensor x = at::empty({4, 64}, at::kFloat);
  EXPECT_TRUE(rows_aligned({x, {}}));
  EXPECT_FALSE(rows_aligned({x, x.view({-1}).narrow(0, 1, 64)}));
  EXPECT_TRUE(rows_aligned({x.view({-1}).narrow(0, 4, 64)}));
  EXPECT_FALSE(rows_aligned({at::empty({4, 6}, at::kFloat)}));
  EXPECT_TRUE(rows_aligned({at::empty({4, 8}, at::kBFloat16)}));
  EXPECT_FALSE(vectors_aligned(at::empty({2, 70}, at::kFloat).narrow(1, 0, 64)));
}

}  // namespace
}  // namespace ovi::kernels
