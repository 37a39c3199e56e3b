// The stack machine. Values live in one arena, so that a pickle that refers to
// itself can neither leak nor recurse when they are freed.
// SPDX-License-Identifier: Apache-2.0
#include "weights/pickle.h"

#include <cstring>
#include <deque>
#include <unordered_map>
#include <utility>

#include "runtime/error.h"
#include "weights/pickle_globals.h"

namespace ovi::pickle {

namespace {

constexpr size_t kMaxPickleBytes = size_t{256} << 20;
constexpr size_t kMaxValues = 4'000'000;
constexpr size_t kMaxTensors = 100'000;
constexpr size_t kMaxVisits = 1'000'000;
constexpr size_t kMaxNameBytes = 1024;
constexpr int kMaxDepth = 32;

class Machine {
 public:
  Machine(std::string_view bytes, const std::string& path) : bytes_(bytes), path_(path) {}

  std::vector<Tensor> run();

 private:
  [[noreturn]] void truncated() const {
    throw Error(ErrorKind::kRead, "'" + path_ + "' is truncated or damaged: download it again.",
                "its pickle ends at byte " + std::to_string(bytes_.size()));
  }
  [[noreturn]] void damaged(const std::string& what) const {
    throw Error(
        ErrorKind::kFormat,
        "'" + path_ + "' is not a state dict this engine can read (" + what +
            "). Save it again with a current torch: " + "torch.save(model.state_dict(), ...).",
        "pickle instruction before byte " + std::to_string(at_));
  }

  // Input.
  std::string_view take(uint64_t count) {
    if (count > bytes_.size() - at_) truncated();
    const std::string_view taken = bytes_.substr(at_, count);
    at_ += count;
    return taken;
  }
  uint64_t number(size_t width) {  // little-endian
    const std::string_view taken = take(width);
    uint64_t value = 0;
    for (size_t i = width; i-- > 0;) value = value << 8 | static_cast<uint8_t>(taken[i]);
    return value;
  }
  std::string_view line() {
    const size_t end = bytes_.find('\n', at_);
    if (end == std::string_view::npos) truncated();
    const std::string_view taken = take(end - at_);
    ++at_;
    return taken;
  }

  // Values and the stack.
  Value* make(Kind kind) {
    if (values_.size() >= kMaxValues) damaged("it holds too many values");
    values_.push_back(Value{kind});
    return &values_.back();
  }
  void push(Value* value) { stack_.push_back(value); }
  void push_text(Kind kind, std::string_view text) {
    Value* value = make(kind);
    value->text = text;
    push(value);
  }
  void push_integer(int64_t number, Kind kind = Kind::kInteger) {
    Value* value = make(kind);
    value->integer = number;
    push(value);
  }
  size_t floor() const { return marks_.empty() ? 0 : marks_.back(); }
  Value* pop() {
    if (stack_.size() <= floor()) damaged("it takes a value from an empty stack");
    Value* value = stack_.back();
    stack_.pop_back();
    return value;
  }
  Value* top() const {
    if (stack_.size() <= floor()) damaged("it looks at an empty stack");
    return stack_.back();
  }
  std::vector<Value*> pop_to_mark() {
    if (marks_.empty()) damaged("it goes back to a mark that is not there");
    std::vector<Value*> items(stack_.begin() + static_cast<ptrdiff_t>(marks_.back()), stack_.end());
    stack_.resize(marks_.back());
    marks_.pop_back();
    return items;
  }
  void collect(Kind kind, std::vector<Value*> items) {
    Value* value = make(kind);
    value->items = std::move(items);
    push(value);
  }
  void tuple(size_t count) {
    std::vector<Value*> items(count);
    for (size_t i = count; i-- > 0;) items[i] = pop();
    collect(Kind::kTuple, std::move(items));
  }
  void extend(Kind kind, const std::vector<Value*>& items) {
    Value* target = top();
    if (target->kind == Kind::kOpaque) return;
    if (target->kind != kind) damaged("it adds to a value of another type");
    if (kind == Kind::kDict && items.size() % 2 != 0) damaged("a key has no value");
    target->items.insert(target->items.end(), items.begin(), items.end());
  }
  void remember(uint64_t slot) {
    if (slot > kMaxValues) damaged("it remembers too many values");
    memo_[slot] = top();
  }
  void recall(uint64_t slot) {
    const auto found = memo_.find(slot);
    if (found == memo_.end()) damaged("it recalls a value that it did not remember");
    push(found->second);
  }

  bool step();  // false: STOP
  void long_integer(std::string_view bytes);
  void global(std::string_view module, std::string_view name);
  void stack_global();
  void persistent();
  void reduce();
  void build();
  void rebuild_tensor(const Value& arguments, bool explicit_dtype);
  void make_dict(const Value& arguments);
  int64_t integer(const Value* value, const char* what) const;
  std::vector<int64_t> integers(const Value* value, const char* what) const;
  void flatten(const Value& dict, const std::string& prefix, int depth, std::vector<Tensor>& out);

  std::string_view bytes_;
  const std::string& path_;
  size_t at_ = 0;
  size_t visits_ = 0;
  std::deque<Value> values_;
  std::vector<Value*> stack_;
  std::vector<size_t> marks_;
  std::unordered_map<uint64_t, Value*> memo_;
};

void Machine::long_integer(std::string_view bytes) {
  if (bytes.size() > 8) {  // a seed or a hash: nothing a tensor is made of
    push(make(Kind::kOpaque));
    return;
  }
  uint64_t value = !bytes.empty() && (bytes.back() & 0x80) ? ~uint64_t{0} : 0;
  for (size_t i = bytes.size(); i-- > 0;) value = value << 8 | static_cast<uint8_t>(bytes[i]);
  push_integer(static_cast<int64_t>(value));
}

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
      if (!arguments->items.empty()) items = arguments->items[0]->items;
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

bool Machine::step() {
  const uint8_t code = static_cast<uint8_t>(number(1));
  switch (code) {
    case 0x80:  // PROTO
      if (number(1) > 5) damaged("a pickle protocol after 5");
      break;
    case 0x95:
      take(0), number(8);
      break;  // FRAME
    case '.':
      return false;  // STOP
    case '(':
      marks_.push_back(stack_.size());
      break;
    case '0':  // POP
      if (!marks_.empty() && marks_.back() == stack_.size()) {
        marks_.pop_back();
      } else {
        pop();
      }
      break;
    case '1':
      pop_to_mark();
      break;
    case '2':
      push(top());
      break;
    // Plain values.
    case 'N':
      push(make(Kind::kOpaque));
      break;
    case 0x88:
      push_integer(1, Kind::kOpaque);
      break;  // True
    case 0x89:
      push_integer(0, Kind::kOpaque);
      break;  // False
    case 'J':
      push_integer(static_cast<int32_t>(number(4)));
      break;
    case 'K':
      push_integer(static_cast<int64_t>(number(1)));
      break;
    case 'M':
      push_integer(static_cast<int64_t>(number(2)));
      break;
    case 0x8a:
      long_integer(take(number(1)));
      break;
    case 0x8b:
      long_integer(take(number(4)));
      break;
    case 'G':
      take(8), push(make(Kind::kOpaque));
      break;
    case 'X':
      push_text(Kind::kText, take(number(4)));
      break;
    case 0x8c:
      push_text(Kind::kText, take(number(1)));
      break;
    case 0x8d:
      push_text(Kind::kText, take(number(8)));
      break;
    case 'T':
      push_text(Kind::kText, take(number(4)));
      break;
    case 'U':
      push_text(Kind::kText, take(number(1)));
      break;
    case 'B':
      push_text(Kind::kOpaque, take(number(4)));
      break;
    case 'C':
      push_text(Kind::kOpaque, take(number(1)));
      break;
    case 0x8e:
    case 0x96:
      push_text(Kind::kOpaque, take(number(8)));
      break;
    // Containers.
    case ')':
      collect(Kind::kTuple, {});
      break;
    case 't':
      collect(Kind::kTuple, pop_to_mark());
      break;
    case 0x85:
      tuple(1);
      break;
    case 0x86:
      tuple(2);
      break;
    case 0x87:
      tuple(3);
      break;
    case ']':
      collect(Kind::kList, {});
      break;
    case 'l':
      collect(Kind::kList, pop_to_mark());
      break;
    case 'a':
      extend(Kind::kList, {pop()});
      break;
    case 'e':
      extend(Kind::kList, pop_to_mark());
      break;
    case '}':
      collect(Kind::kDict, {});
      break;
    case 'd': {
      std::vector<Value*> items = pop_to_mark();
      push(make(Kind::kDict));
      extend(Kind::kDict, items);
      break;
    }
    case 's': {
      Value* value = pop();
      Value* key = pop();
      extend(Kind::kDict, {key, value});
      break;
    }
    case 'u':
      extend(Kind::kDict, pop_to_mark());
      break;
    case 0x8f:
      push(make(Kind::kOpaque));
      break;  // EMPTY_SET
    case 0x90:
      pop_to_mark(), extend(Kind::kOpaque, {});
      break;  // ADDITEMS
    case 0x91:
      pop_to_mark(), push(make(Kind::kOpaque));
      break;  // FROZENSET
    // Names and what is made of them.
    case 'c': {
      const std::string_view module = line();
      global(module, line());
      break;
    }
    case 0x93:
      stack_global();
      break;
    case 'Q':
      persistent();
      break;
    case 'R':
    case 0x81:
      reduce();
      break;  // NEWOBJ calls as REDUCE does
    case 'b':
      build();
      break;
    // The memory of earlier values.
    case 'q':
      remember(number(1));
      break;
    case 'r':
      remember(number(4));
      break;
    case 0x94:
      remember(memo_.size());
      break;
    case 'h':
      recall(number(1));
      break;
    case 'j':
      recall(number(4));
      break;
    default: {
      static constexpr char kDigits[] = "0123456789abcdef";
      damaged(std::string("pickle instruction 0x") + kDigits[code >> 4] + kDigits[code & 15]);
    }
  }
  return true;
}

void Machine::flatten(const Value& dict, const std::string& prefix, int depth,
                      std::vector<Tensor>& out) {
  if (depth > kMaxDepth) damaged("its dictionaries are nested too deeply or in a circle");
  for (size_t i = 0; i + 1 < dict.items.size(); i += 2) {
    if (++visits_ > kMaxVisits) damaged("it holds too many values");
    const Value& key = *dict.items[i];
    const Value& value = *dict.items[i + 1];
    if (value.kind != Kind::kDict && value.kind != Kind::kTensor) continue;
    std::string name = prefix;
    if (key.kind == Kind::kText) {
      name += key.text;
    } else if (key.kind == Kind::kInteger) {
      name += std::to_string(key.integer);
    } else {
      continue;
    }
    if (name.size() > kMaxNameBytes) damaged("a tensor's name is longer than 1024 bytes");
    if (value.kind == Kind::kDict) {
      flatten(value, name + ".", depth + 1, out);
    } else {
      if (out.size() >= kMaxTensors) damaged("it holds too many tensors");
      out.push_back({std::move(name), value.dtype, std::string(value.text), value.bytes,
                     static_cast<uint64_t>(value.integer), value.shape, value.strides});
    }
  }
}

std::vector<Tensor> Machine::run() {
  if (bytes_.size() > kMaxPickleBytes) damaged("its pickle is larger than 256 MB");
  while (step()) {
  }
  const Value* result = pop();
  if (result->kind != Kind::kDict) damaged("no dictionary of tensors at the top");
  std::vector<Tensor> tensors;
  flatten(*result, "", 0, tensors);
  return tensors;
}

}  // namespace

std::vector<Tensor> read_state_dict(std::string_view bytes, const std::string& path) {
  return Machine(bytes, path).run();
}

}  // namespace ovi::pickle
