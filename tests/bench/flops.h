// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "pipeline/frame_size.h"
#include "pipeline/request.h"
#include "weights/model_folder.h"
#include "weights/tensor_source.h"

namespace ovi::bench {

/// Multiplications and additions (2 each) of the matrix products and attentions in
/// all steps, as this engine computes them; elementwise work is not counted, nor are steps
/// that run no block.
double denoise_flops(const TensorSource& fusion, const VariantSpec& spec, const FrameSize& size,
                     const Request& request, const StepPolicy::Counts& steps);

}  // namespace ovi::bench
