// PNG by libpng.
// SPDX-License-Identifier: Apache-2.0
#include <png.h>

#include <algorithm>
#include <csetjmp>
#include <iterator>

#include "decoders.h"
#include "orientation.h"

namespace ovii2v::picture {
namespace {

/// Of texts and profiles, each; an XMP packet or an EXIF block is some ten kilobytes.
constexpr png_alloc_size_t kMostChunkBytes = 4 << 20;
constexpr std::string_view kEarly = "it ends early";

/// libpng leaves by longjmp(): nothing in here has a destructor.
struct Reader {
  png_structp png;
  png_infop info;
  const std::vector<Bytes>* pieces;
  size_t piece, at;  // where it is: a piece, and a byte of it
  char message[200];
  bool ended;
};

void leave(png_structp png, png_const_charp message) {
  auto& self = *static_cast<Reader*>(png_get_error_ptr(png));
  std::strncpy(self.message, message, sizeof self.message - 1);
  png_longjmp(png, 1);
}

void ignore(png_structp, png_const_charp) {}

void read(png_structp png, png_bytep out, size_t count) {
  auto& self = *static_cast<Reader*>(png_get_io_ptr(png));
  while (count) {
    if (self.piece == self.pieces->size()) {
      self.ended = true;
      png_error(png, kEarly.data());
    }
    const Bytes part = (*self.pieces)[self.piece].part(self.at, count);
    if (part.size()) std::memcpy(out, part.data.data(), part.size());
    out += part.size(), count -= part.size(), self.at += part.size();
    if (count) ++self.piece, self.at = 0;
  }
}

/// The one chunk after which nothing follows.
constexpr uint8_t kEnd[] = {0, 0, 0, 0, 'I', 'E', 'N', 'D', 0xAE, 0x42, 0x60, 0x82};
constexpr uint8_t kNoChecksum[4] = {};

/// Texts that say which way up a picture is.
constexpr std::string_view kTurns[] = {"Raw profile type exif", "Raw profile type APP1",
                                       "XML:com.adobe.xmp"};
constexpr size_t kExif = std::size(kTurns), kNoTurn = kExif + 1;

/// Which of kTurns a chunk is, kExif for EXIF of its own.
size_t turn_in(const Bytes& file, size_t at, size_t length) {
  if (file.starts(at + 4, "eXIf")) return kExif;
  if (!file.starts(at + 4, "tEXt") && !file.starts(at + 4, "zTXt") && !file.starts(at + 4, "iTXt"))
    return kNoTurn;
  const std::string_view content = file.part(at + 8, length).text();
  const std::string_view key = content.substr(0, content.find('\0'));
  const auto* found = std::find(std::begin(kTurns), std::end(kTurns), key);
  return found == std::end(kTurns) ? kNoTurn : static_cast<size_t>(found - kTurns);
}

/// The pieces of a file that libpng gets: what makes the pixels and what turns them. It would
/// inflate every text and profile, 4 MiB each, and allocates what a chunk says that it is before it
/// reads any of it. A file that ends behind its pixels, without an end or a checksum there, gets
/// those.
std::vector<Bytes> chunks_of(const Bytes& file) {
  constexpr size_t kSignature = 8, kHead = 8, kChecksum = 4;
  size_t last[kNoTurn] = {};  // where that begins, as PIL takes the last of each; 0: none
  auto each = [&file](auto take) {
    for (size_t at = kSignature; file.has(at, kHead);) {
      const size_t length = file.u32(at);
      if (!file.has(at + kHead, length)) throw Refusal(Outcome::kBroken, std::string(kEarly));
      take(at, length);
      if (file.starts(at + 4, "IEND")) break;
      at += kHead + length + kChecksum;
    }
  };
  each([&](size_t at, size_t length) {
    if (const size_t turn = turn_in(file, at, length); turn != kNoTurn) last[turn] = at;
  });
  std::vector<Bytes> pieces{file.part(0, kSignature)};
  bool ends = false;
  each([&](size_t at, size_t length) {
    const bool critical = !(file.u8(at + 4) & 0x20);
    const bool wanted = critical || file.starts(at + 4, "tRNS") ||
                        std::find(std::begin(last), std::end(last), at) != std::end(last);
    ends |= file.starts(at + 4, "IEND");
    if (!wanted) return;
    const Bytes piece = file.part(at, kHead + length + kChecksum);
    const size_t missing = kHead + length + kChecksum - piece.size();
    if (missing && !critical) throw Refusal(Outcome::kBroken, std::string(kEarly));
    Bytes& before = pieces.back();
    if (before.data.data() + before.size() == piece.data.data())
      before.data = {before.data.data(), before.size() + piece.size()};
    else
      pieces.push_back(piece);
    if (missing) pieces.push_back({{kNoChecksum, missing}});
  });
  if (!ends) pieces.push_back({kEnd});
  return pieces;
}

bool open(Reader& self) {
  self.png = png_create_read_struct(PNG_LIBPNG_VER_STRING, &self, leave, ignore);
  if (!self.png) return false;
  self.info = png_create_info_struct(self.png);
  return self.info;
}

bool read_head(Reader& self) {
  if (setjmp(png_jmpbuf(self.png))) return false;
  png_set_read_fn(self.png, &self, read);
  // Sizes are this program's own to judge, before anything of that size is allocated.
  png_set_user_limits(self.png, PNG_UINT_31_MAX, PNG_UINT_31_MAX);
  png_set_chunk_malloc_max(self.png, kMostChunkBytes);
  png_read_info(self.png, self.info);
  return true;
}

bool read_pixels(Reader& self, png_bytepp rows) {
  if (setjmp(png_jmpbuf(self.png))) return false;
  // The pixels have one within, too, which counts; PIL does not look at that of their chunks.
  png_set_crc_action(self.png, PNG_CRC_QUIET_USE, PNG_CRC_QUIET_USE);
  png_set_strip_16(self.png);
  png_set_expand(self.png);  // palettes, 1 to 4 bits, tRNS
  png_set_gray_to_rgb(self.png);
  png_set_strip_alpha(self.png);
  png_set_interlace_handling(self.png);
  png_read_update_info(self.png, self.info);
  png_read_image(self.png, rows);
  png_read_end(self.png, self.info);
  return true;
}

int orientation(const Reader& self) {
  int exif = 0, xmp = 0;
  png_bytep block = nullptr;
  png_uint_32 size = 0;
  if (png_get_eXIf_1(self.png, self.info, &size, &block) && block)
    exif = exif_orientation({{block, size}});
  png_textp texts = nullptr;
  int count = 0;
  png_get_text(self.png, self.info, &texts, &count);
  for (int i = 0; i < count; ++i) {
    const std::string_view key = texts[i].key;
    const size_t length = texts[i].compression >= PNG_ITXT_COMPRESSION_NONE ? texts[i].itxt_length
                                                                            : texts[i].text_length;
    const std::string_view text(texts[i].text ? texts[i].text : "", texts[i].text ? length : 0);
    if (!exif && (key == "Raw profile type exif" || key == "Raw profile type APP1"))
      exif = raw_profile_orientation(text);
    if (!xmp && key == "XML:com.adobe.xmp") xmp = xmp_orientation(text);
  }
  return orientation_of(exif, xmp);
}

[[noreturn]] void refuse(const Reader& self) {
  const std::string_view said = self.message;
  if (self.ended) throw Refusal(Outcome::kBroken, std::string(kEarly));
  if (said.empty() || said.find("emory") != said.npos)
    throw Refusal(Outcome::kNoMemory, "it takes more memory than a picture may");
  throw Refusal(Outcome::kBroken, std::string(said));
}

}  // namespace

Bitmap decode_png(Bytes file, const Limits& limits) {
  // Before its checksums: how large a picture says it is, is told in any case.
  if (file.starts(12, "IHDR")) check_size(file.u32(16), file.u32(20), limits);
  const std::vector<Bytes> pieces = chunks_of(file);
  Reader self{};
  self.pieces = &pieces;
  struct Guard {
    Reader& self;
    ~Guard() { png_destroy_read_struct(&self.png, &self.info, nullptr); }
  } guard{self};
  if (!open(self) || !read_head(self)) refuse(self);
  Bitmap bitmap = make_bitmap(png_get_image_width(self.png, self.info),
                              png_get_image_height(self.png, self.info), limits);
  std::vector<png_bytep> rows(bitmap.height);
  for (uint32_t y = 0; y < bitmap.height; ++y) rows[y] = bitmap.row(y);
  if (!read_pixels(self, rows.data())) refuse(self);
  bitmap.orientation = orientation(self);
  return bitmap;
}

}  // namespace ovii2v::picture
