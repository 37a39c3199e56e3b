// What a clip computes, counted from the sizes in the files: operations of matrix products,
// attentions and convolutions, and the bytes of what is done element by element.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "pipeline/frame_size.h"
#include "pipeline/model_sources.h"
#include "pipeline/request.h"
#include "runtime/device.h"
#include "weights/model_folder.h"

namespace ovi {

/// Multiplications and additions (2 each), and bytes read and written.
struct Work {
  double matmul = 0, attention = 0, convolution = 0, bytes = 0;

  double operations() const { return matmul + attention + convolution; }
  Work& operator+=(const Work& other);
  Work operator*(double times) const;
};

struct ClipWork {
  Work text, image, denoise, sound, video;
};

/// Of all steps, as this engine computes them; steps that run no block count nothing. `dtype`: of
/// the activations.
Work denoise_work(const TensorSource& fusion, const VariantSpec& spec, const FrameSize& size,
                  const Request& request, const StepPolicy::Counts& steps, at::ScalarType dtype);

/// Of a whole clip; `decode` is the type in which frames are decoded. Texts are of a usual length.
ClipWork clip_work(const ModelSources& sources, const VariantSpec& spec, const FrameSize& size,
                   const Request& request, const StepPolicy::Counts& steps, at::ScalarType dtype,
                   at::ScalarType decode);

}  // namespace ovi
