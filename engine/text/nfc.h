// Canonical composition of text of any shape in linear time.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

namespace ovi::text {

/// `text` in Normalization Form C (Unicode Standard Annex 15). GLib's own function takes time
/// that grows with the square of a run of combining marks.
std::u32string to_nfc(std::u32string_view text);

/// Whether `c` stays as it is in NFC whatever stands around it. May say no when it does.
bool is_nfc_inert(char32_t c);

}  // namespace ovi::text
