// What most of the engine's files include, compiled once: a third of the time of the whole. Files include
// what they use all the same: the build for ThreadSanitizer goes without this (b_pch=false).
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
