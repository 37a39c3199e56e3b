// The first frame of a GIF, by giflib.
// SPDX-License-Identifier: Apache-2.0
#include <gif_lib.h>

#include <algorithm>
#include <memory>

#include "decoders.h"

namespace ovii2v::picture {
namespace {

/// Which rows of a frame come in one go.
struct Pass {
  int first, step;
};
constexpr Pass kPlain[] = {{0, 1}};
constexpr Pass kInterlaced[] = {{0, 8}, {4, 8}, {2, 4}, {1, 2}};  // GIF89a, appendix E

struct Input {
  Bytes file;
  size_t at = 0;
};

int read(GifFileType* gif, GifByteType* out, int count) {
  auto& input = *static_cast<Input*>(gif->UserData);
  const Bytes part = input.file.part(input.at, static_cast<size_t>(std::max(count, 0)));
  if (part.size()) std::memcpy(out, part.data.data(), part.size());
  input.at += part.size();
  return static_cast<int>(part.size());
}

struct Close {
  void operator()(GifFileType* gif) const { DGifCloseFile(gif, nullptr); }
};
using Gif = std::unique_ptr<GifFileType, Close>;

[[noreturn]] void refuse(const Input& input, int code) {
  if (code == D_GIF_ERR_NOT_ENOUGH_MEM)
    throw Refusal(Outcome::kNoMemory, "it takes more memory than a picture may");
  if (input.at >= input.file.size()) throw Refusal(Outcome::kBroken, "it ends early");
  const char* said = GifErrorString(code);
  throw Refusal(Outcome::kBroken, said ? said : "it is damaged");
}

/// Goes to the first frame; the colour that is seen through, or -1.
int find_frame(GifFileType* gif, const Input& input) {
  int transparent = NO_TRANSPARENT_COLOR;
  for (;;) {
    GifRecordType record;
    if (DGifGetRecordType(gif, &record) == GIF_ERROR) refuse(input, gif->Error);
    if (record == IMAGE_DESC_RECORD_TYPE) break;
    if (record != EXTENSION_RECORD_TYPE) throw Refusal(Outcome::kBroken, "it has no frame");
    int code = 0;
    GifByteType* block = nullptr;
    if (DGifGetExtension(gif, &code, &block) == GIF_ERROR) refuse(input, gif->Error);
    while (block) {
      GraphicsControlBlock control;
      if (code == GRAPHICS_EXT_FUNC_CODE &&
          DGifExtensionToGCB(block[0], block + 1, &control) == GIF_OK)
        transparent = control.TransparentColor;
      if (DGifGetExtensionNext(gif, &block) == GIF_ERROR) refuse(input, gif->Error);
    }
  }
  if (DGifGetImageDesc(gif) == GIF_ERROR) refuse(input, gif->Error);
  return transparent;
}

}  // namespace

Bitmap decode_gif(Bytes file, const Limits& limits) {
  Input input{file};
  int error = 0;
  const Gif gif(DGifOpen(&input, read, &error));
  if (!gif) refuse(input, error);
  const int transparent = find_frame(gif.get(), input);
  const GifImageDesc& frame = gif->Image;
  if (frame.Width <= 0 || frame.Height <= 0)
    throw Refusal(Outcome::kBroken, "its first frame has no pixels");
  Bitmap bitmap = make_bitmap(std::max(gif->SWidth, frame.Left + frame.Width),
                              std::max(gif->SHeight, frame.Top + frame.Height), limits);

  const ColorMapObject* map = frame.ColorMap ? frame.ColorMap : gif->SColorMap;
  uint8_t colors[256][3];
  for (int i = 0; i < 256; ++i) {
    if (!map) {  // shades of grey, as everybody takes it
      std::fill_n(colors[i], 3, static_cast<uint8_t>(i));
      continue;
    }
    const GifColorType color = i < map->ColorCount ? map->Colors[i] : GifColorType{};
    colors[i][0] = color.Red, colors[i][1] = color.Green, colors[i][2] = color.Blue;
  }
  const auto width = static_cast<uint32_t>(frame.Width), height = static_cast<uint32_t>(frame.Height);
  if (width < bitmap.width || height < bitmap.height)
    fill(bitmap, colors[transparent == NO_TRANSPARENT_COLOR ? 0 : transparent & 255]);

  std::vector<GifPixelType> line(static_cast<size_t>(frame.Width));
  const std::span<const Pass> passes =
      frame.Interlace ? std::span<const Pass>(kInterlaced) : std::span<const Pass>(kPlain);
  for (const auto& pass : passes) {
    for (int y = pass.first; y < frame.Height; y += pass.step) {
      if (DGifGetLine(gif.get(), line.data(), frame.Width) == GIF_ERROR) refuse(input, gif->Error);
      uint8_t* out = bitmap.row(static_cast<uint32_t>(frame.Top + y)) + size_t{3} * frame.Left;
      for (const GifPixelType pixel : line) {
        std::memcpy(out, colors[pixel], 3);
        out += 3;
      }
    }
  }
  return bitmap;
}

}  // namespace ovii2v::picture
