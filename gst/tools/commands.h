// The commands of `ovi`. Each gets its own arguments, the first being its name, and returns a
// Status.
// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace ovii2v::tools {

int run_again(int argc, char** argv);
int run_check(int argc, char** argv);
int run_convert(int argc, char** argv);
int run_fetch(int argc, char** argv);
int run_make(int argc, char** argv);
int run_prompt(int argc, char** argv);

}  // namespace ovii2v::tools
