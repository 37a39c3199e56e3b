// The stack machine that reads a pickle: Python's pickletools.py documents every
// instruction. Values live in one arena, so that a pickle that refers to itself
// can neither leak nor recurse when they are freed.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "weights/pickle_globals.h"

namespace ovi::pickle {

/// Reads one pickle. Throws Error kRead (it ends too early) or kFormat (a name or
/// an instruction that no state dict needs), naming `path`.
class Machine {
 public:
  Machine(std::string_view bytes, const std::string& path) : bytes_(bytes), path_(path) {}

  /// What the pickle leaves behind. Valid as long as the machine.
  const Value& run();

 private:
  [[noreturn]] void truncated() const;
  [[noreturn]] void damaged(const std::string& what) const;

  // The input.
  std::string_view take(uint64_t count);
  uint64_t number(size_t width);  // little-endian
  std::string_view line();

  // The stack, and the arena it points into.
  Value* make(Kind kind);
  void push(Value* value);
  void push_text(Kind kind, std::string_view text);
  void push_integer(int64_t number);
  Value* pop();
  Value* top() const;
  std::vector<Value*> pop_to_mark();
  void collect(Kind kind, std::vector<Value*> items);
  void tuple(size_t count);
  void extend(Kind kind, const std::vector<Value*>& items);
  void remember(uint64_t slot);
  void recall(uint64_t slot);
  void spend(size_t copies);

  // The instructions.
  bool step();  // false: it was STOP
  bool step_container(uint8_t code);
  bool step_value(uint8_t code);
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

  std::string_view bytes_;
  const std::string& path_;
  size_t at_ = 0;
  std::deque<Value> values_;
  std::vector<Value*> stack_;
  std::vector<size_t> marks_;
  std::unordered_map<uint64_t, Value*> memo_;
  size_t copies_ = 0;  // made without an instruction byte for each
};

}  // namespace ovi::pickle
