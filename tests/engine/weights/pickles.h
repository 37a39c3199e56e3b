// Writes pickles by hand, instruction by instruction, for what torch.save never
// writes. The instructions are those of Python's pickletools.py.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>

namespace ovi::test {

inline std::string little_endian(uint64_t value, int width) {
  std::string bytes;
  for (int i = 0; i < width; ++i, value >>= 8) bytes += static_cast<char>(value & 0xff);
  return bytes;
}

inline std::string text(const std::string& value) {
  std::string bytes = "X";
  return bytes.append(little_endian(value.size(), 4)).append(value);
}
inline std::string number(int64_t value) {
  return "\x8a\x08" + little_endian(static_cast<uint64_t>(value), 8);
}
inline std::string global(const std::string& module, const std::string& name) {
  return "c" + module + "\n" + name + "\n";
}
inline std::string tuple(std::initializer_list<std::string> items) {
  std::string bytes = "(";
  for (const std::string& item : items) bytes += item;
  return bytes + "t";
}
inline std::string numbers(std::initializer_list<int64_t> values) {
  std::string bytes = "(";
  for (const int64_t value : values) bytes += number(value);
  return bytes + "t";
}
inline std::string dict(std::initializer_list<std::string> keys_and_values) {
  std::string bytes = "}(";
  for (const std::string& item : keys_and_values) bytes += item;
  return bytes + "u";
}
inline std::string storage(const std::string& type, const std::string& key, int64_t elements) {
  return tuple({text("storage"), global("torch", type), text(key), text("cpu"), number(elements)}) +
         "Q";
}
/// A call of _rebuild_tensor_v2.
inline std::string tensor(const std::string& storage, int64_t offset, const std::string& size,
                          const std::string& stride) {
  return global("torch._utils", "_rebuild_tensor_v2") +
         tuple({storage, number(offset), size, stride, "\x89",
                global("collections", "OrderedDict") + ")R"}) +
         "R";
}
inline std::string whole(const std::string& body) { return "\x80\x02" + body + "."; }

}  // namespace ovi::test
