// The pickle machine against pickles that torch.save never writes.
// SPDX-License-Identifier: Apache-2.0
#include "weights/pickle.h"

#include <gtest/gtest.h>

#include "pickles.h"
#include "test_files.h"

namespace ovi {
namespace {

using namespace test;  // NOLINT: the pickle writer's words

std::vector<pickle::Tensor> read(const std::string& body) {
  static const std::string path = "m.pth";
  return pickle::read_state_dict(body, path);
}

std::string small() {
  return tensor(storage("FloatStorage", "0", 6), 1, numbers({2, 2}), numbers({2, 1}));
}

TEST(Pickle, DescribesATensor) {
  const auto tensors = read(whole(dict({text("a"), small()})));
  ASSERT_EQ(tensors.size(), 1u);
  EXPECT_EQ(tensors[0].name, "a");
  EXPECT_EQ(tensors[0].dtype, at::kFloat);
  EXPECT_EQ(tensors[0].storage, "0");
  EXPECT_EQ(tensors[0].storage_bytes, 24u);
  EXPECT_EQ(tensors[0].offset, 1u);
  EXPECT_EQ(tensors[0].shape, (std::vector<int64_t>{2, 2}));
  EXPECT_EQ(tensors[0].strides, (std::vector<int64_t>{2, 1}));
}

TEST(Pickle, MakesDictionariesOfPairsAndIgnoresTheirState) {
  const std::string pairs = "](" + tuple({text("a"), small()}) + tuple({text("b"), small()}) + "e";
  const std::string body = global("collections", "OrderedDict") + tuple({pairs}) + "R" +
                           dict({text("_metadata"), dict({})}) + "b";
  const auto tensors = read(whole(body));
  ASSERT_EQ(tensors.size(), 2u);
  EXPECT_EQ(tensors[1].name, "b");
}

TEST(Pickle, NamesTheGlobalThatItDoesNotRun) {
  for (const auto& [module, name] : {std::pair{"os", "system"},
                                     {"posix", "system"},
                                     {"builtins", "eval"},
                                     {"builtins", "getattr"},
                                     {"torch", "load"},
                                     {"torch._utils", "_rebuild_sparse_tensor"},
                                     {"torch.nn.modules.linear", "Linear"}}) {
    const std::string call = global(module, name) + tuple({text("touch x")}) + "R";
    expect_error(
        ErrorKind::kFormat,
        [&] {
          read(whole(dict({text("a"), call})));
        },
        "m.pth", std::string(module) + "." + name, "not run");
    // The same through protocol 4's way of naming.
    const std::string stacked = text(module) + text(name) + "\x93" + ")R";
    expect_error(
        ErrorKind::kFormat,
        [&] {
          read(whole(dict({text("a"), stacked})));
        },
        std::string(module) + "." + name);
  }
  // A dotted name would reach into a known module.
  const std::string dotted = text("torch") + text("_utils._rebuild_tensor_v2") + "\x93";
  expect_error(
      ErrorKind::kFormat, [&] { read(whole(dotted)); }, "torch._utils._rebuild");
  const std::string unprintable = global("os\x1b[31m", std::string(500, 'x'));
  const std::string message = expect_error(
      ErrorKind::kFormat, [&] { read(whole(unprintable)); }, "os?[31m");
  EXPECT_LT(message.size(), 400u);
}

TEST(Pickle, NamesTheInstructionThatItDoesNotKnow) {
  // PERSID, INT, FLOAT, INST, OBJ, EXT1, NEWOBJ_EX, NEXT_BUFFER.
  for (const char code : {'P', 'I', 'F', 'i', 'o', '\x82', '\x92', '\x97'}) {
    static const char kDigits[] = "0123456789abcdef";
    const auto byte = static_cast<unsigned char>(code);
    expect_error(
        ErrorKind::kFormat, [&] { read(whole(std::string(1, code) + "1\n")); },
        std::string("0x") + kDigits[byte >> 4] + kDigits[byte & 15]);
  }
  expect_error(
      ErrorKind::kFormat, [] { read("\x80\x06}."); }, "protocol");
}

TEST(Pickle, EveryTruncationIsToldAsOne) {
  const std::string bytes = whole(dict({text("a"), small()}));
  for (size_t length = 0; length < bytes.size(); ++length) {
    expect_error(
        ErrorKind::kRead, [&] { read(bytes.substr(0, length)); }, "truncated");
  }
  // Lengths that no file has.
  expect_error(ErrorKind::kRead, [] { read("\x80\x04\x8d" + little_endian(~uint64_t{0}, 8)); });
  expect_error(ErrorKind::kRead, [] { read("\x80\x04\x8b" + little_endian(0xffffffff, 4)); });
}

TEST(Pickle, RefusesAStackThatDoesNotAddUp) {
  for (const std::string& body :
       {std::string("0"),     std::string("t"),    std::string("R"),       std::string("}s"),
        std::string("e"),     std::string("u"),    std::string("b"),       std::string("h\x05"),
        std::string("q\x01"), std::string("(R"),   std::string("Q"),       std::string("2"),
        std::string("\x87"),  std::string("\x93"), std::string("](Nu"),    std::string("}(Nu"),
        std::string("}Na"),   std::string("NNR"),  std::string("K\x01NR"), std::string("K\x01}b"),
        std::string("(")}) {
    expect_error(
        ErrorKind::kFormat, [&] { read(whole(body)); }, "m.pth");
  }
}

TEST(Pickle, RefusesTensorsMadeOfSomethingElse) {
  const std::string v2 = global("torch._utils", "_rebuild_tensor_v2");
  const std::string v3 = global("torch._utils", "_rebuild_tensor_v3");
  const std::string floats = storage("FloatStorage", "0", 6);
  const auto refuse = [](const std::string& value) {
    expect_error(
        ErrorKind::kFormat,
        [&] {
          read(whole(dict({text("a"), value})));
        },
        "m.pth");
  };
  refuse(v2 + ")R");
  refuse(v2 + tuple({"N", number(0), numbers({1}), numbers({1})}) + "R");
  refuse(v2 + tuple({floats, number(-1), numbers({1}), numbers({1})}) + "R");
  refuse(v2 + tuple({floats, number(0), numbers({-1}), numbers({1})}) + "R");
  refuse(v2 + tuple({floats, number(0), numbers({1}), numbers({-1})}) + "R");
  refuse(v2 + tuple({floats, number(0), numbers({1, 1}), numbers({1})}) + "R");
  refuse(v2 + tuple({floats, number(0), "N", numbers({1})}) + "R");
  refuse(v2 + tuple({floats, number(0), tuple({text("1")}), numbers({1})}) + "R");
  refuse(v3 + tuple({floats, number(0), numbers({1}), numbers({1}), "\x89", "N"}) + "R");
  refuse(v3 + tuple({floats, number(0), numbers({1}), numbers({1}), "\x89", "N", "N"}) + "R");
  refuse(global("torch._utils", "_rebuild_parameter") + tuple({"N"}) + "R");
  refuse(global("torch", "FloatStorage") + ")R");
  refuse(global("torch", "float32") + ")R");
  refuse(storage("float32", "0", 6));  // a dtype is no storage
  refuse(storage("FloatStorage", "0", -6));
  refuse(storage("DoubleStorage", "0", int64_t{1} << 62));  // bytes past 64 bits
  refuse(
      tuple({text("module"), global("torch", "FloatStorage"), text("0"), text("cpu"), number(1)}) +
      "Q");
}

TEST(Pickle, EndsWhatRefersToItself) {
  // d = {}; d["d"] = d
  expect_error(
      ErrorKind::kFormat, [] { read(whole("}q\x01" + text("d") + "h\x01s")); }, "circle");
  // l = []; l.append(l), beside a tensor: harmless.
  EXPECT_EQ(read(whole(dict({text("l"),
                             "]q\x01h\x01"
                             "a",
                             text("a"), small()})))
                .size(),
            1u);
  // Thirty dictionaries that each hold the next twice: 2^30 paths.
  std::string body = dict({text("a"), "N"}) + std::string{'q', '\0'};
  for (char i = 1; i < 30; ++i) {
    const std::string before = {'h', static_cast<char>(i - 1)};
    body += dict({text("x"), before, text("y"), before}) + std::string{'q', i};
  }
  expect_error(
      ErrorKind::kFormat, [&] { read(whole(body)); }, "too many entries");
}

TEST(Pickle, DoesNotGrowWithoutInput) {
  // A long list, copied by every call of tuple().
  std::string body = "](" + std::string(100'000, 'N') + "eq\x01";
  for (int i = 0; i < 1000; ++i) body += global("builtins", "tuple") + "h\x01\x85R0";
  expect_error(
      ErrorKind::kFormat, [&] { read(whole(body)); }, "too many values");
  expect_error(
      ErrorKind::kFormat, [] { read(whole(std::string(2'000'000, 'N'))); }, "too many values");
  // Instructions that make no value, but keep one: on the stack, as a mark, in memory.
  for (const std::string kept : {"2", "("}) {
    std::string many = "}";
    for (int i = 0; i < 10'000'000; ++i) many += kept;
    expect_error(
        ErrorKind::kFormat, [&] { read(whole(many)); }, "too many");
  }
  std::string remembers = "}";
  for (int i = 0; i < 400'000; ++i) remembers += std::string("r") + little_endian(i, 4);
  expect_error(
      ErrorKind::kFormat, [&] { read(whole(remembers)); }, "remembers too many");
  expect_error(
      ErrorKind::kFormat, [] { read(whole("}" + std::string(100'000'000, '\x94'))); }, "16 MiB");
  const std::string name(2000, 'n');
  expect_error(
      ErrorKind::kFormat,
      [&] {
        read(whole(dict({text(name), small()})));
      },
      "name");
}

TEST(Pickle, NeedsADictionaryAtTheTop) {
  expect_error(
      ErrorKind::kFormat, [] { read(whole("N")); }, "no dictionary", "state_dict");
  expect_error(
      ErrorKind::kFormat, [] { read(whole(small())); }, "no dictionary");
  EXPECT_TRUE(read(whole("}")).empty());
}

}  // namespace
}  // namespace ovi
