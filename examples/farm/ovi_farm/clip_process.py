#!/usr/bin/python3
# The process that runs the element: clip after clip with one model that stays loaded.
# SPDX-License-Identifier: Apache-2.0
"""Started by clip_link.py with the system's Python, which has PyGObject; it needs nothing of Ray.

Lines of JSON in both directions. The first line in:
    {"settings": {NAME: VALUE, ...}, "video": ENCODER, "audio": ENCODER, "folder": FOLDER}
then orders, one after the other, and a cancel at any time:
    {"make": {NAME: VALUE, ...}}    a clip with these settings of ovii2vsrc (texts)
    {"try": {NAME: VALUE, ...}}     the same, but nothing is encoded and kept: it loads the model
    {"cancel": true}
Lines out: {"event": "ready" | "progress" | "warning" | "made" | "failed" | "cancelled", ...}; each order
ends with exactly one of the last three. At the end of the input it stops, whatever it is at.
"""
import json
import os
import shutil
import sys
import tempfile
import threading

import gi

gi.require_version("Gst", "1.0")
from gi.repository import GLib, GObject, Gst  # noqa: E402

DISCARD = "fakesink name=video sync=false fakesink name=audio sync=false"
WRITER = (
    "videoconvert name=video ! video/x-raw,format=I420 ! {video} ! queue ! mux. "
    "audioconvert name=audio ! audioresample ! audio/x-raw,rate=48000 ! {audio} ! queue ! mux. "
    "mp4mux name=mux faststart=true ! filesink name=file"
)
LONGEST_STOP = 20  # seconds; then the process ends the hard way


class Refused(ValueError):
    """A setting that the element does not take."""


def value_of(source, name, text):
    """`text` as the property takes it; Refused says why not."""
    name = name.replace("_", "-")
    spec = source.find_property(name)
    if spec is None or not spec.flags & GObject.ParamFlags.WRITABLE or name in ("name", "parent"):
        raise Refused(f'"{name}" is no setting of ovii2vsrc.')
    if "\0" in text:
        raise Refused(f"The value of {name} has a character that is zero.")
    if spec.value_type == GObject.TYPE_STRING:
        return name, text
    text = text.strip()
    done, value = parse(spec, text)
    if not done:
        raise Refused(f'"{text}" is no value that {name} takes.')
    return name, value


def parse(spec, text):
    """For numbers, booleans and enumerations, strictly: "4.5" is no whole number."""
    if hasattr(spec, "enum_class"):
        for nick in spec.enum_class.__enum_values__.values():
            if nick.value_nick == text:
                return True, nick
        return False, None
    if spec.value_type == GObject.TYPE_BOOLEAN:
        words = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}
        return text.lower() in words, words.get(text.lower())
    real = spec.value_type in (GObject.TYPE_DOUBLE, GObject.TYPE_FLOAT)
    try:
        value = float(text) if real else int(text)
    except ValueError:
        return False, None
    return spec.minimum <= value <= spec.maximum, value


def settable(source):
    """Names of the properties that a text can say."""
    return sorted(
        spec.name for spec in source.list_properties()
        if spec.flags & GObject.ParamFlags.WRITABLE and spec.name not in ("name", "parent")
        and (hasattr(spec, "minimum") or hasattr(spec, "enum_class")
             or spec.value_type in (GObject.TYPE_STRING, GObject.TYPE_BOOLEAN))
    )  # fmt: skip


def plain(value):
    return value if isinstance(value, (bool, int, float, str)) or value is None else str(value)


def fields_of(structure):
    names = [structure.nth_field_name(i) for i in range(structure.n_fields())]
    return {name: plain(structure.get_value(name)) for name in names}


class Process:
    def __init__(self, start, out):
        self.out = out
        self.video, self.audio = start["video"], start["audio"]
        self.folder = start["folder"]
        self.busy = None  # "make", "try"
        self.loop = GLib.MainLoop()
        self.pipeline = Gst.Pipeline.new("farm")
        self.source = Gst.ElementFactory.make("ovii2vsrc", "ovi")
        if self.source is None:
            raise Refused("There is no element ovii2vsrc: GST_PLUGIN_PATH does not name its folder.")
        self.pipeline.add(self.source)
        for name, text in start["settings"].items():
            self.source.set_property(*value_of(self.source, name, str(text)))
        Gst.parse_bin_from_description(self.writer_text(), False)  # are all encoders there?
        self.record = None
        self.source.get_static_pad("video").add_probe(
            Gst.PadProbeType.EVENT_DOWNSTREAM, self.on_event
        )
        bus = self.pipeline.get_bus()
        bus.add_signal_watch()
        bus.connect("message", self.on_message)

    def writer_text(self):
        return WRITER.format(video=self.video, audio=self.audio)

    def say(self, event, **fields):
        self.out.write(json.dumps({"event": event, **fields}) + "\n")
        self.out.flush()

    # From a streaming thread: the record of the clip leaves before its first buffer.
    def on_event(self, _pad, info):
        event = info.get_event()
        if event.type == Gst.EventType.TAG:
            known, text = event.parse_tag().get_string(Gst.TAG_COMMENT)
            if known and text.startswith("{"):
                self.record = text
        return Gst.PadProbeReturn.OK

    # From the main loop.

    def take(self, line):
        order = json.loads(line)
        if "cancel" in order:
            if self.busy:
                self.end("cancelled")
        elif self.busy:
            self.say("failed", kind="service", message="A clip is being made already.")
        else:
            (self.busy, settings), = order.items()
            try:
                self.begin(settings)
            except Refused as refused:
                self.busy = None
                self.say("failed", kind="request", message=str(refused))
            except GLib.Error as problem:
                self.busy = None
                self.say("failed", kind="service", message=problem.message)
        return GLib.SOURCE_REMOVE

    def begin(self, settings):
        values = [value_of(self.source, name, str(text)) for name, text in settings.items()]
        discard = self.busy == "try"
        self.writer = Gst.parse_bin_from_description(
            DISCARD if discard else self.writer_text(), False
        )
        for name in ("video", "audio"):
            pad = self.writer.get_by_name(name).get_static_pad("sink")
            self.writer.add_pad(Gst.GhostPad.new(name, pad))
        self.path = None
        if not discard:
            handle, self.path = tempfile.mkstemp(suffix=".mp4", dir=self.folder)
            os.close(handle)
            self.writer.get_by_name("file").set_property("location", self.path)
        self.before = [(name, self.source.get_property(name)) for name, _ in values]
        for name, value in values:
            self.source.set_property(name, value)
        self.pipeline.add(self.writer)
        for name in ("video", "audio"):
            self.source.link_pads(name, self.writer, name)
        self.record = None
        if self.pipeline.set_state(Gst.State.PLAYING) == Gst.StateChangeReturn.FAILURE:
            # What is wrong is on the bus already; the next order shall not hear of it.
            said = self.pipeline.get_bus().pop_filtered(Gst.MessageType.ERROR)
            if said:
                self.on_message(None, said)
            else:
                self.end("failed", kind="service", message="The pipeline could not be started.")

    def on_message(self, _bus, message):
        if not self.busy:
            return
        if message.type == Gst.MessageType.PROGRESS and message.src == self.source:
            kind, code, text = message.parse_progress()
            fields = message.get_structure()
            _, percent = fields.get_int("percent")
            _, left = fields.get_uint64("time-left")
            self.say("progress", stage=code, percent=percent, message=text,
                     seconds_left=None if left == Gst.CLOCK_TIME_NONE else left / Gst.SECOND)  # fmt: skip
        elif message.type == Gst.MessageType.WARNING:
            self.say("warning", message=message.parse_warning()[0].message)
        elif message.type == Gst.MessageType.ERROR:
            problem, details = message.parse_error()
            text = problem.message
            if message.src != self.source and details and "\n" in details:
                text += " " + details.partition("\n")[2]  # stock elements give the reason there
            self.end("failed", kind=self.kind_of(problem), message=text)
        elif message.type == Gst.MessageType.EOS:
            stats = fields_of(self.source.get_property("stats"))
            self.end("made", path=self.path, stats=stats, record=json.loads(self.record or "{}"))

    @staticmethod
    def kind_of(problem):
        """Whose fault it is: the settings of start were tried before the first order."""
        wrong = (
            problem.matches(Gst.LibraryError.quark(), Gst.LibraryError.SETTINGS)
            or problem.matches(Gst.StreamError.quark(), Gst.StreamError.WRONG_TYPE)
            or problem.matches(Gst.StreamError.quark(), Gst.StreamError.DECODE)
            or problem.message.startswith("The image")
        )
        return "request" if wrong else "service"

    def end(self, event, **fields):
        # READY cancels within one block of the model, and keeps it for the next clip.
        self.pipeline.set_state(Gst.State.READY)
        self.writer.set_state(Gst.State.NULL)
        self.pipeline.remove(self.writer)
        self.writer = None
        for name, value in self.before:
            self.source.set_property(name, value)
        if event != "made" and self.path:
            os.unlink(self.path)
        self.busy = None
        # What the old clip left on the bus is no news of the next one.
        bus = self.pipeline.get_bus()
        bus.set_flushing(True)
        bus.set_flushing(False)
        self.say(event, **fields)

    def stop(self):
        if self.busy:
            self.end("cancelled")
        self.loop.quit()
        return GLib.SOURCE_REMOVE

    def run(self):
        self.say("ready", properties=settable(self.source))
        self.loop.run()
        self.pipeline.set_state(Gst.State.NULL)


def main():
    # Libraries write to descriptor 1 as they like: what they say goes where errors go.
    out = os.fdopen(os.dup(1), "w", encoding="ascii")
    os.dup2(2, 1)
    Gst.init(None)
    lines = sys.stdin.buffer
    try:
        process = Process(json.loads(lines.readline()), out)
    except (Refused, GLib.Error) as problem:
        text = problem.message if isinstance(problem, GLib.Error) else str(problem)
        out.write(json.dumps({"event": "failed", "kind": "service", "message": text}) + "\n")
        out.flush()
        return 1

    def read():
        for line in lines:
            GLib.idle_add(process.take, line, priority=GLib.PRIORITY_DEFAULT)
        GLib.idle_add(process.stop, priority=GLib.PRIORITY_HIGH)
        threading.Event().wait(LONGEST_STOP)
        os._exit(1)

    threading.Thread(target=read, daemon=True).start()
    process.run()
    # Whose folder it is may be gone, killed. It holds nothing that anybody waits for.
    shutil.rmtree(process.folder, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
