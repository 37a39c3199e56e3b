# Looks at media files with FFmpeg and GStreamer's discoverer, not with what made them.
# SPDX-License-Identifier: Apache-2.0
import array
import json
import operator
import re
import subprocess


def said_by(*command):
    return subprocess.run(command, check=True, capture_output=True, timeout=60).stdout


def streams(path):
    """The streams by type ("video", "audio"), with frames or packets really decoded counted."""
    found = json.loads(
        said_by("ffprobe", "-v", "error", "-count_frames", "-show_streams", "-of", "json", path)
    )["streams"]
    by_type = {stream["codec_type"]: stream for stream in found}
    assert len(by_type) == len(found) == 2, f"{path} has {[s['codec_type'] for s in found]}"
    return by_type


def frames(path, width, height, more=()):
    """Every decoded frame as bytes of RGB."""
    raw = said_by(
        "ffmpeg", "-v", "error", "-i", path, "-map", "0:v", "-fps_mode", "passthrough", *more,
        "-f", "rawvideo", "-pix_fmt", "rgb24", "-",
    )  # fmt: skip
    size = width * height * 3
    assert len(raw) % size == 0, f"{len(raw)} bytes are no whole frames of {width}x{height}"
    return [raw[at : at + size] for at in range(0, len(raw), size)]


def frame_times(path, kind="v"):
    """Presentation times of the decoded frames ("v") or blocks of sound ("a"), in order."""
    lines = said_by(
        "ffprobe", "-v", "error", "-select_streams", f"{kind}:0", "-show_entries",
        "frame=best_effort_timestamp_time", "-of", "csv=p=0", path,
    ).decode()  # fmt: skip
    # What a codec puts ahead and its container says to leave out has no time.
    found = [re.match(r"-?\d+(\.\d+)?", line) for line in lines.split()]
    return [float(time[0]) for time in found if time]


def picture(path, width, height):
    return frames(path, width, height, ("-vf", f"scale={width}:{height}"))[0]


def samples(path, channels=1, more=()):
    """The decoded sound, 16 bits, one array for each channel."""
    raw = said_by(
        "ffmpeg", "-v", "error", "-i", path, "-map", "0:a", *more,
        "-f", "s16le", "-c:a", "pcm_s16le", "-",
    )  # fmt: skip
    pcm = array.array("h", raw)
    return [pcm[channel::channels] for channel in range(channels)]


def loudness(pcm):
    """Root mean square of samples between -1 and 1."""
    return (sum(s * s for s in pcm) / len(pcm)) ** 0.5 / 32768


# Four samples a millisecond, of one second, are enough to compare two sounds by.
SOUND_RATE = 4000
SOUND_SPAN = 4000
MOST_DELAY = 600


def lateness(path, original, channel=0, channels=1):
    """How many seconds the sound of a file comes late against its picture (early: negative), as the
    file's timestamps have it; original is the channel's own, in raw S16LE samples at 16 kHz."""
    resampled = ("-ar", str(SOUND_RATE))
    heard = samples(path, channels, resampled)[channel][:SOUND_SPAN]
    raw = ("ffmpeg", "-v", "error", "-f", "s16le", "-ar", "16000", "-i", original, *resampled)
    meant = array.array("h", said_by(*raw, "-f", "s16le", "-"))[:SOUND_SPAN]

    def likeness_at(delay):
        late, early = heard[max(delay, 0) :], meant[max(-delay, 0) :]
        size = min(len(late), len(early))
        energy = dot(late[:size], late[:size]) * dot(early[:size], early[:size])
        return dot(late, early) / (energy**0.5 or 1.0)

    delay = max(range(-MOST_DELAY, MOST_DELAY + 1), key=likeness_at)
    assert likeness_at(delay) > 0.9, f"another sound than it was: {likeness_at(delay)}"
    return delay / SOUND_RATE + frame_times(path, "a")[0] - frame_times(path)[0]


def dot(one, other):
    return sum(map(operator.mul, one, other))


def difference(one, other):
    """Mean absolute difference of two pictures, of 255."""
    assert len(one) == len(other)
    return sum(abs(a - b) for a, b in zip(one, other)) / len(one)


def likeness(one, other):
    """Correlation of two pictures: 1 for the same, 0 for unrelated or flat ones."""
    assert len(one) == len(other)
    # Every fifth byte is enough to tell, and takes in all three colours.
    one, other = one[::5], other[::5]
    mean_one, mean_other = sum(one) / len(one), sum(other) / len(other)
    product = square_one = square_other = 0.0
    for a, b in zip(one, other):
        a -= mean_one
        b -= mean_other
        product += a * b
        square_one += a * a
        square_other += b * b
    return product / ((square_one * square_other) ** 0.5 or 1.0)


def crop(frame, width, left, right):
    """The columns from left to right of a picture."""
    rows = range(0, len(frame), width * 3)
    return b"".join(frame[row + left * 3 : row + right * 3] for row in rows)


def discovered(path):
    """What GStreamer's own discoverer says: seconds, and its text."""
    text = said_by("gst-discoverer-1.0", "-v", path).decode()
    hours, minutes, seconds = re.search(r"Duration: (\d+):(\d+):([\d.]+)", text).groups()
    return int(hours) * 3600 + int(minutes) * 60 + float(seconds), text
