// The whitelist: names that torch.save writes for a state dict.
// SPDX-License-Identifier: Apache-2.0
#include "weights/pickle_globals.h"

#include <string>
#include <unordered_map>

namespace ovi::pickle {

namespace {

using Table = std::unordered_map<std::string, Global>;

Table make_table() {
  Table table;
  for (const char* builtins : {"builtins", "__builtin__"}) {
    const std::string module = std::string(builtins) + ".";
    table[module + "dict"] = {Role::kDict};
    table[module + "tuple"] = table[module + "list"] = {Role::kSequence};
    for (const char* name : {"set", "frozenset", "int", "float", "bool", "str", "bytes",
                             "bytearray", "complex", "slice"}) {
      table[module + name] = {Role::kOpaque};
    }
  }
  table["collections.OrderedDict"] = {Role::kDict};
  table["_codecs.encode"] = {Role::kOpaque};  // how protocol 2 writes bytes
  table["torch.Size"] = {Role::kSequence};
  table["torch.device"] = {Role::kOpaque};
  table["torch._utils._rebuild_tensor"] = {Role::kTensor};
  table["torch._utils._rebuild_tensor_v2"] = {Role::kTensor};
  table["torch._utils._rebuild_tensor_v3"] = {Role::kTensorWithDtype};
  table["torch._utils._rebuild_parameter"] = {Role::kParameter};
  table["torch._utils._rebuild_parameter_with_state"] = {Role::kParameter};

  static const struct {
    const char* storage;              // class name, or none
    std::vector<const char*> dtypes;  // torch.NAME
    at::ScalarType type;
  } kTypes[] = {
      {"DoubleStorage", {"float64", "double"}, at::kDouble},
      {"FloatStorage", {"float32", "float"}, at::kFloat},
      {"HalfStorage", {"float16", "half"}, at::kHalf},
      {"BFloat16Storage", {"bfloat16"}, at::kBFloat16},
      {"LongStorage", {"int64", "long"}, at::kLong},
      {"IntStorage", {"int32", "int"}, at::kInt},
      {"ShortStorage", {"int16", "short"}, at::kShort},
      {"CharStorage", {"int8"}, at::kChar},
      {"ByteStorage", {"uint8"}, at::kByte},
      {"BoolStorage", {"bool"}, at::kBool},
      {"ComplexFloatStorage", {"complex64", "cfloat"}, at::kComplexFloat},
      {"ComplexDoubleStorage", {"complex128", "cdouble"}, at::kComplexDouble},
      {nullptr, {"complex32", "chalf"}, at::kComplexHalf},
      {nullptr, {"float8_e4m3fn"}, at::kFloat8_e4m3fn},
      {nullptr, {"float8_e5m2"}, at::kFloat8_e5m2},
      {nullptr, {"float8_e4m3fnuz"}, at::kFloat8_e4m3fnuz},
      {nullptr, {"float8_e5m2fnuz"}, at::kFloat8_e5m2fnuz},
      {nullptr, {"float8_e8m0fnu"}, at::kFloat8_e8m0fnu},
      {nullptr, {"uint16"}, at::kUInt16},
      {nullptr, {"uint32"}, at::kUInt32},
      {nullptr, {"uint64"}, at::kUInt64},
  };
  for (const auto& entry : kTypes) {
    if (entry.storage) table[std::string("torch.") + entry.storage] = {Role::kStorage, entry.type};
    for (const char* dtype : entry.dtypes) {
      table[std::string("torch.") + dtype] = {Role::kDtype, entry.type};
    }
  }
  table["torch.UntypedStorage"] =
      table["torch.storage.UntypedStorage"] = {Role::kStorage, at::kByte};
  return table;
}

}  // namespace

const Global* find_global(std::string_view module, std::string_view name) {
  static const Table table = make_table();
  // 'a' + 'b.c' must not read as 'a.b' + 'c'.
  if (name.find('.') != std::string_view::npos) return nullptr;
  if (module.size() + name.size() > 128) return nullptr;
  const auto found = table.find(std::string(module) + "." + std::string(name));
  return found == table.end() ? nullptr : &found->second;
}

std::string printable(std::string_view text) {
  constexpr size_t kLength = 64;
  std::string shown(text.substr(0, kLength));
  for (char& c : shown) {
    if (c < 0x20 || c > 0x7e) c = '?';
  }
  if (text.size() > kLength) shown += "...";
  return shown;
}

}  // namespace ovi::pickle
