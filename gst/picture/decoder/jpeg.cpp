// JPEG by libjpeg-turbo.
// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <csetjmp>
#include <cstdio>

#include <jpeglib.h>  // needs cstdio before it

#include <jerror.h>

#include "decoders.h"
#include "orientation.h"

namespace ovii2v::picture {
namespace {

/// Encoders write about ten; each costs a pass over the whole picture, some nanoseconds a pixel.
constexpr uint64_t kMostPasses = 800'000'000;  // pixels of all scans
constexpr uint64_t kFewScans = 20, kManyScans = 200;
constexpr JOCTET kEndOfImage[] = {0xFF, JPEG_EOI};
constexpr int kApp1 = JPEG_APP0 + 1;

/// libjpeg leaves by longjmp(), so there is nothing in here that needs a destructor, and no
/// function that calls setjmp() has such a thing either.
struct Decompressor {
  jpeg_decompress_struct jpeg;
  jpeg_error_mgr errors;
  jpeg_progress_mgr progress;
  jmp_buf left;
  char message[JMSG_LENGTH_MAX];
  int error;   // libjpeg's code
  bool ended;  // the file is over
  bool cut;    // and more of it was needed
  bool many_scans;
};

Decompressor& self_of(j_common_ptr jpeg) { return *static_cast<Decompressor*>(jpeg->client_data); }

void leave(j_common_ptr jpeg) {
  Decompressor& self = self_of(jpeg);
  self.error = jpeg->err->msg_code;
  jpeg->err->format_message(jpeg, self.message);
  longjmp(self.left, 1);
}

/// PIL, like every viewer, shows what damaged entropy coding gives, but for bits that are missing
/// behind the file's end.
void warn(j_common_ptr jpeg, int level) {
  Decompressor& self = self_of(jpeg);
  if (level < 0 && jpeg->err->msg_code == JWRN_HIT_MARKER && self.ended) self.cut = true;
}

void count_scans(j_common_ptr jpeg) {
  Decompressor& self = self_of(jpeg);
  const uint64_t pixels = uint64_t{self.jpeg.image_width} * self.jpeg.image_height;
  const uint64_t most = std::clamp(kMostPasses / (pixels + 1), kFewScans, kManyScans);
  if (static_cast<uint64_t>(self.jpeg.input_scan_number) <= most) return;
  self.many_scans = true;
  longjmp(self.left, 1);
}

/// The file is over: the end marker that it may lack is put in. Of a scan that is read all rows of
/// blocks but the last one must have been there.
boolean end(j_decompress_ptr jpeg) {
  Decompressor& self = self_of(reinterpret_cast<j_common_ptr>(jpeg));
  self.ended = true;
  if (jpeg->input_iMCU_row + 1 < jpeg->total_iMCU_rows) self.cut = true;
  jpeg->src->next_input_byte = kEndOfImage;
  jpeg->src->bytes_in_buffer = sizeof kEndOfImage;
  return TRUE;
}

/// Whether a file without an end marker lacks scans: of a component, or of its lower bits.
bool lacks_scans(const jpeg_decompress_struct& jpeg) {
  for (int c = 0; c < jpeg.num_components; ++c) {
    if (!jpeg.comp_info[c].quant_table) return true;
    for (int k = 0; jpeg.coef_bits && k < DCTSIZE2; ++k)
      if (jpeg.coef_bits[c][k] != 0) return true;
  }
  return false;
}

bool read_head(Decompressor& self, Bytes file) {
  self.jpeg.err = jpeg_std_error(&self.errors);
  self.errors.error_exit = leave;
  self.errors.emit_message = warn;
  self.jpeg.client_data = &self;
  if (setjmp(self.left)) return false;
  jpeg_create_decompress(&self.jpeg);
  self.progress.progress_monitor = count_scans;
  self.jpeg.progress = &self.progress;
  jpeg_mem_src(&self.jpeg, file.data.data(), static_cast<unsigned long>(file.size()));
  self.jpeg.src->fill_input_buffer = end;
  jpeg_save_markers(&self.jpeg, kApp1, 0xFFFF);
  jpeg_read_header(&self.jpeg, TRUE);
  // What it makes of the others is what PIL asks it for.
  const bool inks =
      self.jpeg.jpeg_color_space == JCS_CMYK || self.jpeg.jpeg_color_space == JCS_YCCK;
  self.jpeg.out_color_space = inks ? JCS_CMYK : JCS_RGB;
  return true;
}

/// `row` has room for four bytes a pixel.
bool read_pixels(Decompressor& self, uint8_t* rgb, uint8_t* row) {
  if (setjmp(self.left)) return false;
  jpeg_start_decompress(&self.jpeg);
  if (self.ended && lacks_scans(self.jpeg)) self.cut = true;
  const size_t width = self.jpeg.output_width;
  while (!self.cut && self.jpeg.output_scanline < self.jpeg.output_height) {
    uint8_t* const line = rgb + 3 * width * self.jpeg.output_scanline;
    JSAMPROW out = self.jpeg.out_color_space == JCS_CMYK ? row : line;
    jpeg_read_scanlines(&self.jpeg, &out, 1);
    if (out == row) {
      // Adobe stores ink upside down, and nobody else stores ink.
      for (size_t i = 0; i < 4 * width; ++i) row[i] = static_cast<uint8_t>(255 - row[i]);
      cmyk_to_rgb(row, line, width);
    }
  }
  return true;
}

int orientation(const jpeg_decompress_struct& jpeg) {
  constexpr std::string_view kXmp("http://ns.adobe.com/xap/1.0/\0", 29);
  int exif = 0, xmp = 0;
  bool seen = false;  // the first EXIF block is the picture's
  for (auto* marker = jpeg.marker_list; marker; marker = marker->next) {
    const Bytes bytes{{marker->data, marker->data_length}};
    if (marker->marker != kApp1) continue;
    if (!seen && bytes.starts(0, {"Exif\0\0", 6})) seen = true, exif = exif_orientation(bytes);
    if (!xmp && bytes.starts(0, kXmp)) xmp = xmp_orientation(bytes.text());
  }
  return orientation_of(exif, xmp);
}

[[noreturn]] void refuse(const Decompressor& self) {
  if (self.many_scans)
    throw Refusal(Outcome::kTooLarge, "it has dozens of scans, more than are read");
  if (self.ended || self.cut) throw Refusal(Outcome::kBroken, "it ends early");
  const std::string said = self.message;
  switch (self.error) {
    case JERR_OUT_OF_MEMORY:
      throw Refusal(Outcome::kNoMemory, said);
    case JERR_BAD_PRECISION:
    case JERR_SOF_UNSUPPORTED:
    case JERR_CONVERSION_NOTIMPL:
    case JERR_FRACT_SAMPLE_NOTIMPL:
    case JERR_CCIR601_NOTIMPL:
    case JERR_NOT_COMPILED:
    case JERR_ARITH_NOTIMPL:
      throw Refusal(Outcome::kNoDecoder, "it is a JPEG of a rare kind (" + said + ")");
    default:
      throw Refusal(Outcome::kBroken, said);
  }
}

}  // namespace

Bitmap decode_jpeg(Bytes file, const Limits& limits) {
  Decompressor self{};
  struct Guard {
    jpeg_decompress_struct& jpeg;
    ~Guard() { jpeg_destroy_decompress(&jpeg); }
  } guard{self.jpeg};
  const bool known = read_head(self, file);
  if (self.jpeg.image_width && self.jpeg.image_height)
    check_size(self.jpeg.image_width, self.jpeg.image_height, limits);
  if (!known) refuse(self);
  Bitmap bitmap = make_bitmap(self.jpeg.image_width, self.jpeg.image_height, limits);
  bitmap.orientation = orientation(self.jpeg);
  std::vector<uint8_t> row(size_t{4} * bitmap.width);
  if (!read_pixels(self, bitmap.rgb.data(), row.data()) || self.cut) refuse(self);
  return bitmap;
}

}  // namespace ovii2v::picture
