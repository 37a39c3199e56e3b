// LibTorch reads the zip's directory, from the same mapping the tensors come
// from; the pickle and the bounds of every record are looked at here.
// SPDX-License-Identifier: Apache-2.0
#include "weights/torch_zip.h"

#include <c10/util/Exception.h>
#include <caffe2/serialize/inline_container.h>
#include <caffe2/serialize/read_adapter_interface.h>

#include <algorithm>
#include <cstring>
#include <stdexcept>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "runtime/error.h"
#include "weights/file_tensors.h"
#include "weights/pickle.h"

namespace ovi {

namespace {

class MappedReader : public caffe2::serialize::ReadAdapterInterface {
 public:
  explicit MappedReader(std::shared_ptr<const MappedFile> file) : file_(std::move(file)) {}
  size_t size() const override { return file_->size(); }
  size_t read(uint64_t at, void* into, size_t count, const char*) const override {
    if (at >= file_->size()) return 0;
    count = std::min<size_t>(count, file_->size() - at);
    std::memcpy(into, file_->data() + at, count);
    return count;
  }

 private:
  std::shared_ptr<const MappedFile> file_;
};

struct Record {
  uint64_t offset, size;  // bytes, within the file
};

class Archive {
 public:
  explicit Archive(std::shared_ptr<const MappedFile> file)
      : file_(std::move(file)), reader_(std::make_shared<MappedReader>(file_)) {}

  bool has(const std::string& name) { return reader_.hasRecord(name); }

  Record record(const std::string& name) {
    constexpr uint64_t kLocalHeaderBytes = 30, kMethodAt = 8;  // APPNOTE 4.3.7
    const uint64_t header = reader_.getRecordHeaderOffset(name);
    const Record found{reader_.getRecordOffset(name), reader_.getRecordSize(name)};
    const uint64_t size = file_->size();
    if (size < kLocalHeaderBytes || header > size - kLocalHeaderBytes || found.offset > size ||
        found.size > size - found.offset) {
      throw Error(ErrorKind::kRead,
                  "'" + file_->path() + "' is truncated or damaged: download it again.",
                  "record " + name + " lies outside the file");
    }
    const uint8_t* method = file_->data() + header + kMethodAt;
    if (method[0] != 0 || method[1] != 0) {
      throw Error(ErrorKind::kFormat,
                  "'" + file_->path() + "' was packed again by a zip program; its tensors are " +
                      "compressed. Use the original file, or save it again with torch.save.",
                  "record " + name);
    }
    return found;
  }

  std::string_view bytes(const std::string& name) {
    const Record found = record(name);
    return file_->bytes().substr(found.offset, found.size);
  }

 private:
  std::shared_ptr<const MappedFile> file_;
  caffe2::serialize::PyTorchStreamReader reader_;
};

/// The record's offset for each storage, looked up once.
class Storages {
 public:
  Storages(Archive& archive, const std::string& path) : archive_(archive), path_(path) {}

  const Record& of(const pickle::Tensor& tensor) {
    const auto known = records_.find(tensor.storage);
    if (known != records_.end()) return known->second;
    const std::string name = "data/" + tensor.storage;
    if (!archive_.has(name)) {
      throw Error(
          ErrorKind::kRead,
          "'" + path_ + "' lacks the values of tensor '" + tensor.name + "': download it again.",
          "no record " + name);
    }
    return records_.emplace(tensor.storage, archive_.record(name)).first->second;
  }

 private:
  Archive& archive_;
  const std::string& path_;
  std::unordered_map<std::string, Record> records_;
};

TensorPlace place_of(const pickle::Tensor& tensor, const Record& record, const std::string& path) {
  const std::string what = "Tensor '" + tensor.name + "' of '" + path + "'";
  const uint64_t element = c10::elementSize(tensor.dtype);
  const uint64_t available = std::min(record.size, tensor.storage_bytes) / element;
  const uint64_t span = span_in_elements(tensor.shape, tensor.strides, element, what);
  if (tensor.storage_bytes > record.size || tensor.offset > available ||
      span > available - tensor.offset) {
    throw Error(ErrorKind::kFormat,
                what + " reaches past the bytes stored for it: the file is " +
                    "damaged, download it again.",
                "offset " + std::to_string(tensor.offset) + " and " + std::to_string(span) +
                    " elements, stored " + std::to_string(record.size) + " bytes, announced " +
                    std::to_string(tensor.storage_bytes));
  }
  return {record.offset + tensor.offset * element, tensor.strides};
}

std::shared_ptr<TensorSource> read(const std::shared_ptr<const MappedFile>& file) {
  Archive archive(file);
  if (!archive.has("data.pkl")) {
    throw Error(ErrorKind::kFormat, "'" + file->path() +
                                        "' is a zip, but not one that torch.save " +
                                        "wrote (no data.pkl in it).");
  }
  if (archive.has("constants.pkl")) {
    throw Error(ErrorKind::kFormat, "'" + file->path() + "' is a TorchScript program; the state " +
                                        "dict is needed (torch.save(model.state_dict(), ...)).");
  }
  if (archive.has("byteorder") && archive.bytes("byteorder") != "little") {
    throw Error(ErrorKind::kFormat, "'" + file->path() + "' was saved on a big-endian machine; " +
                                        "save it again on a little-endian one.");
  }
  auto tensors = std::make_shared<FileTensors>(file);
  Storages storages(archive, file->path());
  for (pickle::Tensor& tensor : pickle::read_state_dict(archive.bytes("data.pkl"), file->path())) {
    TensorPlace place = place_of(tensor, storages.of(tensor), file->path());
    tensors->add({std::move(tensor.name), tensor.dtype, std::move(tensor.shape)}, std::move(place));
  }
  return tensors;
}

/// LibTorch gives one kind of error for a broken archive and for any other zip.
/// torch.save writes its pickle first, so the first record's name tells.
[[noreturn]] void explain(const MappedFile& file, const std::string& reason) {
  constexpr size_t kNameLengthAt = 26, kNameAt = 30;  // APPNOTE 4.3.7
  if (file.size() > kNameAt) {
    const size_t length = file.data()[kNameLengthAt] | file.data()[kNameLengthAt + 1] << 8;
    const std::string_view name = file.bytes().substr(kNameAt, length);
    if (name.size() == length && !name.ends_with("data.pkl")) {
      throw Error(ErrorKind::kFormat,
                  "'" + file.path() + "' is a zip, but not one that torch.save wrote.", reason);
    }
  }
  throw Error(ErrorKind::kRead, "'" + file.path() + "' is truncated or damaged: download it again.",
              reason);
}

}  // namespace

std::shared_ptr<TensorSource> read_torch_zip(std::shared_ptr<const MappedFile> file) {
  try {
    return read(file);
  } catch (const c10::Error& error) {
    explain(*file, error.what_without_backtrace());
  } catch (const std::logic_error& error) {  // a record that should be a number is none
    explain(*file, error.what());
  }
}

}  // namespace ovi
