// What the pickle machine makes of the names it knows: storages, tensors,
// dictionaries. Each is data put together here; no named code is called.
// SPDX-License-Identifier: Apache-2.0
#include <utility>

#include "runtime/error.h"
#include "weights/pickle_machine.h"

namespace ovi::pickle {

void Machine::global(std::string_view module, std::string_view name) {
  const Global* known = find_global(module, name);
  if (!known) {
    throw Error(ErrorKind::kFormat,
                "'" + path_ + "' asks for '" + printable(module) + "." + printable(name) +
                    "', which is no part of a state dict; it was not run. Use the original file, " +
                    "or save it again as torch.save(model.state_dict(), ...).",
                "pickle instruction before byte " + std::to_string(at_));
  }
  Value* value = make(Kind::kGlobal);
  value->global = known;
  push(value);
}

void Machine::stack_global() {
  const Value* name = pop();
  const Value* module = pop();
  if (name->kind != Kind::kText || module->kind != Kind::kText) damaged("a name is no text");
  global(module->text, name->text);
}

int64_t Machine::integer(const Value* value, const char* what) const {
  if (value->kind != Kind::kInteger || value->integer < 0) {
    damaged(std::string(what) + " is not a natural number");
  }
  return value->integer;
}

std::vector<int64_t> Machine::integers(const Value* value, const char* what) const {
  if (value->kind != Kind::kTuple && value->kind != Kind::kList) {
    damaged(std::string(what) + " is not a tuple");
  }
  if (value->items.size() > 64) damaged(std::string(what) + " has more than 64 dimensions");
  std::vector<int64_t> numbers;
  for (const Value* item : value->items) numbers.push_back(integer(item, what));
  return numbers;
}

// ('storage', type, key, device, elements); an untyped storage counts bytes.
void Machine::persistent() {
  const Value* id = pop();
  const auto& items = id->items;
  if (id->kind != Kind::kTuple || items.size() < 5 || items[0]->kind != Kind::kText ||
      items[0]->text != "storage" || items[1]->kind != Kind::kGlobal ||
      items[1]->global->role != Role::kStorage || items[2]->kind != Kind::kText) {
    damaged("it refers to something outside that is no tensor storage");
  }
  Value* storage = make(Kind::kStorage);
  storage->text = items[2]->text;
  storage->dtype = items[1]->global->dtype;
  const uint64_t elements = static_cast<uint64_t>(integer(items[4], "a storage's size"));
  if (__builtin_mul_overflow(elements, c10::elementSize(storage->dtype), &storage->bytes)) {
    damaged("a storage is too large to be true");
  }
  push(storage);
}

// (storage, offset, size, stride, requires_grad, hooks[, dtype][, metadata])
void Machine::rebuild_tensor(const Value& arguments, bool explicit_dtype) {
  const auto& items = arguments.items;
  if (items.size() < (explicit_dtype ? 7u : 4u) || items[0]->kind != Kind::kStorage) {
    damaged("a tensor has no storage");
  }
  Value* tensor = make(Kind::kTensor);
  tensor->text = items[0]->text;
  tensor->bytes = items[0]->bytes;
  tensor->dtype = items[0]->dtype;
  if (explicit_dtype) {
    if (items[6]->kind != Kind::kGlobal || items[6]->global->role != Role::kDtype) {
      damaged("a tensor has no dtype");
    }
    tensor->dtype = items[6]->global->dtype;
  }
  tensor->integer = integer(items[1], "a tensor's offset");
  tensor->shape = integers(items[2], "a tensor's size");
  tensor->strides = integers(items[3], "a tensor's stride");
  spend(2 * tensor->shape.size());
  if (tensor->shape.size() != tensor->strides.size()) {
    damaged("a tensor's size and stride differ in length");
  }
  push(tensor);
}

void Machine::make_dict(const Value& arguments) {
  Value* dict = make(Kind::kDict);
  if (arguments.items.size() > 1) damaged("a dictionary is made from several things");
  if (!arguments.items.empty()) {
    const Value* pairs = arguments.items[0];
    spend(2 * pairs->items.size());
    if (pairs->kind == Kind::kDict) {
      dict->items = pairs->items;
    } else {
      for (const Value* pair : pairs->items) {
        if (pair->items.size() != 2 || pair->kind == Kind::kDict) {
          damaged("a dictionary is made from something else than pairs");
        }
        dict->items.insert(dict->items.end(), pair->items.begin(), pair->items.end());
      }
    }
  }
  push(dict);
}

void Machine::reduce() {
  const Value* arguments = pop();
  const Value* function = pop();
  if (function->kind != Kind::kGlobal || arguments->kind != Kind::kTuple) {
    damaged("it calls something that is no function");
  }
  switch (function->global->role) {
    case Role::kDict:
      return make_dict(*arguments);
    case Role::kTensor:
      return rebuild_tensor(*arguments, false);
    case Role::kTensorWithDtype:
      return rebuild_tensor(*arguments, true);
    case Role::kParameter:
      if (arguments->items.empty() || arguments->items[0]->kind != Kind::kTensor) {
        damaged("a parameter has no tensor");
      }
      return push(arguments->items[0]);
    case Role::kSequence: {
      if (arguments->items.size() > 1) damaged("a sequence is made from several things");
      std::vector<Value*> items;
      if (!arguments->items.empty()) {
        spend(arguments->items[0]->items.size());
        items = arguments->items[0]->items;
      }
      return collect(Kind::kTuple, std::move(items));
    }
    case Role::kOpaque:
      return push(make(Kind::kOpaque));
    case Role::kStorage:
    case Role::kDtype:
      break;
  }
  damaged("it calls something that is no function");
}

// What a BUILD sets (an OrderedDict's _metadata, a parameter's own fields) is
// nothing that weights are made of.
void Machine::build() {
  pop();
  const Kind kind = top()->kind;
  if (kind != Kind::kDict && kind != Kind::kTensor && kind != Kind::kOpaque) {
    damaged("it sets the fields of something that has none");
  }
}

}  // namespace ovi::pickle
