# The other end of clip_process.py: starts it, gives it orders, hears its events.
# SPDX-License-Identifier: Apache-2.0
import asyncio
import json
import os
import pathlib
import signal

# Read now, and run elsewhere: Ray may take away the folder that it has unpacked this program to, as when
# another of its nodes on the same machine ends, and MKL does not start in a folder that is gone.
PROGRAM = pathlib.Path(__file__).with_name("clip_process.py").read_text("utf-8")
# PyGObject is built for the system's Python; Ray's is often another one.
PYTHON = "/usr/bin/python3"
LONGEST_LINE = 16 << 20  # bytes: a record holds three texts of 256 KiB, escaped
LONGEST_CANCEL = 30  # seconds for one block of the model
LAST = ("made", "failed", "cancelled")


class ProcessDied(Exception):
    """The process ended while it made a clip, or never came up."""


class ClipLink:
    """One process. `start` is the first line that clip_process.py describes."""

    def __init__(self, start, plugins=""):
        self.start_line = start
        self.environment = dict(os.environ)
        if plugins:
            self.environment["GST_PLUGIN_PATH"] = plugins
        self.process = None
        self.at_work = False  # on an order
        self.lock = asyncio.Lock()  # of an order, and of its cancelling after it
        self.properties = []  # that an order may set, once it is open

    @property
    def pid(self):
        return self.process.pid if self.process else None

    async def open(self):
        """Starts the process where none runs; ProcessDied says why it does not come up."""
        if not self.lock.locked():  # else an order is at work, which opens it itself
            async with self.lock:
                await self._open()

    async def _open(self):
        if self.process and self.process.returncode is None:
            return
        self.process = await asyncio.create_subprocess_exec(
            PYTHON, "-c", PROGRAM, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
            env=self.environment, limit=LONGEST_LINE, cwd=self.start_line["folder"],
        )  # fmt: skip
        self._say(self.start_line)
        event = await self._hear()
        if event["event"] != "ready":
            raise ProcessDied(event["message"])
        self.properties = event["properties"]

    async def orders(self, kind, settings):
        """Yields the events of an order ("make" or "try"), the last one included. Left early, it
        cancels the clip; when that is not done in time, the process is killed."""
        await self.lock.acquire()
        self.at_work = False
        try:
            yield (event := await self._begin({kind: settings}))
            while event["event"] not in LAST:
                yield (event := await self._hear())
        finally:
            if self.at_work:
                # Goes on where this coroutine is cancelled once more; the next order waits for it.
                self.cancelling = asyncio.create_task(self._cancel())
                await asyncio.shield(self.cancelling)
            else:
                self.lock.release()

    async def _begin(self, order):
        """The first event of an order. A process that ended while it rested did not die of it."""
        for last in (False, True):
            await self._open()
            self._say(order)
            self.at_work = True
            try:
                return await self._hear()
            except ProcessDied:
                if last:
                    raise

    async def _cancel(self):
        try:
            async with asyncio.timeout(LONGEST_CANCEL):
                self._say({"cancel": True})
                while (event := await self._hear())["event"] not in LAST:
                    pass
                if event.get("path"):
                    os.unlink(event["path"])  # it was whole by then
        except TimeoutError:
            self.kill()
        except ProcessDied:
            pass
        finally:
            self.lock.release()

    async def close(self):
        """Ends the process, also in the midst of a clip."""
        if self.process and self.process.returncode is None:
            self.process.stdin.close()
            try:
                await asyncio.wait_for(self.process.wait(), LONGEST_CANCEL)
            except TimeoutError:
                self.kill()
                await self.process.wait()

    def kill(self):
        if self.process and self.process.returncode is None:
            self.process.kill()

    def _say(self, order):
        try:
            self.process.stdin.write(json.dumps(order).encode() + b"\n")
        except (OSError, RuntimeError):
            pass  # it is gone (uvloop says so here): what is heard next says how

    async def _hear(self):
        line = await self.process.stdout.readline()
        if line.endswith(b"\n"):
            event = json.loads(line)
            self.at_work = self.at_work and event["event"] not in LAST
            return event
        self.at_work = False
        self.kill()
        status = await self.process.wait()
        how = signal.Signals(-status).name if status < 0 else f"status {status}"
        raise ProcessDied(f"The process that makes clips ended with {how}.")
