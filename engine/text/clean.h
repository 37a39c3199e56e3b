// What a prompt goes through before it is tokenised.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "runtime/cancel.h"

namespace ovi::text {

/// Bytes a prompt may have: over a hundred times what the 512 tokens that are seen can mean.
constexpr size_t kLongestText = size_t{256} << 10;

/// The reference's cleaning: ftfy.fix_text (version 6.3, default settings), HTML references
/// replaced twice, and every run of white space one space, none at the ends. It repairs misread
/// encodings and replaces curly quotes, ligatures, full- and half-width forms, line breaks,
/// control characters and terminal escapes; the result is in NFC.
/// Takes time in proportion to the length of any text: 0.2 s for 1 MB at most. `cancel` (may be
/// null) is looked at before each of the twenty or so passes over the text and before each line.
/// Throws Error(kSettings) that names the byte where `utf8` is not UTF-8, and kCancelled.
std::string clean_text(std::string_view utf8, const Cancel* cancel = nullptr);

}  // namespace ovi::text
