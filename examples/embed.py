#!/usr/bin/python3
# An application in Python that takes the pictures and the sound of a clip as data: it tells how
# far the clip is, can be stopped at any time, and says what went wrong. It writes the sound as
# WAV, and the last picture as PPM.
# SPDX-License-Identifier: Apache-2.0
#
# Needs PyGObject (Debian: python3-gi gir1.2-gst-plugins-base-1.0), which examples/setup.sh installs.
# From the build tree:
#
#   GST_PLUGIN_PATH=build/gst examples/embed.py --model examples/demo-model \
#       --image examples/astronaut.png --prompt '<S>Ready?<E> <AUDCAP>Soft.<ENDAUDCAP>' \
#       steps=10 video-guidance-scale=1.5 audio-guidance-scale=1.5 slg-layer=1
#
# It ends with 0 when the clip is made, 1 after an error, 2 for wrong arguments, and 130 when it
# was cancelled (Ctrl-C, or --cancel-after-step).

import argparse
import os
import signal
import sys
import wave

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstApp", "1.0")
from gi.repository import GLib, GObject, Gst, GstApp  # noqa: E402, F401 (GstApp: appsink's methods)

MADE, FAILED, USAGE, CANCELLED = 0, 1, 2, 130

PIPELINE = """
    ovii2vsrc name=ovi
    ovi.video ! videoconvert ! appsink name=frames caps=video/x-raw,format=RGB
    ovi.audio ! audioconvert ! appsink name=sound caps=audio/x-raw,format=S16LE
"""


def apply_setting(source, setting):
    """Sets one "property=value"; ValueError if there is no such property or value."""
    name, equals, text = setting.partition("=")
    spec = source.find_property(name)
    if not equals or spec is None or not spec.flags & GObject.ParamFlags.WRITABLE:
        raise ValueError(f'"{setting}" is no setting of ovii2vsrc')
    if hasattr(spec, "minimum"):
        try:
            fits = spec.minimum <= float(text) <= spec.maximum
        except ValueError:
            fits = False
        if not fits:
            raise ValueError(f'"{text}" is no value that {name} takes')
    Gst.util_set_object_arg(source, name, text)
    taken = source.get_property(name)
    # A word that the property does not know is left out without one.
    if isinstance(taken, GObject.GEnum) and text != taken.value_nick:
        raise ValueError(f'"{text}" is no value that {name} takes')


def print_progress(message):
    _, code, text = message.parse_progress()
    _, percent = message.get_structure().get_int("percent")
    print(f"[{code} {percent:3}%] {text}", flush=True)


class Clip:
    """Makes one clip: `size`, `frames` (bytes of RGB each) and `sound` (16-bit samples)."""

    def __init__(self, cancel_after_step=0):
        self.size = (0, 0)
        self.frames = []
        self.sound = bytearray()
        self.result = FAILED
        self.cancel_after_step = cancel_after_step
        self.steps = 0
        self.loop = GLib.MainLoop()
        self.pipeline = Gst.parse_launch(PIPELINE)
        self.source = self.pipeline.get_by_name("ovi")
        for name, take in (("frames", self.take_frame), ("sound", self.take_sound)):
            sink = self.pipeline.get_by_name(name)
            sink.set_property("sync", False)  # as fast as it is made, not as it would be played
            sink.set_property("emit-signals", True)
            sink.connect("new-sample", take)

    # These two are called from the threads that stream, one for each sink. The rows have no
    # padding: the width is a multiple of 32.

    def take_frame(self, sink):
        sample = sink.pull_sample()
        shape = sample.get_caps().get_structure(0)
        self.size = (shape.get_value("width"), shape.get_value("height"))
        buffer = sample.get_buffer()
        self.frames.append(buffer.extract_dup(0, buffer.get_size()))
        return Gst.FlowReturn.OK

    def take_sound(self, sink):
        buffer = sink.pull_sample().get_buffer()
        self.sound += buffer.extract_dup(0, buffer.get_size())
        return Gst.FlowReturn.OK

    # These are called from the main loop.

    def finish(self, result):
        self.result = result
        self.loop.quit()
        return GLib.SOURCE_CONTINUE

    def count_step(self, message):
        # A step of the generation is one CONTINUE message with the code "generate".
        kind, code, _ = message.parse_progress()
        if kind == Gst.ProgressType.CONTINUE and code == "generate":
            self.steps += 1
            if self.steps == self.cancel_after_step:
                self.finish(CANCELLED)

    def on_message(self, _bus, message):
        if message.type == Gst.MessageType.PROGRESS:
            print_progress(message)
            self.count_step(message)
        elif message.type == Gst.MessageType.WARNING:
            problem, details = message.parse_warning()
            print(f"Warning: {problem.message}\n  {details}", file=sys.stderr)
        elif message.type == Gst.MessageType.ERROR:
            # The message says what is wrong and what to do; the details are for a log.
            problem, details = message.parse_error()
            print(f"Error: {problem.message}\n  {details}", file=sys.stderr)
            self.finish(FAILED)
        elif message.type == Gst.MessageType.EOS:
            self.finish(MADE)
        return GLib.SOURCE_CONTINUE

    def make(self):
        bus = self.pipeline.get_bus()
        bus.add_signal_watch()
        handler = bus.connect("message", self.on_message)
        interrupt = GLib.unix_signal_add(
            GLib.PRIORITY_HIGH, signal.SIGINT, self.finish, CANCELLED
        )
        # Returns at once: loading and generating go on in a thread of the element.
        self.pipeline.set_state(Gst.State.PLAYING)
        self.loop.run()

        # To READY: this is what cancels, within one block of the model. The last messages are
        # still on the bus then, NULL throws them away.
        self.pipeline.set_state(Gst.State.READY)
        bus.disconnect(handler)
        bus.remove_signal_watch()
        while message := bus.pop_filtered(Gst.MessageType.PROGRESS):
            print_progress(message)
        GLib.source_remove(interrupt)
        return self.result

    def close(self):
        self.pipeline.set_state(Gst.State.NULL)


def check_output(name):
    """Before the clip is made, which takes its time; OSError if its files cannot be written."""
    folder = os.path.dirname(name) or "."
    if not os.access(folder, os.W_OK | os.X_OK):
        raise OSError(f"{folder} is no folder that can be written to")


def write_results(clip, name):
    width, height = clip.size
    with open(f"{name}.ppm", "wb") as picture:
        picture.write(b"P6 %d %d 255\n" % (width, height) + clip.frames[-1])
    with wave.open(f"{name}.wav", "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(16000)
        sound.writeframes(clip.sound)
    print(f"Made {len(clip.frames)} frames of {width}x{height}, {len(clip.sound) // 2} samples")
    print(f"Wrote {name}.ppm, {name}.wav")


def main():
    Gst.init(None)
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", help="folder of the model (unset: $OVI_MODEL_PATH)")
    parser.add_argument("--image", help="path or URI of the first frame (unset: text only)")
    parser.add_argument("--prompt", help="what is to be seen and heard")
    parser.add_argument("--output", default="clip", help="name of the files, without its ending")
    parser.add_argument("--cancel-after-step", type=int, default=0, metavar="N")
    parser.add_argument("settings", nargs="*", help="more properties of ovii2vsrc", metavar="P=V")
    options = parser.parse_intermixed_args()

    clip = Clip(options.cancel_after_step)
    for name, value in (
        ("model-path", options.model),
        ("image", options.image),
        ("prompt", options.prompt),
    ):
        if value is not None:
            clip.source.set_property(name, value)
    try:
        for setting in options.settings:
            apply_setting(clip.source, setting)
    except ValueError as wrong:
        print(f"{wrong}: see gst-inspect-1.0 ovii2vsrc", file=sys.stderr)
        return USAGE

    try:
        check_output(options.output)
        result = clip.make()
        if result == MADE:
            print(f"Made with {clip.source.get_property('stats').to_string()}")
            write_results(clip, options.output)
    except OSError as problem:
        print(f"Error: the results cannot be written: {problem}", file=sys.stderr)
        result = FAILED
    if result == CANCELLED:
        print("Cancelled: no clip was made")
    clip.close()
    return result


if __name__ == "__main__":
    sys.exit(main())
