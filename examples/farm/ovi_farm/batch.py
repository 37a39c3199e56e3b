# Makes the rows of a table on all machines of a cluster.
# SPDX-License-Identifier: Apache-2.0
"""Rows go to makers that are up, never to one that may come; a row whose maker dies goes to another.
What is made is written by the driver, so that machines may come and go."""
import base64
import dataclasses
import os
import tempfile
import time

import ray
import ray.exceptions

from .clip_files import MADE, OTHER, ClipFiles
from .clip_link import ClipLink, ProcessDied
from .identity import request_digest, seed_of
from .maker import start_line, take_file, warm_up

MOST_DEATHS = 5  # of makers over one row: then it is the row


@ray.remote(max_restarts=-1, max_task_retries=0)
class BatchMaker:
    def __init__(self, settings):
        self.settings = settings
        self.folder = tempfile.TemporaryDirectory(
            prefix="ovi-batch-", ignore_cleanup_errors=True
        )
        line = start_line(settings, self.folder.name)
        line["settings"]["image-schemes"] = "file,http,https,data"  # the operator's own table
        self.link = ClipLink(line, settings.plugins)

    async def up(self):
        """Once the model is loaded: names of the properties that rows may set, files of the model."""
        files = await warm_up(self.link)
        return self.link.properties, files

    async def make(self, settings):
        """The last event of the clip, with its bytes; ProcessDied."""
        async for event in self.link.orders("make", settings):
            last = event
        if last["event"] == "made":
            last["clip"] = take_file(last.pop("path"))
        return last


    def where(self):
        """For tests: the machine."""
        return ray.get_runtime_context().get_node_id()


@dataclasses.dataclass
class Task:
    row: object
    name: str
    digest: str = ""
    settings: dict = dataclasses.field(default_factory=dict)
    deaths: int = 0
    result: str = ""  # made, skipped, failed
    reason: str = ""
    seed: int | None = None
    seconds: float = 0


def no_maker(error):
    return RuntimeError(f"A maker does not come up: {error.cause}")


def packed(image):
    """A local picture as a data: URI: no other machine needs the file."""
    if not os.path.isfile(image):
        return image
    with open(image, "rb") as file:
        return "data:application/octet-stream;base64," + base64.b64encode(file.read()).decode()


class Batch:
    def __init__(self, settings, place, force=False, say=print):
        self.settings, self.force, self.say = settings, force, say
        self.clips = ClipFiles(place)
        self.files = ""  # of the model, on the machine that was up first
        self.farm = {"properties": settings.properties, "video": settings.video_encoder,
                     "audio": settings.audio_encoder}  # fmt: skip
        self.makers = []

    def start(self, count):
        """Names of properties, as soon as the first maker is up."""
        options = {"num_gpus": self.settings.gpus, "num_cpus": self.settings.cpus,
                   "resources": self.settings.resources}  # fmt: skip
        self.makers = [BatchMaker.options(**options).remote(self.settings) for _ in range(count)]
        self.pending = {maker.up.remote(): (maker, None) for maker in self.makers}
        first, _ = ray.wait(list(self.pending), num_returns=1)
        try:
            properties, self.files = ray.get(first[0])
            return properties
        except ray.exceptions.RayTaskError as wrong:
            raise no_maker(wrong) from None

    def plan(self, rows):
        tasks, taken = [], {}
        for row in rows:
            task = Task(row, row.output or f"clip-{row.number}.mp4", reason=row.wrong)
            tasks.append(task)
            if not task.reason:
                self._look(task, taken)
            taken.setdefault(task.name, row.number)
            if task.reason:
                task.result = "failed"
        return tasks

    def _look(self, task, taken):
        row = task.row
        parts = task.name.split("/")
        if not task.name.endswith(".mp4") or ".." in parts or task.name.startswith("/"):
            task.reason = f"{task.name} is no name below the folder that ends with .mp4."
        elif task.name in taken:
            task.reason = f"{task.name} is the file of row {taken[task.name]}."
        else:
            task.digest = request_digest(row.settings, self.farm, self.files)
            task.settings = dict(row.settings)
            if row.settings.get("seed", "-1").strip() == "-1":
                task.settings["seed"] = str(seed_of(task.digest, row.number))
            state = self.clips.state(task.name, task.digest)
            if state == MADE:
                task.result = "skipped"
            elif state == OTHER and not self.force:
                task.reason = (f"{task.name} is there already, and was made from something else: "
                               "choose another name, or --force to replace it.")  # fmt: skip

    def run(self, tasks):
        """Until each task has a result."""
        waiting = [task for task in tasks if not task.result]
        for task in tasks:
            if task.result:
                self._tell(task)
        self.idle = []
        # Those that are pending from the start, and rows at work.
        while waiting or any(task for _, task in self.pending.values()):
            while waiting and self.idle:
                maker, task = self.idle.pop(), waiting.pop(0)
                task.begun = time.monotonic()
                settings = dict(task.settings)
                if "image" in settings:
                    settings["image"] = packed(settings["image"])
                self.pending[maker.make.remote(settings)] = (maker, task)
            done, _ = ray.wait(list(self.pending), num_returns=1)
            maker, task = self.pending.pop(done[0])
            self._settle(done[0], maker, task, waiting)

    def _settle(self, answer, maker, task, waiting):
        try:
            event = ray.get(answer)
        except (ray.exceptions.RayError, ProcessDied) as died:
            if task is None and isinstance(died, ray.exceptions.RayTaskError):
                raise no_maker(died) from None
            # It is given rows again once it is up: here, or on another machine.
            self.pending[maker.up.remote()] = (maker, None)
            if task is None:
                return
            task.deaths += 1
            if task.deaths < MOST_DEATHS:
                self.say(f"row {task.row.number}: its maker died, it is made again")
                waiting.insert(0, task)
                return
            task.result, task.reason = "failed", f"{task.deaths} makers died over it."
            self._tell(task)
            return
        if task is None:
            if event[1] != self.files:
                raise RuntimeError("The machines have not the same model files: one has "
                                   f"{self.files}; another {event[1]}")  # fmt: skip
            self.idle.append(maker)
            return
        self.idle.append(maker)
        if event["event"] == "made":
            task.result, task.seed = "made", event["record"]["seed"]
            task.seconds = round(time.monotonic() - task.begun, 3)
            note = {"request": task.digest, "record": event["record"]}
            self.clips.write(task.name, event["clip"], note)
        else:
            task.result, task.reason = "failed", event["message"]
        self._tell(task)

    def _tell(self, task):
        what = {"made": f"made in {task.seconds} s, seed {task.seed}",
                "skipped": "is made already", "failed": f"error: {task.reason}"}  # fmt: skip
        self.say(f"row {task.row.number} (line {task.row.line}): {task.name}: {what[task.result]}")

    def close(self):
        for maker in self.makers:
            ray.kill(maker)
