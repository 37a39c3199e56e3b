// SPDX-License-Identifier: Apache-2.0
#include "pipeline/first_frame.h"

#include <ATen/ops/upsample_bicubic2d.h>

namespace ovi {

at::Tensor prepare_first_frame(const at::Tensor& rgb, const FrameSize& size) {
  at::Tensor image = rgb.permute({2, 0, 1}).unsqueeze(0).to(at::kFloat).contiguous();
  image.div_(255.0).mul_(2.0).sub_(1.0);
  if (image.size(2) == size.height && image.size(3) == size.width) return image;
  return at::upsample_bicubic2d(image, {size.height, size.width}, false);
}

}  // namespace ovi
