// The tag that marks a prompt's audio description, in the style a checkpoint was trained with.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

namespace ovi::text {

enum class AudioTag {
  kAudcap,      ///< <AUDCAP>description<ENDAUDCAP>: 720x720_5s
  kAudioColon,  ///< Audio: description, to the end of the prompt: 960x960_5s, 960x960_10s
};

/// The prompt with its audio description in `style`; a prompt that is in that style already, or
/// that has no description, comes back as it is.
/// To kAudcap, everything after the first "Audio:" and white space becomes the description; to
/// kAudioColon, each closed <AUDCAP> pair is replaced.
std::string format_prompt(std::string_view prompt, AudioTag style);

}  // namespace ovi::text
