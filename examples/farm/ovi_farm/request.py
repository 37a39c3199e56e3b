# What a client asks for: the hosted API's fields.
# SPDX-License-Identifier: Apache-2.0
import secrets

import pydantic

from .problems import Problem

LONGEST_URI = 8192  # characters, of an address that is fetched
BIGGEST_SEED = (1 << 63) - 1
RANDOM_SEEDS = 1 << 32  # so that every client's numbers hold the seed


class ClipRequest(pydantic.BaseModel):
    # Fields that other services know (base64, webhook) are passed over, as the hosted API does.
    model_config = pydantic.ConfigDict(extra="ignore", strict=True)

    image: str
    prompt: str
    video_negative_prompt: str | None = None
    audio_negative_prompt: str | None = None
    seed: int | None = None

    def settings(self, picture, seed):
        """Of the element, as texts."""
        settings = {"prompt": self.prompt, "seed": str(seed), "image": picture}
        if self.video_negative_prompt is not None:
            settings["video-negative-prompt"] = self.video_negative_prompt
        if self.audio_negative_prompt is not None:
            settings["audio-negative-prompt"] = self.audio_negative_prompt
        return settings

    def drawn_seed(self):
        """Drawn here, once: a job that is done again gives the same clip."""
        return secrets.randbelow(RANDOM_SEEDS) if self.seed in (None, -1) else self.seed


def wrong(field, what):
    return Problem(400, "request", f'The field "{field}" {what}.')


def check_text(field, text, most):
    if len(text.encode()) > most:
        raise wrong(field, f"is longer than {most} bytes")
    for letter in text:
        if (letter < " " and letter not in "\t\n\r") or letter == "\x7f":
            raise wrong(field, f"has the control character U+{ord(letter):04X}")


def read_request(body, prompt_bytes):
    """Problem 400 names the field and what is wrong with it, never what stands in it."""
    try:
        request = ClipRequest.model_validate_json(body)
    except pydantic.ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        if first["type"] == "json_invalid" or not place:
            raise Problem(400, "json", "The body is not a JSON object in UTF-8.") from None
        raise wrong(place, "is wrong: " + first["msg"]) from None
    for field in ("prompt", "video_negative_prompt", "audio_negative_prompt"):
        check_text(field, getattr(request, field) or "", prompt_bytes)
    if not request.prompt.strip():
        raise wrong("prompt", "is empty: say what is to be seen and heard")
    if request.seed is not None and not -1 <= request.seed <= BIGGEST_SEED:
        raise wrong("seed", f"is not from -1 to {BIGGEST_SEED}")
    if not request.image.lower().startswith("data:") and len(request.image) > LONGEST_URI:
        raise wrong("image", f"is an address of more than {LONGEST_URI} characters")
    return request
