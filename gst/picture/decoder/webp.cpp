// WebP by libwebp.
// SPDX-License-Identifier: Apache-2.0
#include <webp/decode.h>
#include <webp/demux.h>

#include <memory>

#include "decoders.h"
#include "orientation.h"

namespace ovii2v::picture {
namespace {

struct Close {
  void operator()(WebPDemuxer* demuxer) const { WebPDemuxDelete(demuxer); }
  void operator()(WebPAnimDecoder* decoder) const { WebPAnimDecoderDelete(decoder); }
};
using Demuxer = std::unique_ptr<WebPDemuxer, Close>;

Bytes chunk(const Demuxer& demuxer, const char* name) {
  WebPChunkIterator found{};
  Bytes bytes;
  if (WebPDemuxGetChunk(demuxer.get(), name, 1, &found))
    bytes = {{found.chunk.bytes, found.chunk.size}};
  WebPDemuxReleaseChunkIterator(&found);
  return bytes;
}

/// The canvas with the first frame on it.
void decode_animation(Bytes file, Bitmap& bitmap) {
  WebPAnimDecoderOptions options;
  if (!WebPAnimDecoderOptionsInit(&options))
    throw Refusal(Outcome::kFailed, "libwebp is of another version than it was built for");
  options.color_mode = MODE_RGBA;
  const WebPData data{file.data.data(), file.size()};
  const std::unique_ptr<WebPAnimDecoder, Close> decoder(WebPAnimDecoderNew(&data, &options));
  uint8_t* canvas = nullptr;
  int time = 0;  // ms
  if (!decoder || !WebPAnimDecoderGetNext(decoder.get(), &canvas, &time))
    throw Refusal(Outcome::kBroken, "its first frame is damaged");
  for (size_t i = 0; i < size_t{bitmap.width} * bitmap.height; ++i)
    std::memcpy(&bitmap.rgb[3 * i], canvas + 4 * i, 3);
}

}  // namespace

Bitmap decode_webp(Bytes file, const Limits& limits) {
  constexpr const char* kEarly = "it ends early";
  WebPBitstreamFeatures features;
  const VP8StatusCode status = WebPGetFeatures(file.data.data(), file.size(), &features);
  if (status != VP8_STATUS_OK)
    throw Refusal(Outcome::kBroken,
                  status == VP8_STATUS_NOT_ENOUGH_DATA ? kEarly : "its head is damaged");
  Bitmap bitmap = make_bitmap(features.width, features.height, limits);
  // Its length is that of what follows "RIFF" and itself.
  const Bytes riff{file.data, true};
  if (riff.u32(4) > file.size() - std::min<size_t>(file.size(), 8))
    throw Refusal(Outcome::kBroken, kEarly);

  const WebPData data{file.data.data(), file.size()};
  const Demuxer demuxer(WebPDemux(&data));
  if (demuxer)
    bitmap.orientation = orientation_of(exif_orientation(chunk(demuxer, "EXIF")),
                                        xmp_orientation(chunk(demuxer, "XMP ").text()));
  if (features.has_animation) {
    decode_animation(file, bitmap);
    return bitmap;
  }
  WebPDecoderConfig config;
  if (!WebPInitDecoderConfig(&config))
    throw Refusal(Outcome::kFailed, "libwebp is of another version than it was built for");
  config.output.colorspace = MODE_RGB;
  config.output.is_external_memory = 1;
  config.output.u.RGBA.rgba = bitmap.rgb.data();
  config.output.u.RGBA.stride = static_cast<int>(3 * bitmap.width);
  config.output.u.RGBA.size = bitmap.rgb.size();
  switch (WebPDecode(file.data.data(), file.size(), &config)) {
    case VP8_STATUS_OK:
      return bitmap;
    case VP8_STATUS_OUT_OF_MEMORY:
      throw Refusal(Outcome::kNoMemory, "it takes more memory than a picture may");
    case VP8_STATUS_NOT_ENOUGH_DATA:
      throw Refusal(Outcome::kBroken, kEarly);
    default:
      throw Refusal(Outcome::kBroken, "its pixels are damaged");
  }
}

}  // namespace ovii2v::picture
