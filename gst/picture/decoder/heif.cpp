// AVIF and HEIC by libheif, which applies rotation, mirroring and cropping itself.
// SPDX-License-Identifier: Apache-2.0
#include <libheif/heif.h>

#include <memory>

#include "decoders.h"

namespace ovii2v::picture {
namespace {

struct Close {
  void operator()(heif_context* context) const { heif_context_free(context); }
  void operator()(heif_image_handle* handle) const { heif_image_handle_release(handle); }
  void operator()(heif_image* image) const { heif_image_release(image); }
  void operator()(heif_decoding_options* options) const { heif_decoding_options_free(options); }
};

void pass(const heif_error& error) {
  if (error.code == heif_error_Ok) return;
  const std::string said = error.message ? error.message : "it is damaged";
  if (error.code == heif_error_Unsupported_filetype ||
      error.code == heif_error_Unsupported_feature || error.code == heif_error_Plugin_loading_error)
    throw Refusal(Outcome::kNoDecoder,
                  said +
                      "; libheif takes its decoders from libheif1, or from libheif-plugin-dav1d "
                      "(AVIF) and libheif-plugin-libde265 (HEIC)");
  if (error.code == heif_error_Memory_allocation_error) throw Refusal(Outcome::kNoMemory, said);
  throw Refusal(Outcome::kBroken, said);
}

}  // namespace

void prepare_heif() {
#if LIBHEIF_HAVE_VERSION(1, 13, 0)
  heif_init(nullptr);
#endif
}

Bitmap decode_heif(Bytes file, const Limits& limits) {
  const std::unique_ptr<heif_context, Close> context(heif_context_alloc());
  if (!context) throw std::bad_alloc();
  pass(heif_context_read_from_memory_without_copy(context.get(), file.data.data(), file.size(),
                                                  nullptr));
  heif_image_handle* found = nullptr;
  pass(heif_context_get_primary_image_handle(context.get(), &found));
  const std::unique_ptr<heif_image_handle, Close> handle(found);
  auto side = [](int pixels) { return static_cast<uint64_t>(std::max(pixels, 0)); };
  check_size(side(heif_image_handle_get_width(handle.get())),
             side(heif_image_handle_get_height(handle.get())), limits);

  const std::unique_ptr<heif_decoding_options, Close> options(heif_decoding_options_alloc());
  if (!options) throw std::bad_alloc();
  options->convert_hdr_to_8bit = 1;
  heif_image* decoded = nullptr;
  pass(heif_decode_image(handle.get(), &decoded, heif_colorspace_RGB, heif_chroma_interleaved_RGB,
                         options.get()));
  const std::unique_ptr<heif_image, Close> image(decoded);
  int stride = 0;
  const uint8_t* pixels =
      heif_image_get_plane_readonly(image.get(), heif_channel_interleaved, &stride);
  if (!pixels || stride <= 0) throw Refusal(Outcome::kBroken, "it has no colours");
  Bitmap bitmap =
      make_bitmap(side(heif_image_get_width(image.get(), heif_channel_interleaved)),
                  side(heif_image_get_height(image.get(), heif_channel_interleaved)), limits);
  for (uint32_t y = 0; y < bitmap.height; ++y)
    std::memcpy(bitmap.row(y), pixels + size_t(stride) * y, size_t{3} * bitmap.width);
  return bitmap;
}

}  // namespace ovii2v::picture
