# An application that opens libraries and the element in the order of its arguments, in one process:
# opening.py STEP..., and the STEPs are
#   global:FILE, local:FILE    dlopen() a library
#   close:FILE                 dlclose() it again
#   rm:FILE                    unlink() it
#   ready                      NULL->READY of one element, the same each time
#   clip                       a clip of half a second to its end
#   isolated                   from here on with isolation=process
# Prints one JSON list: for each ready and clip null, or what the ERROR said.
# SPDX-License-Identifier: Apache-2.0
import ctypes
import json
import os
import subprocess
import sys


class Application:
    def __init__(self):
        self.libraries, self.element, self.said, self.isolation = {}, None, [], "none"

    def gst(self):
        import gi

        gi.require_version("Gst", "1.0")
        from gi.repository import Gst

        Gst.init(None)
        return Gst

    def load(self, mode, path):
        self.libraries[path] = ctypes.CDLL(path, mode)

    def close(self, path):
        dlclose = ctypes.CDLL(None).dlclose
        dlclose.argtypes = [ctypes.c_void_p]
        dlclose(self.libraries.pop(path)._handle)

    def error(self, Gst, bus, wanted):
        message = bus.timed_pop_filtered(120 * Gst.SECOND, Gst.MessageType.ERROR | wanted)
        assert message, "neither an end nor an error"
        if message.type != Gst.MessageType.ERROR:
            return None
        error, debug = message.parse_error()
        return {"domain": error.domain, "code": error.code, "text": error.message, "debug": debug}

    def ready(self):
        Gst = self.gst()
        if self.element is None:
            self.element = Gst.ElementFactory.make("ovii2vsrc", None)
            assert self.element, "no element ovii2vsrc"
            self.element.set_bus(Gst.Bus())
        Gst.util_set_object_arg(self.element, "isolation", self.isolation)
        wrong = None
        if self.element.set_state(Gst.State.READY) == Gst.StateChangeReturn.FAILURE:
            wrong = self.error(Gst, self.element.get_bus(), Gst.MessageType.ERROR)
        self.element.set_state(Gst.State.NULL)
        self.said.append(wrong)

    def clip(self):
        Gst = self.gst()
        pipeline = Gst.parse_launch(
            "ovii2vsrc name=s prompt=x seed=1 steps=1 slg-layer=1 device=cpu s.video ! fakesink s.audio ! fakesink"
        )
        Gst.util_set_object_arg(pipeline.get_by_name("s"), "isolation", self.isolation)
        pipeline.get_by_name("s").set_property("model-path", os.environ.get("MODEL", "."))
        pipeline.set_state(Gst.State.PLAYING)
        self.said.append(self.error(Gst, pipeline.get_bus(), Gst.MessageType.EOS))
        pipeline.set_state(Gst.State.NULL)

    def do(self, step):
        kind, _, path = step.partition(":")
        {
            "global": lambda: self.load(ctypes.RTLD_GLOBAL, path),
            "local": lambda: self.load(ctypes.RTLD_LOCAL, path),
            "close": lambda: self.close(path),
            "rm": lambda: os.unlink(path),
            "ready": self.ready,
            "clip": self.clip,
            "isolated": lambda: setattr(self, "isolation", "process"),
        }[kind]()


def run(*steps, env=None, prefix=()):
    """In a process of its own: what each `ready` and `clip` said. Dies when that dies."""
    done = subprocess.run(
        [*prefix, "/usr/bin/python3", __file__, *map(str, steps)],
        env={**os.environ, **(env or {})}, capture_output=True, text=True, timeout=200,
    )  # fmt: skip
    assert done.returncode == 0, f"{steps}: status {done.returncode}\n{done.stderr[-3000:]}"
    return json.loads(done.stdout.splitlines()[-1])


if __name__ == "__main__":
    application = Application()
    for step in sys.argv[1:]:
        application.do(step)
    print(json.dumps(application.said))
