# The front: the hosted API's contract over HTTP.
# SPDX-License-Identifier: Apache-2.0
import asyncio
import contextlib
import logging

from fastapi import FastAPI, Request
from ray import serve
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response

from . import accept, events
from .body import Bodies
from .clients import Clients
from .fetch import Fetcher
from .job import CANCELLED, FAILED
from .jobs import Jobs
from .keys import Keys
from .metrics import Metrics
from .pictures import Pictures
from .problems import Problem
from .request import read_request
from .results import Results

CLEAN_EVERY = 60  # seconds, at most
log = logging.getLogger("ray.serve")
api = FastAPI(title="Ovi", openapi_url=None, docs_url=None, redoc_url=None)


@api.exception_handler(Problem)
async def tell_problem(_request, problem):
    return problem.response()


@api.exception_handler(HTTPException)
async def tell_http(_request, wrong):
    known = {404: "There is nothing at this address.", 405: "This address takes another method."}
    return Problem(wrong.status_code, "http", known.get(wrong.status_code, wrong.detail)).response()


@api.exception_handler(Exception)
async def tell_fault(_request, _fault):
    return Problem(500, "farm", "The farm failed. The operator's log says why.").response()


@serve.deployment
@serve.ingress(api)
class Front:
    def __init__(self, settings, maker):
        self.settings = settings
        self.metrics = Metrics()
        self.results = Results(settings)
        self.clients = Clients(Keys(settings.keys), settings.per_key)
        self.bodies = Bodies(settings)
        self.pictures = Pictures(settings, Fetcher(settings))
        calls = maker.options(method_name="make", stream=True)
        self.jobs = Jobs(settings, calls.remote, self.results, self.metrics)
        self.cleaner = None

    @api.get("/v1/health")
    async def health(self):
        return {"waiting": self.jobs.waiting, "running": self.jobs.running}

    @api.post("/v1/ovi-i2v")
    async def make(self, request: Request):
        try:
            answer = await self._make(request)
        except Problem as problem:
            answer = problem.response()
        except asyncio.CancelledError:
            self.metrics.answers.inc(tags={"status": "gone"})
            raise
        self.metrics.answers.inc(tags={"status": str(answer.status_code)})
        return answer

    @api.get("/v1/jobs/{job_id}")
    async def job(self, job_id: str, request: Request):
        job = self.jobs.find(job_id, self.clients.owner(request))
        return self._complete(request, job.status())

    @api.get("/v1/jobs/{job_id}/events")
    async def job_events(self, job_id: str, request: Request):
        job = self.jobs.find(job_id, self.clients.owner(request))
        return events.stream(job, request.headers.get("last-event-id"),
                             lambda fields: self._complete(request, fields))  # fmt: skip

    @api.delete("/v1/jobs/{job_id}")
    async def give_up(self, job_id: str, request: Request):
        job = self.jobs.find(job_id, self.clients.owner(request))
        self.jobs.cancel(job)
        await job.wait()
        return job.status()

    @api.get("/v1/clips/{name}")
    async def clip(self, name: str):
        return await self.results.answer(name)

    async def _make(self, request):
        owner = self.clients.owner(request)
        kind = accept.choose(request.headers.get("accept"))
        self.jobs.check_room()
        with self.clients.take(owner, self.jobs.retry_after()) as place:
            at_once = "respond-async" not in request.headers.get("prefer", "").lower()
            job = await self._take(request, owner, at_once and kind == accept.MP4)
            # The place goes back with the job, however long its client stays.
            keep = place.pop_all()
            job.task.add_done_callback(lambda _: keep.close())
        if not at_once:
            return self._accepted(request, job)
        try:
            await job.wait()
        except asyncio.CancelledError:
            self.jobs.cancel(job)  # the client has gone
            job.clip = None
            raise
        return self._answer(request, job, kind)

    async def _take(self, request, owner, wants_clip):
        """A job from a request's body."""
        self._begin_cleaning()
        body = await self.bodies.read(request)
        try:
            wanted = await asyncio.to_thread(read_request, body, self.settings.prompt_bytes)
            picture = await self.pictures.take(wanted.image)
        finally:
            self.bodies.release(body)
        seed = wanted.drawn_seed()
        return self.jobs.add(owner, seed, wanted.settings(picture, seed), wants_clip)

    def _accepted(self, request, job):
        place = f"/v1/jobs/{job.id}"
        fields = {**job.status(), "job": place, "events": place + "/events"}
        headers = {"Location": place, "Preference-Applied": "respond-async"}
        return JSONResponse(self._complete(request, fields), 202, headers)

    def _answer(self, request, job, kind):
        if job.state == FAILED:
            return job.problem.response()
        if job.state == CANCELLED:
            return Problem(409, "cancelled", "The job was cancelled.").response()
        data, job.clip = job.clip, None
        headers = {"X-Job-Id": job.id, "X-Seed": str(job.seed),
                   "X-Duration": str(job.answer["duration"]), "Vary": "Accept"}  # fmt: skip
        if kind == accept.MP4:
            return Response(data, media_type=accept.MP4, headers=headers)
        return JSONResponse(self._complete(request, job.status()), headers=headers)

    def _complete(self, request, fields):
        """With whole addresses: as the client reached the farm, or by the operator's word."""
        base = self.settings.public_url.rstrip("/") or str(request.base_url).rstrip("/")
        fields = dict(fields)
        if "video" in fields:
            fields["video"] = f"{base}/v1/clips/{fields['video']}"
        for name in ("job", "events"):
            if name in fields:
                fields[name] = base + fields[name]
        return fields

    def _begin_cleaning(self):
        if self.cleaner is None or self.cleaner.done():
            self.cleaner = asyncio.create_task(self._clean())

    async def _clean(self):
        while True:
            with contextlib.suppress(OSError):
                removed = await asyncio.to_thread(self.results.remove_old)
                if removed:
                    self.metrics.removed.inc(removed)
            self.jobs.remove_old()
            await asyncio.sleep(min(CLEAN_EVERY, self.settings.keep_seconds))
