// Character references of HTML: &amp; &#38; &#x26;
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

namespace ovi::text {

/// Replaces every reference as a browser does (HTML standard, section 13.2.5.72 on): also those
/// without a semicolon, by the longest known name, and numbers that stand for windows-1252 bytes.
std::u32string unescape_html(std::u32string_view text);

/// Replaces only what is surely meant as a reference: it ends with a semicolon and is understood
/// whole. Names in capitals are taken for the capital character (&EACUTE; is U+00C9) where HTML
/// has no other use for them.
std::u32string unescape_sure_html(std::u32string_view text);

/// What unescape_sure_html() comes to when it is repeated until nothing changes, in linear time.
std::u32string unescape_nested_html(std::u32string_view text);

}  // namespace ovi::text
