// The values of the pickle machine, and the only Python names it knows.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <c10/core/ScalarType.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace ovi::pickle {

/// What calling a known name gives.
enum class Role {
  kDict,             // dict, OrderedDict
  kSequence,         // tuple, list, torch.Size
  kTensor,           // dtype is its storage's
  kTensorWithDtype,  // dtype is an argument
  kParameter,        // the tensor it wraps
  kStorage,          // never called: a storage's type
  kDtype,            // never called: torch.float32, ...
  kOpaque,           // accepted and ignored
};

struct Global {
  Role role;
  at::ScalarType dtype = at::kByte;  // of kStorage and kDtype
};

/// nullptr for everything that is not known.
const Global* find_global(std::string_view module, std::string_view name);

/// Text of an untrusted file for a message: at most 64 bytes of plain ASCII.
std::string printable(std::string_view text);

enum class Kind { kOpaque, kInteger, kText, kTuple, kList, kDict, kGlobal, kStorage, kTensor };

/// One value. Only the fields of its kind mean anything; text is a view into the
/// pickle. `items` of a dictionary are key, value, key, value, ...
struct Value {
  Kind kind = Kind::kOpaque;
  int64_t integer = 0;         // kInteger; offset of kTensor
  std::string_view text = {};  // kText; storage key of kStorage, kTensor
  const Global* global = nullptr;
  at::ScalarType dtype = at::kByte;  // kStorage, kTensor
  uint64_t bytes = 0;                // of the storage
  std::vector<Value*> items = {};
  std::vector<int64_t> shape = {}, strides = {};
};

}  // namespace ovi::pickle
