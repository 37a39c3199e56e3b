// Texts that come from a file or from standard input.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

namespace ovii2v::tools {

/// The whole of the file `name`, or of standard input ("-"). False with `problem` filled (a
/// sentence).
bool read_input(const std::string& name, std::string& text, std::string& problem);

}  // namespace ovii2v::tools
