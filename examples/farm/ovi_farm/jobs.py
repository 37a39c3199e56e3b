# All jobs of the farm: who gets in, who makes them, what happens when a maker dies.
# SPDX-License-Identifier: Apache-2.0
import asyncio
import contextvars
import logging
import math
import secrets
import time

import ray.exceptions
from ray.serve.exceptions import DeploymentUnavailableError

from .job import CANCELLED, FAILED, MADE, RUNNING, WAITING, Job
from .problems import Problem

ATTEMPTS = 2  # a job whose maker died is done again exactly once more
MOST_KEPT = 20000  # jobs that are over, of which status can still be asked
log = logging.getLogger("ray.serve")


class MakerDied(Exception):
    pass


class Jobs:
    """`make(order)` gives the events of maker.Maker.make as an asynchronous iterator with cancel()."""

    def __init__(self, settings, make, results, metrics):
        self.settings, self.make, self.results, self.metrics = settings, make, results, metrics
        self.jobs = {}
        self.waiting = self.running = 0
        self.mean_seconds = 60.0  # of a clip, the newest counting most

    def retry_after(self):
        """Seconds until one more might find a place."""
        rounds = (self.waiting + 1) / max(self.running, 1)
        return min(max(math.ceil(rounds * self.mean_seconds), 1), 3600)

    def check_room(self):
        """Problem 429 where no job may be added now."""
        if self.waiting >= self.settings.queue:
            raise Problem(429, "queue", f"{self.waiting} jobs wait already. Try again later.",
                          self.retry_after())  # fmt: skip

    def add(self, owner, seed, order, wants_clip=False):
        self.check_room()
        job = Job(owner, seed, order, wants_clip)
        self.jobs[job.id] = job
        self.waiting += 1
        job.tell("waiting", ahead=self.waiting - 1, seed=seed)
        # In a context of its own: what ends the request that asked does not end the job.
        job.task = asyncio.create_task(self._run(job), context=contextvars.Context())
        self._gauge()
        return job

    def find(self, job_id, owner):
        job = self.jobs.get(job_id)
        if job is None or job.owner != owner:
            raise Problem(404, "job", "There is no such job of this key.")
        return job

    def cancel(self, job):
        if not job.over:
            job.task.cancel()

    def remove_old(self):
        now = time.monotonic()
        over = [job for job in self.jobs.values() if job.over]
        for number, job in enumerate(over):
            if now - job.ended > self.settings.keep_seconds or len(over) - number > MOST_KEPT:
                del self.jobs[job.id]

    def _gauge(self):
        self.metrics.jobs.set(self.waiting, {"state": WAITING})
        self.metrics.jobs.set(self.running, {"state": RUNNING})

    def _move(self, job, state):
        """Between waiting and running, and out of both (None)."""
        self.waiting -= job.state == WAITING
        self.running -= job.state == RUNNING
        self.waiting += state == WAITING
        self.running += state == RUNNING
        if state:
            job.state = state
        self._gauge()

    async def _run(self, job):
        limit = self.settings.time_limit
        try:
            try:
                async with asyncio.timeout(limit):
                    await self._finish(job, await self._attempts(job))
                ending = (MADE, "made", job.answer)
            except TimeoutError:
                raise Problem(504, "time", f"There was no clip after {limit:g} s.") from None
        except Problem as problem:
            job.problem = problem
            ending = (FAILED, "failed", problem.body())
        except asyncio.CancelledError:
            self.metrics.cancelled.inc()
            ending = (CANCELLED, "cancelled", {})
        except Exception:
            log.exception("A job failed within the farm")
            job.problem = Problem(500, "farm", "The farm failed. The operator's log says why.")
            ending = (FAILED, "failed", job.problem.body())
        self._move(job, None)
        state, name, fields = ending
        job.close(state, name, **fields)
        log.info("job of %s: %s after %.1f s, %d attempts", job.owner, name,
                 job.ended - job.begun, job.attempts)  # fmt: skip

    async def _attempts(self, job):
        for job.attempts in range(1, ATTEMPTS + 1):
            try:
                return await self._attempt(job)
            except MakerDied as died:
                log.warning("job of %s: its maker died: %s", job.owner, died)
                if job.attempts < ATTEMPTS:
                    self.metrics.again.inc()
                    self._move(job, WAITING)
                    job.tell("again", attempt=job.attempts + 1)
        raise Problem(502, "maker", f"{ATTEMPTS} makers died over this clip.")

    async def _attempt(self, job):
        """The last event of a clip that was made; MakerDied, or Problem."""
        stream = self.make(job.order)
        over = False
        try:
            async for event in stream:
                name = event.pop("event")
                over = name in ("made", "failed", "died")
                if name == "made":
                    return event
                if name == "failed":
                    raise self._problem_of(event)
                if name == "died":
                    raise MakerDied(event["message"])
                if name == "started":
                    self._move(job, RUNNING)
                    job.started = time.monotonic()
                    self.metrics.waited.observe(job.started - job.begun)
                job.tell(name, **event)
            raise MakerDied("its events ended early")
        except ray.exceptions.TaskCancelledError:
            raise MakerDied("its work was cancelled from outside") from None
        except ray.exceptions.RayTaskError as error:
            over = True
            log.error("A maker failed: %s", error)
            raise Problem(500, "maker", "The maker failed. The operator's log says why.") from None
        except DeploymentUnavailableError:
            over = True
            raise Problem(502, "maker", "No maker comes up. The operator's log says why.") from None
        except ray.exceptions.RayError as error:
            over = True
            raise MakerDied(type(error).__name__) from None
        finally:
            if not over:
                stream.cancel()

    @staticmethod
    def _problem_of(event):
        if event["kind"] == "request":
            return Problem(400, "request", event["message"])
        return Problem(500, "engine", event["message"])

    async def _finish(self, job, event):
        stats = event["stats"]
        clip = event["clip"]
        job.clip_name = secrets.token_urlsafe(24) + ".mp4"
        await self.results.write(job.clip_name, clip)
        job.clip = clip if job.wants_clip else None
        took = time.monotonic() - job.started
        self.mean_seconds += (took - self.mean_seconds) / (2 if job.attempts else 1)
        self.metrics.took.observe(took)
        self.metrics.bytes.inc(len(clip))
        job.answer = {
            "video": job.clip_name,  # the front makes it an address
            "duration": round(stats["frames"] / 24, 4),
            "width": stats["width"], "height": stats["height"], "seconds": round(took, 3),
        }  # fmt: skip
