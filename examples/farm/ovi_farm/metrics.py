# What Prometheus is told, by Ray's own door on every machine (names begin with ray_).
# SPDX-License-Identifier: Apache-2.0
from ray.util.metrics import Counter, Gauge, Histogram

SECONDS = [1, 2, 5, 10, 20, 30, 45, 60, 90, 120, 180, 300, 600, 1200]


class Metrics:
    """No names of keys, jobs or clips: what is counted is no secret, and few series."""

    def __init__(self):
        self.answers = Counter("ovi_answers", "Answers to requests for clips", ("status",))
        self.jobs = Gauge("ovi_jobs", "Jobs that wait, and that are being made", ("state",))
        self.again = Counter("ovi_jobs_again", "Jobs done again because their maker died")
        self.cancelled = Counter("ovi_jobs_cancelled", "Jobs that their client gave up")
        self.waited = Histogram("ovi_waited_seconds", "From request to maker", SECONDS)
        self.took = Histogram("ovi_clip_seconds", "From maker to clip", SECONDS)
        self.bytes = Counter("ovi_clip_bytes", "Bytes of clips")
        self.removed = Counter("ovi_clips_removed", "Clips whose time was over")
