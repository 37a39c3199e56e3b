#!/usr/bin/python3
# A channel that an RTSP server sends to whoever connects.
# SPDX-License-Identifier: Apache-2.0
"""Serves a channel of clips over RTSP: H.264 and AAC. It begins with the first client, who sees the
picture at once and clips as they are made; further clients see the same; with the last one it ends.
Ctrl-C ends the server.

Needs the GStreamer RTSP server (Debian, Ubuntu: gir1.2-gst-rtsp-server-1.0).

Example: OVI_MODEL_PATH=ckpts GST_PLUGIN_PATH=build/gst examples/graphs/rtsp.py --image me.jpg
         ffplay rtsp://127.0.0.1:8554/ovi
"""
import argparse
import signal
import sys

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtspServer  # noqa: E402

parser = argparse.ArgumentParser(
    description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
)
parser.add_argument("--image", help="picture that the clips begin with")
parser.add_argument("--prompt", default="A fireplace. <AUDCAP>Crackling fire.<ENDAUDCAP>")
parser.add_argument("--settings", default="", help='more properties, such as "steps=30"')
parser.add_argument("--address", default="127.0.0.1", help="0.0.0.0: for all networks")
parser.add_argument("--port", default="8554", help="0: any that is free")
asked = parser.parse_args()

Gst.init(None)
# Uncompressed sound would be exact (rtpL16pay), but few players take it.
GRAPH = f"""( ovii2vsrc name=ovi num-clips=0 is-live=true hold=last-frame {asked.settings}
    ovi.video ! queue ! videoconvert ! x264enc tune=zerolatency speed-preset=veryfast key-int-max=24
      ! video/x-h264,profile=main ! rtph264pay name=pay0 pt=96 config-interval=-1
    ovi.audio ! queue ! audioresample ! audio/x-raw,rate=48000 ! avenc_aac ! rtpmp4gpay name=pay1 pt=97 )"""


def on_message(_, message):
    if message.type in (Gst.MessageType.ERROR, Gst.MessageType.WARNING):
        is_error = message.type == Gst.MessageType.ERROR
        told = (message.parse_error() if is_error else message.parse_warning())[0]
        print("Error:" if is_error else "Warning:", told.message, file=sys.stderr, flush=True)


class Factory(GstRtspServer.RTSPMediaFactory):
    def do_create_element(self, url):
        graph = Gst.parse_launch(GRAPH)
        ovi = graph.get_by_name("ovi")
        ovi.props.prompt = asked.prompt
        ovi.props.image = asked.image
        return graph


def on_media(_, media):
    """The server keeps the messages to itself otherwise."""
    bus = media.get_element().get_parent().get_bus()
    bus.enable_sync_message_emission()
    bus.connect("sync-message", on_message)


factory = Factory()
factory.set_shared(True)
factory.connect("media-configure", on_media)
server = GstRtspServer.RTSPServer(address=asked.address, service=asked.port)
server.get_mount_points().add_factory("/ovi", factory)
if not server.attach(None):
    sys.exit(f"Port {asked.port} of {asked.address} is not free.")
print(f"Ready: rtsp://{asked.address}:{server.get_bound_port()}/ovi", flush=True)
loop = GLib.MainLoop()
for number in (signal.SIGINT, signal.SIGTERM):
    GLib.unix_signal_add(GLib.PRIORITY_HIGH, number, loop.quit)
loop.run()
server.client_filter(lambda server, client: GstRtspServer.RTSPFilterResult.REMOVE)
