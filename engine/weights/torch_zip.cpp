// Joins the pickle's description of each tensor with the record of its storage.
// SPDX-License-Identifier: Apache-2.0
#include "weights/torch_zip.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "runtime/error.h"
#include "weights/file_tensors.h"
#include "weights/pickle.h"
#include "weights/zip_directory.h"

namespace ovi {

namespace {

ZipDirectory::Record storage_of(const pickle::Tensor& tensor, const ZipDirectory& archive,
                                const std::string& path) {
  const std::string name = "data/" + tensor.storage;
  if (!archive.has(name)) {
    throw Error(
        ErrorKind::kRead,
        "'" + path + "' lacks the values of tensor '" + tensor.name + "': download it again.",
        "no record " + name);
  }
  return archive.record(name);
}

TensorPlace place_of(const pickle::Tensor& tensor, const ZipDirectory::Record& record,
                     const std::string& path) {
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

}  // namespace

std::shared_ptr<TensorSource> read_torch_zip(std::shared_ptr<const MappedFile> file) {
  const ZipDirectory archive(file);
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
  // A copy: another program may write to the file meanwhile.
  const std::string text(archive.bytes("data.pkl").substr(0, pickle::kMaxBytes + 1));
  auto tensors = std::make_shared<FileTensors>(file);
  for (pickle::Tensor& tensor : pickle::read_state_dict(text, file->path())) {
    TensorPlace place = place_of(tensor, storage_of(tensor, archive, file->path()), file->path());
    tensors->add({std::move(tensor.name), tensor.dtype, std::move(tensor.shape)}, std::move(place));
  }
  return tensors;
}

}  // namespace ovi
