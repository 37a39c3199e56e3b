// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "pipeline/frame_size.h"
#include "pipeline/request.h"
#include "weights/model_folder.h"
#include "weights/tensor_source.h"

namespace ovi::bench {

/// Multiplications and additions (2 each) of the matrix products and attentions in
/// all steps, as this engine computes them; elementwise work is not counted.
double denoise_flops(const TensorSource& fusion, const VariantSpec& spec, const FrameSize& size,
                     const Request& request);

}  // namespace ovi::bench
