# A real Ray cluster of two simulated machines on this one, with farms on it.
# SPDX-License-Identifier: Apache-2.0
import json
import os
import pathlib
import secrets
import shutil
import signal
import socket
import tempfile
import time

import ray
import requests
from ray import serve
from ray.cluster_utils import Cluster

import demo
import farm_model
from ovi_farm import keys
from ovi_farm.app import build
from ovi_farm.settings import Settings

SOURCE = pathlib.Path(__file__).resolve().parents[2]
MIB = 1 << 20
QUIET = {"enable_access_log": False}


def until(true, seconds=60, what="it"):
    end = time.monotonic() + seconds
    while not (value := true()):
        assert time.monotonic() < end, f"{what}: not within {seconds} s"
        time.sleep(0.05)
    return value


class FarmCluster:
    """Each machine has room for one maker of the main farm; `head` for one of another farm as well."""

    def __init__(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="ovi-farm-"))
        # Processes of these tests are known by it, to the tests and to whoever cleans up.
        self.mark = secrets.token_hex(8)
        os.environ["OVI_FARM_TESTS"] = self.mark
        # A machine that builds meanwhile starts processes slowly.
        os.environ["RAY_SERVE_PROXY_READY_CHECK_TIMEOUT_S"] = "60"
        os.environ["RAY_AUTH_TOKEN"] = secrets.token_hex(32)
        self.model = farm_model.small_model(self.folder / "model")
        self.keys_file = str(self.folder / "keys")
        self.keys = {name: keys.add(self.keys_file, name) for name in ("anna", "bert", "gone")}
        keys.withdraw(self.keys_file, "gone")
        self.cluster = Cluster(
            initialize_head=True,
            head_node_args={
                "num_cpus": 2, "resources": {"maker": 1, "other": 1, "batch": 1}, "include_dashboard": False,
                "temp_dir": str(self.folder / "ray"), "object_store_memory": 100 * MIB,
                "_system_config": {"metrics_report_interval_ms": 500},
            },
        )  # fmt: skip
        self.second = self.add_machine("maker")
        ray.init(
            address=self.cluster.address, log_to_driver=False, configure_logging=False,
            runtime_env={"working_dir": str(SOURCE / "examples" / "farm")},
        )  # fmt: skip
        self.port = demo.free_ports(socket.SOCK_STREAM, 1)
        self.url = f"http://127.0.0.1:{self.port}"
        serve.start(proxy_location="HeadOnly", logging_config=QUIET,
                    http_options={"host": "127.0.0.1", "port": self.port})  # fmt: skip

    def add_machine(self, what):
        """With room for one maker that needs this resource."""
        return self.cluster.add_node(num_cpus=2, resources={what: 1}, object_store_memory=100 * MIB)

    def kill_machine(self, machine):
        self.cluster.remove_node(machine, allow_graceful=False)

    def settings(self, **changes):
        whole = {"model": str(self.model.path), "keys": self.keys_file, "gpus": 0, "cpus": 0,
                 "properties": farm_model.PROPERTIES, "results": str(self.folder / "results")}  # fmt: skip
        return Settings(**whole | changes)

    def add_farm(self, name, prefix, **changes):
        serve.run(build(self.settings(**changes)), name=name, route_prefix=prefix)

    def maker_pids(self, name, count, wanted="replica"):
        """{process of the element: process of the replica, or node} of all makers of a farm; at rest."""
        handle = serve.get_deployment_handle("Maker", name)
        found = {}

        def look():
            where = handle.where.remote().result(timeout_s=30)
            found[where["process"]] = where[wanted]
            return len(found) == count

        until(look, what="all makers")
        return found

    def processes(self):
        """Of these tests: {pid: command line}."""
        found = {}
        for entry in pathlib.Path("/proc").iterdir():
            try:
                if f"OVI_FARM_TESTS={self.mark}".encode() in (entry / "environ").read_bytes():
                    found[int(entry.name)] = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            except (OSError, ValueError):
                pass
        found.pop(os.getpid(), None)
        return found

    @staticmethod
    def children(pid):
        """Processes of the element that a replica runs now."""
        return [int(one) for path in pathlib.Path(f"/proc/{pid}/task").glob("*/children")
                for one in path.read_text().split()
                if b"clip_link.py" in pathlib.Path(f"/proc/{one}/cmdline").read_bytes()]  # fmt: skip

    def logs(self):
        """Everything that Ray, Serve, the farm and its processes have written."""
        return b"".join(path.read_bytes() for path in (self.folder / "ray").rglob("*")
                        if path.is_file() and "logs" in path.parts)  # fmt: skip

    def close(self):
        serve.shutdown()
        ray.shutdown()
        self.cluster.shutdown()
        for pid in self.processes():
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        shutil.rmtree(self.folder, ignore_errors=True)


class Client:
    """As one written for the hosted service."""

    def __init__(self, url, key):
        self.url, self.headers = url, {"x-api-key": key}

    def ask(self, headers=None, timeout=120, **fields):
        data = {"image": farm_model.IMAGE_URI, "prompt": farm_model.PROMPT, **fields}
        return requests.post(f"{self.url}/v1/ovi-i2v", json=data, timeout=timeout,
                             headers={**self.headers, **(headers or {})})  # fmt: skip

    def begin(self, **fields):
        answer = self.ask({"Prefer": "respond-async"}, **fields)
        assert answer.status_code == 202, answer.text
        return answer.json()

    def get(self, address, **more):
        return requests.get(address, headers=self.headers, timeout=60, **more)

    def events(self, job, last=None):
        """(name, fields, number) of each event until the job is over."""
        headers = {**self.headers, **({"Last-Event-ID": str(last)} if last is not None else {})}
        with requests.get(job["events"], headers=headers, stream=True, timeout=60) as answer:
            assert answer.status_code == 200, answer.text
            assert answer.headers["content-type"].startswith("text/event-stream")
            event = {}
            for line in answer.iter_lines(decode_unicode=True):
                if line.startswith(":") or (not line and not event):
                    continue  # a sign of life
                if not line:
                    yield event["event"], json.loads(event["data"]), int(event["id"])
                    event = {}
                else:
                    name, _, text = line.partition(": ")
                    event[name] = text
