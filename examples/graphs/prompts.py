#!/usr/bin/python3
# A channel without end whose prompt is typed: each line of the terminal is what the next clip shows.
# SPDX-License-Identifier: Apache-2.0
"""Plays clip after clip, and between two the last frame of the one before; each line that is typed is
the prompt of the next one. The end of the input (Ctrl-D) ends the channel.

Example: OVI_MODEL_PATH=ckpts GST_PLUGIN_PATH=build/gst examples/graphs/prompts.py --image me.jpg
"""
import argparse
import sys
import threading

import gi

gi.require_version("Gst", "1.0")
from gi.repository import GLib, Gst  # noqa: E402

parser = argparse.ArgumentParser(
    description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
)
parser.add_argument("--image", help="picture that the clips begin with")
parser.add_argument("--prompt", default="A fireplace. <AUDCAP>Crackling fire.<ENDAUDCAP>",
                    help="of the first clip")  # fmt: skip
parser.add_argument("--settings", default="", help='more properties, such as "steps=30"')
parser.add_argument("--video", default="videoconvert ! autovideosink", help="where frames go")
parser.add_argument("--audio", default="audioconvert ! audioresample ! autoaudiosink",
                    help="where the sound goes")  # fmt: skip
asked = parser.parse_args()

Gst.init(None)
try:
    pipeline = Gst.parse_launch(
        f"ovii2vsrc name=ovi num-clips=0 is-live=true hold=last-frame {asked.settings} "
        f"ovi.video ! queue ! {asked.video} ovi.audio ! queue ! {asked.audio}"
    )
except GLib.Error as problem:
    sys.exit(f"Error: {problem.message}: see gst-inspect-1.0 ovii2vsrc")
ovi = pipeline.get_by_name("ovi")
ovi.props.prompt = asked.prompt
ovi.props.image = asked.image
loop = GLib.MainLoop()
status = 0
shown = None


def read_lines():
    """In a thread of its own: properties may be set from any."""
    sys.stdin.reconfigure(errors="replace")  # what is no UTF-8 shall not end the channel
    for line in sys.stdin:
        prompt = "".join(letter for letter in line.strip() if letter.isprintable())
        if prompt:
            ovi.props.prompt = prompt
    ovi.emit("finish")  # when the clip that plays has ended


def on_message(_, message):
    global status, shown
    if message.type == Gst.MessageType.TAG:
        known, title = message.parse_tag().get_string(Gst.TAG_TITLE)
        if known and title != shown:
            shown = title
            print("Now:", title, flush=True)
    elif message.type == Gst.MessageType.WARNING:
        print("Warning:", message.parse_warning()[0].message, file=sys.stderr, flush=True)
    elif message.type == Gst.MessageType.ERROR:
        print("Error:", message.parse_error()[0].message, file=sys.stderr)
        status = 1
        loop.quit()
    elif message.type == Gst.MessageType.EOS:
        loop.quit()


bus = pipeline.get_bus()
bus.add_signal_watch()
bus.connect("message", on_message)
pipeline.set_state(Gst.State.PLAYING)
threading.Thread(target=read_lines, daemon=True).start()
loop.run()
pipeline.set_state(Gst.State.NULL)
sys.exit(status)
