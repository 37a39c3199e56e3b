# One clip that was asked for: its state, and what has happened to it.
# SPDX-License-Identifier: Apache-2.0
import asyncio
import secrets
import time

WAITING, RUNNING, MADE, FAILED, CANCELLED = "waiting", "running", "made", "failed", "cancelled"
OVER = (MADE, FAILED, CANCELLED)
MOST_EVENTS = 2000


class Job:
    def __init__(self, owner, seed, order, wants_clip):
        self.id = secrets.token_urlsafe(16)
        self.owner, self.seed, self.order = owner, seed, order
        self.state = WAITING
        self.attempts = 0
        self.events = []  # (name, fields); the number of an event is its place
        self.news = asyncio.Event()  # replaced at each event
        self.begun = time.monotonic()
        self.started = None
        self.ended = None
        self.wants_clip = wants_clip  # the bytes themselves, not their address
        self.clip = None  # of one that wants them, until they are sent
        self.clip_name = None
        self.answer = None  # what the client gets, of a made job
        self.problem = None  # of a failed one
        self.task = None

    @property
    def over(self):
        return self.state in OVER

    def tell(self, name, **fields):
        if len(self.events) < MOST_EVENTS or self.over:
            self.events.append((name, fields))
        self.news.set()
        self.news = asyncio.Event()

    def close(self, state, name, **fields):
        self.state = state
        self.ended = time.monotonic()
        self.order = None  # the picture is in it
        self.tell(name, **fields)

    async def wait(self):
        while not self.over:
            await self.news.wait()

    async def follow(self, after, beat):
        """Events from number `after` on, until the job is over; None each `beat` seconds without."""
        at = max(after, 0)
        while True:
            while at < len(self.events):
                yield at, *self.events[at]
                at += 1
            if self.over:
                return
            news = self.news
            try:
                async with asyncio.timeout(beat):
                    await news.wait()
            except TimeoutError:
                yield None

    def status(self):
        """As JSON has it."""
        fields = {"id": self.id, "status": self.state, "seed": self.seed, "attempts": self.attempts}
        if self.events and self.state == RUNNING:
            name, progress = self.events[-1]
            fields |= {"progress": progress} if name == "progress" else {}
        if self.problem:
            fields["error"] = self.problem.body()
        return fields | (self.answer or {})
