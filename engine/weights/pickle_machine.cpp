// What each instruction does; whatever is not written here is refused.
// SPDX-License-Identifier: Apache-2.0
#include "weights/pickle_machine.h"

#include <utility>

#include "runtime/error.h"
#include "weights/pickle.h"

namespace ovi::pickle {

namespace {

// The largest published state dict needs 200 KB and some 20,000 values.
constexpr size_t kMaxValues = 300'000;  // also on the stack, of marks, and remembered
constexpr size_t kMaxCopies = 4'000'000;

std::string hexadecimal(uint8_t code) {
  static constexpr char kDigits[] = "0123456789abcdef";
  return {'0', 'x', kDigits[code >> 4], kDigits[code & 15]};
}

}  // namespace

void Machine::truncated() const {
  throw Error(ErrorKind::kRead, "'" + path_ + "' is truncated or damaged: download it again.",
              "its pickle ends at byte " + std::to_string(bytes_.size()));
}

void Machine::damaged(const std::string& what) const {
  throw Error(ErrorKind::kFormat,
              "'" + path_ + "' is not a state dict this engine can read (" + what +
                  "). Save it again with a current torch: torch.save(model.state_dict(), ...).",
              "pickle instruction before byte " + std::to_string(at_));
}

std::string_view Machine::take(uint64_t count) {
  if (count > bytes_.size() - at_) truncated();
  const std::string_view taken = bytes_.substr(at_, count);
  at_ += count;
  return taken;
}

uint64_t Machine::number(size_t width) {
  const std::string_view taken = take(width);
  uint64_t value = 0;
  for (size_t i = width; i-- > 0;) value = value << 8 | static_cast<uint8_t>(taken[i]);
  return value;
}

std::string_view Machine::line() {
  const size_t end = bytes_.find('\n', at_);
  if (end == std::string_view::npos) truncated();
  const std::string_view taken = take(end - at_);
  ++at_;
  return taken;
}

Value* Machine::make(Kind kind) {
  if (values_.size() >= kMaxValues) damaged("it holds too many values");
  values_.push_back(Value{kind});
  return &values_.back();
}

void Machine::push_text(Kind kind, std::string_view text) {
  Value* value = make(kind);
  value->text = text;
  push(value);
}

void Machine::push_integer(int64_t number) {
  Value* value = make(Kind::kInteger);
  value->integer = number;
  push(value);
}

Value* Machine::pop() {
  Value* value = top();
  stack_.pop_back();
  return value;
}

Value* Machine::top() const {
  const size_t floor = marks_.empty() ? 0 : marks_.back();
  if (stack_.size() <= floor) damaged("it takes a value from an empty stack");
  return stack_.back();
}

std::vector<Value*> Machine::pop_to_mark() {
  if (marks_.empty()) damaged("it goes back to a mark that is not there");
  std::vector<Value*> items(stack_.begin() + static_cast<ptrdiff_t>(marks_.back()), stack_.end());
  stack_.resize(marks_.back());
  marks_.pop_back();
  return items;
}

void Machine::collect(Kind kind, std::vector<Value*> items) {
  Value* value = make(kind);
  value->items = std::move(items);
  push(value);
}

void Machine::tuple(size_t count) {
  std::vector<Value*> items(count);
  for (size_t i = count; i-- > 0;) items[i] = pop();
  collect(Kind::kTuple, std::move(items));
}

void Machine::extend(Kind kind, const std::vector<Value*>& items) {
  Value* target = top();
  if (target->kind == Kind::kOpaque) return;
  if (target->kind != kind) damaged("it adds to a value of another type");
  if (kind == Kind::kDict && items.size() % 2 != 0) damaged("a key has no value");
  target->items.insert(target->items.end(), items.begin(), items.end());
}

void Machine::remember(uint64_t slot) {
  if (memo_.size() >= kMaxValues) damaged("it remembers too many values");
  memo_[slot] = top();
}

void Machine::push(Value* value) {
  if (stack_.size() >= kMaxValues) damaged("it holds too many values");
  stack_.push_back(value);
}

void Machine::recall(uint64_t slot) {
  const auto found = memo_.find(slot);
  if (found == memo_.end()) damaged("it recalls a value that it did not remember");
  push(found->second);
}

/// Keeps a short pickle from copying a long list again and again.
void Machine::spend(size_t copies) {
  copies_ += copies;
  if (copies_ > kMaxCopies) damaged("it holds too many values");
}

void Machine::long_integer(std::string_view bytes) {
  if (bytes.size() > 8) {  // a seed or a hash: nothing a tensor is made of
    push(make(Kind::kOpaque));
    return;
  }
  uint64_t value = !bytes.empty() && (bytes.back() & 0x80) ? ~uint64_t{0} : 0;
  for (size_t i = bytes.size(); i-- > 0;) value = value << 8 | static_cast<uint8_t>(bytes[i]);
  push_integer(static_cast<int64_t>(value));
}

bool Machine::step() {
  const uint8_t code = static_cast<uint8_t>(number(1));
  if (code == '.') return false;  // STOP
  if (step_value(code) || step_container(code)) return true;
  switch (code) {
    case 0x80:  // PROTO
      if (number(1) > 5) damaged("a pickle protocol after 5");
      return true;
    case 0x95:  // FRAME: a length, for readers of streams
      number(8);
      return true;
    case '0':  // POP, of a mark too
      if (!marks_.empty() && marks_.back() == stack_.size()) {
        marks_.pop_back();
      } else {
        pop();
      }
      return true;
    case '1':  // POP_MARK
      pop_to_mark();
      return true;
    case '2':  // DUP
      push(top());
      return true;
    case 'q':  // BINPUT
      remember(number(1));
      return true;
    case 'r':  // LONG_BINPUT
      remember(number(4));
      return true;
    case 0x94:  // MEMOIZE
      remember(memo_.size());
      return true;
    case 'h':  // BINGET
      recall(number(1));
      return true;
    case 'j':  // LONG_BINGET
      recall(number(4));
      return true;
    case 'c': {  // GLOBAL
      const std::string_view module = line();
      global(module, line());
      return true;
    }
    case 0x93:  // STACK_GLOBAL
      stack_global();
      return true;
    case 'Q':  // BINPERSID
      persistent();
      return true;
    case 'R':   // REDUCE
    case 0x81:  // NEWOBJ, which calls in the same way
      reduce();
      return true;
    case 'b':  // BUILD
      build();
      return true;
    default:
      damaged("pickle instruction " + hexadecimal(code));
  }
}

bool Machine::step_value(uint8_t code) {
  switch (code) {
    case 'N':   // NONE
    case 0x88:  // NEWTRUE
    case 0x89:  // NEWFALSE
      push(make(Kind::kOpaque));
      return true;
    case 'G':  // BINFLOAT
      take(8);
      push(make(Kind::kOpaque));
      return true;
    case 'J':  // BININT
      push_integer(static_cast<int32_t>(number(4)));
      return true;
    case 'K':  // BININT1
      push_integer(static_cast<int64_t>(number(1)));
      return true;
    case 'M':  // BININT2
      push_integer(static_cast<int64_t>(number(2)));
      return true;
    case 0x8a:  // LONG1
      long_integer(take(number(1)));
      return true;
    case 0x8b:  // LONG4
      long_integer(take(number(4)));
      return true;
    case 'U':   // SHORT_BINSTRING
    case 0x8c:  // SHORT_BINUNICODE
      push_text(Kind::kText, take(number(1)));
      return true;
    case 'T':  // BINSTRING
    case 'X':  // BINUNICODE
      push_text(Kind::kText, take(number(4)));
      return true;
    case 0x8d:  // BINUNICODE8
      push_text(Kind::kText, take(number(8)));
      return true;
    case 'C':  // SHORT_BINBYTES
      push_text(Kind::kOpaque, take(number(1)));
      return true;
    case 'B':  // BINBYTES
      push_text(Kind::kOpaque, take(number(4)));
      return true;
    case 0x8e:  // BINBYTES8
    case 0x96:  // BYTEARRAY8
      push_text(Kind::kOpaque, take(number(8)));
      return true;
    default:
      return false;
  }
}

bool Machine::step_container(uint8_t code) {
  switch (code) {
    case '(':  // MARK
      if (marks_.size() >= kMaxValues) damaged("it has too many marks");
      marks_.push_back(stack_.size());
      return true;
    case ')':  // EMPTY_TUPLE
      collect(Kind::kTuple, {});
      return true;
    case 't':  // TUPLE
      collect(Kind::kTuple, pop_to_mark());
      return true;
    case 0x85:  // TUPLE1
    case 0x86:  // TUPLE2
    case 0x87:  // TUPLE3
      tuple(code - 0x84u);
      return true;
    case ']':  // EMPTY_LIST
      collect(Kind::kList, {});
      return true;
    case 'l':  // LIST
      collect(Kind::kList, pop_to_mark());
      return true;
    case 'a':  // APPEND
      extend(Kind::kList, {pop()});
      return true;
    case 'e':  // APPENDS
      extend(Kind::kList, pop_to_mark());
      return true;
    case '}':  // EMPTY_DICT
      collect(Kind::kDict, {});
      return true;
    case 'd': {  // DICT
      const std::vector<Value*> items = pop_to_mark();
      push(make(Kind::kDict));
      extend(Kind::kDict, items);
      return true;
    }
    case 's': {  // SETITEM
      Value* value = pop();
      Value* key = pop();
      extend(Kind::kDict, {key, value});
      return true;
    }
    case 'u':  // SETITEMS
      extend(Kind::kDict, pop_to_mark());
      return true;
    case 0x8f:  // EMPTY_SET
      push(make(Kind::kOpaque));
      return true;
    case 0x90:  // ADDITEMS
      pop_to_mark();
      top();
      return true;
    case 0x91:  // FROZENSET
      pop_to_mark();
      push(make(Kind::kOpaque));
      return true;
    default:
      return false;
  }
}

const Value& Machine::run() {
  if (bytes_.size() > kMaxBytes) damaged("its pickle is larger than 16 MiB");
  while (step()) {
  }
  return *pop();
}

}  // namespace ovi::pickle
