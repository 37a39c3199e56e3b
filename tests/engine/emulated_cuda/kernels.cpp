// libovii2v-cuda's sources, compiled for the emulated device.
// SPDX-License-Identifier: Apache-2.0
#include "emulated_cuda.h"

// A GPU's branches are compiled, not the host's.
#define __CUDACC__ 13
#define __CUDA_ARCH__ 900
#include "kernels/channel_norm.cu"
#include "kernels/cuda_table.cu"
#include "kernels/float8_rows.cu"
#include "kernels/gated_add.cu"
#include "kernels/layer_norm.cu"
#include "kernels/pack_pixels.cu"
#include "kernels/rms_norm_rope.cu"
#include "kernels/snake.cu"
