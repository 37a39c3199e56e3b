// The previews of one clip on their way to whoever takes it.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/core/Tensor.h>
#include <c10/core/Device.h>

#include <cstdint>
#include <deque>

#include "pipeline/denoise.h"
#include "pipeline/generator.h"
#include "pipeline/preview_painter.h"
#include "runtime/host_copies.h"

namespace ovi {

/// Nothing is waited for while steps are given to the device: a picture is handed on with a later
/// step, once it is on the host.
class PreviewPictures {
 public:
  /// `latents`: of the video, of which the one in the middle is shown; of `request` counts how
  /// often.
  PreviewPictures(ClipSink& sink, PreviewPainter painter, const c10::Device& device,
                  const Request& request, int64_t latents, int64_t steps);
  PreviewPictures(const PreviewPictures&) = delete;
  PreviewPictures& operator=(const PreviewPictures&) = delete;

  /// For denoise().
  const Peek& peek() const { return peek_; }
  /// With `all` waits for those that are not there yet.
  void hand_on(bool all);

 private:
  struct Leaving {
    int64_t step;
    HostCopy rgb;
  };

  ClipSink& sink_;
  PreviewPainter painter_;
  HostCopies copies_;
  int64_t steps_;
  Peek peek_;
  std::deque<Leaving> leaving_;
};

}  // namespace ovi
