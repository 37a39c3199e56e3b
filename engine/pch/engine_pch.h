// What most of the engine's files include, read once where b_pch is on: in the builds of sanitizers,
// which compile everything from nothing. The ordinary build goes without and shows who forgot an include.
#pragma once

#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>

#include <algorithm>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>
