// AVIF and HEIC where libheif was not there when this was built.
// SPDX-License-Identifier: Apache-2.0
#include "decoders.h"

namespace ovii2v::picture {

void prepare_heif() {}

Bitmap decode_heif(Bytes, const Limits&) {
  throw Refusal(Outcome::kNoDecoder,
                "ovii2v-picture was built without libheif; install libheif-dev and build it again "
                "with -Dheif=enabled");
}

}  // namespace ovii2v::picture
