// Tells the formats apart by their first bytes, and the usual accidents too.
// SPDX-License-Identifier: Apache-2.0
#include "weights/tensor_source.h"

#include <algorithm>
#include <cctype>
#include <string_view>

#include "runtime/error.h"
#include "weights/mapped_file.h"
#include "weights/safetensors.h"
#include "weights/torch_zip.h"

namespace ovi {

namespace {

using namespace std::string_view_literals;

bool looks_like_html(std::string_view bytes) {
  std::string head(bytes.substr(0, 256));
  if (head.starts_with("\xef\xbb\xbf")) head.erase(0, 3);
  head.erase(0, head.find_first_not_of(" \t\r\n"));
  std::transform(head.begin(), head.end(), head.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return head.starts_with("<!doctype") || head.starts_with("<html") || head.starts_with("<?xml") ||
         head.starts_with("<head");
}

/// Older than torch 1.6: a pickled long integer with this value comes first.
bool looks_like_legacy_torch(std::string_view bytes) {
  return bytes.size() > 14 && bytes[0] == '\x80' &&
         bytes.substr(2, 12) == "\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19"sv;
}

bool is_all_zero(std::string_view bytes) {
  return std::all_of(bytes.begin(), bytes.end(), [](char c) { return c == 0; });
}

[[noreturn]] void refuse(const std::string& path, const std::string& what) {
  throw Error(ErrorKind::kFormat, "'" + path + "' " + what);
}

std::shared_ptr<TensorSource> read_tensors(const std::shared_ptr<const MappedFile>& file) {
  const std::string& path = file->path();
  const std::string_view bytes = file->bytes();
  constexpr size_t kSafetensorsBrace = 8;  // after the header's length

  if (bytes.starts_with("PK\x03\x04")) return read_torch_zip(file);
  if (bytes.starts_with("version https://git-lfs")) {
    refuse(path,
           "is a Git LFS pointer, not the weights it stands for: run 'git lfs pull' in the "
           "folder it came from, or download the file itself.");
  }
  if (looks_like_html(bytes)) {
    refuse(path,
           "is a web page, not a weight file: the download gave an error page or a log-in "
           "page. Download it again.");
  }
  if (looks_like_legacy_torch(bytes)) {
    refuse(path,
           "is in torch's format from before version 1.6. Save it again with a current "
           "torch: torch.save(torch.load(FILE), FILE).");
  }
  if (bytes.starts_with("GGUF")) {
    refuse(path, "is a GGUF file; safetensors or a torch file (.pth, .pt) is needed.");
  }
  if (is_all_zero(bytes.substr(0, 64))) {
    throw Error(ErrorKind::kRead, "'" + path +
                                      "' begins with zeros, as an unfinished download "
                                      "does: download it again.");
  }
  const bool named_safetensors = path.ends_with(".safetensors");
  if (named_safetensors || (bytes.size() > kSafetensorsBrace && bytes[kSafetensorsBrace] == '{')) {
    return read_safetensors(file);
  }
  if (bytes.size() < 4 && "PK\x03\x04"sv.starts_with(bytes)) {
    throw Error(ErrorKind::kRead, "'" + path + "' is truncated: download it again.");
  }
  refuse(path, "is neither a safetensors file nor a torch file (.pth, .pt).");
}

}  // namespace

void TensorSource::read(const std::string& name, int64_t first, at::Tensor to) const {
  const at::Tensor stored = view(name);
  if (stored.is_contiguous() || stored.dim() == 0) {
    to.copy_(stored.reshape({-1}).narrow(0, first, to.numel()));
    check();
    return;
  }
  // Only the rows that are asked for are made contiguous.
  const int64_t row = std::max<int64_t>(stored.numel() / stored.size(0), 1);
  const int64_t begin = first / row, end = (first + to.numel() + row - 1) / row;
  to.copy_(stored.narrow(0, begin, end - begin)
               .reshape({-1})
               .narrow(0, first - begin * row, to.numel()));
  check();
}

std::shared_ptr<TensorSource> open_tensors(const std::string& path) {
  const FaultsTaken faults;
  const auto file = MappedFile::open(path);
  try {
    std::shared_ptr<TensorSource> tensors = read_tensors(file);
    file->check();
    return tensors;
  } catch (const Error&) {
    file->check();  // what became of the file meanwhile says more than what is wrong in it
    throw;
  }
}

}  // namespace ovi
