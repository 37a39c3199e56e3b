# What a client wants to have: JSON, or the MP4 itself.
# SPDX-License-Identifier: Apache-2.0
from .problems import Problem

JSON, MP4 = "application/json", "video/mp4"


def wishes(header):
    """{media range: q} of an Accept header."""
    found = {}
    for part in header.split(","):
        name, *parameters = (word.strip().lower() for word in part.split(";"))
        quality = 1.0
        for parameter in parameters:
            if parameter.startswith("q="):
                try:
                    quality = min(max(float(parameter[2:]), 0.0), 1.0)
                except ValueError:
                    quality = 0.0
        if name:
            found[name] = quality
    return found


def choose(header):
    """JSON or MP4, as RFC 9110 has it, JSON where both are as good; Problem 406."""
    ranges = wishes(header or "*/*") or {"*/*": 1.0}

    def quality(kind):
        for name in (kind, kind.partition("/")[0] + "/*", "*/*"):
            if name in ranges:
                return ranges[name]
        return 0.0

    best = max((JSON, MP4), key=quality)  # the first of equals
    if quality(best) <= 0:
        raise Problem(406, "accept", f"The answer can be {JSON} or {MP4}, not what Accept names.")
    return best
