#!/usr/bin/env python3
"""A live channel for a long while: encoded, muxed and sent over SRT to a receiver of its own.

    tests/soak_live.py --seconds 1800 --plot docs      as docs/reliability.md has it
    tests/soak_live.py --seconds 10 --clips 3          as the tests run it

Clips without end (is-live, hold=last-frame), H.264 and AAC in MPEG-TS over SRT on loopback, to
another process that writes down what comes. At the source's pads and in what was received neither
stream may have a hole, nor lack a frame or a sample; what is seen and heard of a clip begins
together. Of the sender, memory, descriptors and threads stay (that is judged from 240 s on).
Takes the element from GST_PLUGIN_PATH and the engine from OVII2V_ENGINE_PATH; MODEL is the model's
folder, PICTURE a picture. `--lose video` or `audio` takes a buffer out before the encoder, `--leak` leaks:
then it has to fail."""
import argparse
import array
import json
import os
import subprocess
import sys
import tempfile
import threading
import time

import soak

SAMPLE = 1_000_000_000 / 16000  # ns
# Of MPEG-TS, a second; a frame of H.264 and a packet of AAC at 48 kHz in it.
TICKS, FRAME_TICKS, AAC_TICKS = 90000, 3750, 1920
# What is heard of AAC: 1024 samples late, and up to as many before it by its pre-echo.
EARLIEST, LATEST = -0.022, 0.045
# What one test reads of a file at 16 kHz: a sound that begins, after a hold as long as that.
LOUD, HOLD = 0.03, 0.2
RECEIVED = {"video": "a hole in the picture: ", "audio": "a hole in the sound: "}


class Sender:
    """In a process of its own; says what happens, a line of JSON each, and ends when told to."""

    def __init__(self, options):
        import gi
        gi.require_version("Gst", "1.0")
        from gi.repository import GLib, Gst
        self.Gst, self.GLib, self.options = Gst, GLib, options
        Gst.init(None)
        self.pipeline = Gst.parse_launch(
            "ovii2vsrc name=ovi is-live=true hold=last-frame num-clips=0 "
            "ovi.video ! queue name=video ! videoconvert ! x264enc tune=zerolatency "
            "speed-preset=ultrafast key-int-max=48 bitrate=600 ! queue ! mux. "
            "ovi.audio ! queue name=audio ! audioresample ! audio/x-raw,rate=48000 ! avenc_aac ! queue ! mux. "
            "mpegtsmux name=mux alignment=7 ! srtsink name=out uri=srt://127.0.0.1:"
            f"{options.port}?mode=caller")
        self.source = self.pipeline.get_by_name("ovi")
        for name, value in {"prompt": soak.PROMPT, "seed": 1, "steps": options.steps, "device": "cpu",
                            "slg-layer": 1, "model-path": os.environ["MODEL"],
                            "image": os.environ["PICTURE"]}.items():
            self.source.set_property(name, value)
        self.loop = GLib.MainLoop()
        self.failed = []
        self.lock = threading.Lock()
        self.state = {}
        self.bytes = 0

    def say(self, **what):
        with self.lock:  # of three threads
            print(json.dumps(what), flush=True)

    def fault(self, text):
        if len(self.failed) < 20:  # what is told may not fill memory
            self.failed.append(text)

    def on_data(self, pad, info, kind):
        state = self.state.setdefault(kind, {"units": 0, "next": None, "clip": False, "clips": 0, "late": 0})
        Gst = self.Gst
        if info.type & Gst.PadProbeType.EVENT_DOWNSTREAM:
            event = info.get_event()
            if event.type == Gst.EventType.TAG:
                state["clip"] = True
            elif event.type == Gst.EventType.GAP:
                self.fault(f"{kind}: a GAP event")
            return Gst.PadProbeReturn.OK
        buffer = info.get_buffer()
        if state["next"] is None:
            state["next"] = state["first"] = buffer.pts
            self.say(kind=kind, first=buffer.pts, after=time.monotonic() - self.began)
        if abs(buffer.pts - state["next"]) > 1:  # PTS and duration are each rounded to 1 ns
            self.fault(f"{kind}: {buffer.pts} follows, not {state['next']}")
        if buffer.offset != state["units"]:
            self.fault(f"{kind}: unit {buffer.offset} follows, not {state['units']}")
        state["next"] = buffer.pts + buffer.duration
        if state["clip"]:
            state["clip"] = False
            state["clips"] += 1
            self.say(kind=kind, clip=buffer.pts - state["first"], unit=state["units"])
        state["units"] = buffer.offset_end
        now = self.pipeline.get_clock().get_time() - self.pipeline.get_base_time()
        state["late"] = max(state["late"], now - buffer.pts)
        if self.options.lose == kind and state["units"] > self.options.seconds * (12 if kind == "video" else 8000):
            self.options.lose = None
            return Gst.PadProbeReturn.DROP
        return Gst.PadProbeReturn.OK

    def on_sent(self, pad, info):
        if info.type & self.Gst.PadProbeType.BUFFER_LIST:
            self.bytes += info.get_buffer_list().calculate_size()
        else:
            self.bytes += info.get_buffer().get_size()
        return self.Gst.PadProbeReturn.OK

    def each_second(self):
        soak.leak(self.options.leak)
        now = (self.pipeline.get_clock().get_time() - self.pipeline.get_base_time()) / 1e9
        late = {kind: state["late"] / 1e6 for kind, state in self.state.items()}
        for state in self.state.values():
            state["late"] = 0
        self.say(at=now, late=late, **soak.sample())
        clips = min((state["clips"] for state in self.state.values()), default=0)
        if now < self.options.seconds or clips < self.options.clips:
            return True
        self.source.send_event(self.Gst.Event.new_eos())
        return False

    def on_message(self, _, message):
        types = self.Gst.MessageType
        if message.type == types.EOS:
            self.loop.quit()
        elif message.type in (types.ERROR, types.WARNING):
            parsed = message.parse_error() if message.type == types.ERROR else message.parse_warning()
            self.fault(parsed[0].message)
            if message.type == types.ERROR:
                self.loop.quit()
        elif message.type == types.QOS:
            self.fault(f"{message.src.get_name()} says that it dropped something")

    def run(self):
        Gst, types = self.Gst, self.Gst.PadProbeType
        for kind in ("video", "audio"):
            self.source.get_static_pad(kind).add_probe(
                types.BUFFER | types.EVENT_DOWNSTREAM, self.on_data, kind)
        self.pipeline.get_by_name("out").get_static_pad("sink").add_probe(
            types.BUFFER | types.BUFFER_LIST, self.on_sent)
        bus = self.pipeline.get_bus()
        bus.add_signal_watch()
        bus.connect("message", self.on_message)
        self.pipeline.set_state(Gst.State.PAUSED)
        self.pipeline.get_state(10 * Gst.SECOND)
        self.began = time.monotonic()
        self.pipeline.set_state(Gst.State.PLAYING)
        self.GLib.timeout_add(1000, self.each_second)
        self.loop.run()
        self.say(failed=self.failed, bytes=self.bytes,
                 **{kind: {name: state[name] for name in ("units", "next", "first")}
                    for kind, state in self.state.items()})
        # A connection that ends takes along what its receiver has not handed out yet.
        sys.stdin.readline()
        self.pipeline.set_state(Gst.State.NULL)


def listens(port):
    hexadecimal = f"{port:04X}"
    with open("/proc/net/udp") as table:
        return any(line.split()[1].endswith(":" + hexadecimal) for line in list(table)[1:])


def wait_until(condition, seconds, what):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"{what}: not in {seconds} s"
        time.sleep(0.05)


def free_port():
    import socket
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def send_and_receive(options, path):
    """What the sender said, line by line; `path` is what came over the network."""
    port = free_port()
    said = []
    environment = {**os.environ, "MALLOC_ARENA_MAX": "1"}  # see soak.py
    receiver = subprocess.Popen(
        ["gst-launch-1.0", "-q", "srtsrc", f"uri=srt://127.0.0.1:{port}?mode=listener", "!",
         "filesink", f"location={path}", "buffer-mode=unbuffered"])
    sender = watchdog = None
    try:
        wait_until(lambda: listens(port), 20, "the receiver listens")
        command = [sys.executable, __file__, "--inside", "--port", str(port), "--seconds", str(options.seconds),
                   "--steps", str(options.steps), "--clips", str(options.clips)]
        for name in ("lose", "leak"):
            if getattr(options, name):
                command += ["--" + name, getattr(options, name)]
        sender = subprocess.Popen(command, env=environment, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        watchdog = threading.Timer(options.seconds + 60 * options.clips + 60, sender.kill)
        watchdog.start()
        for line in sender.stdout:
            said.append(json.loads(line))
            if "at" in said[-1] and round(said[-1]["at"]) % 60 == 0:
                print(line, end="", file=sys.stderr, flush=True)
            if "bytes" in said[-1]:
                # Nothing is lost on the way, or this is never so.
                wait_until(lambda: os.path.getsize(path) >= said[-1]["bytes"], 20, "all was received")
                sender.stdin.write("\n")
                sender.stdin.flush()
                break
        assert sender.wait(30) == 0, f"the sender ended with {sender.returncode}"
        assert receiver.wait(30) == 0
    finally:
        if watchdog:
            watchdog.cancel()
        for process in (sender, receiver):
            if process and process.poll() is None:
                process.kill()
                process.wait()
    return said


def packets(path, kind):
    """PTS of every packet, in the order of time."""
    found = subprocess.run(
        ["ffprobe", "-v", "error", "-select_streams", kind, "-show_entries", "packet=pts", "-of", "csv=p=0", path],
        check=True, capture_output=True, text=True).stdout
    return sorted(int(line.split(",")[0]) for line in found.split())


def decoded(path, *more):
    """Raw bytes; what a decoder complains of is a fault."""
    done = subprocess.run(["ffmpeg", "-v", "error", "-i", path, *more, "-"], check=True, capture_output=True)
    assert not done.stderr, done.stderr.decode()[:2000]
    return done.stdout


def holes(pts, step, slack):
    return [f"{b - a} ticks at packet {i + 1}" for i, (a, b) in enumerate(zip(pts, pts[1:]))
            if abs(b - a - step) > slack]


def onset(heard, at):
    """Seconds from `at` (of samples at 16 kHz) until something is heard; None without silence before."""
    begin = int((at - 0.1) * 16000)
    before = heard[max(0, begin - 800):begin]
    if begin < 0 or any(abs(s) > LOUD * 32768 for s in before):
        return None
    for i in range(begin, min(len(heard), begin + 4800)):
        if abs(heard[i]) > LOUD * 32768:
            return i / 16000 - at
    return None


def judge(options, said, path):
    """Faults, figures, and curves to draw."""
    faults = []

    def want(condition, text):
        if not condition:
            faults.append(text)
    last = said[-1]
    faults += last["failed"]
    seconds = [one for one in said if "at" in one]
    begins = {kind: [one for one in said if "clip" in one and one["kind"] == kind] for kind in ("video", "audio")}
    for one in said:
        if "first" in one and "after" in one:
            want(one["after"] < options.begin, f"{one['kind']} began {one['after']:.2f} s after PLAYING")
    video, audio = last["video"], last["audio"]
    want(abs(video["first"] - audio["first"]) <= SAMPLE, "the streams do not begin together")
    want(abs(video["next"] - audio["next"]) <= SAMPLE, "the streams do not end together")
    played = (video["next"] - video["first"]) / 1e9
    listened = (audio["next"] - audio["first"]) / 1e9
    want(played > options.seconds - 1, f"only {played} s")
    want(video["units"] == round(played * 24), f"{video['units']} frames in {played} s")
    want(audio["units"] == round(listened * 16000), f"{audio['units']} samples in {listened} s")
    want(len(begins["video"]) == len(begins["audio"]), "not every clip began on both pads")
    apart = [a["clip"] - v["clip"] for v, a in zip(begins["video"], begins["audio"])]
    want(all(abs(one) <= SAMPLE for one in apart), f"a clip's sound begins {max(map(abs, apart), default=0)} ns away")

    seen, heard = packets(path, "v"), packets(path, "a")
    want(len(seen) == video["units"], f"{len(seen)} frames received, {video['units']} sent")
    faults += [f"{RECEIVED['video']}{one}" for one in holes(seen, FRAME_TICKS, 1)[:5]]
    faults += [f"{RECEIVED['audio']}{one}" for one in holes(heard, AAC_TICKS, 1)[:5]]
    # A packet ahead, the last one filled up.
    packed = len(heard) * 1024 / 3
    want(0 <= packed - audio["units"] <= 2 * 1024 / 3, f"{packed} samples received, {audio['units']} sent")
    want(abs(heard[0] - seen[0]) <= AAC_TICKS, f"received, the streams begin {heard[0] - seen[0]} ticks apart")

    # Small and grey is enough to see a change.
    side = 16
    pictures = decoded(path, "-map", "0:v", "-fps_mode", "passthrough", "-vf", f"scale={side}:{side}:flags=area",
                       "-pix_fmt", "gray", "-f", "rawvideo")
    pictures = [pictures[i:i + side * side] for i in range(0, len(pictures), side * side)]
    want(len(pictures) == video["units"], f"{len(pictures)} frames decoded")
    sound = array.array("h", decoded(path, "-map", "0:a", "-ar", "16000", "-ac", "1", "-f", "s16le"))

    def change(frame):
        return sum(abs(a - b) for a, b in zip(pictures[frame - 1], pictures[frame])) / side ** 2
    late, ends = [], [0] + [one["unit"] + options.frames for one in begins["video"]]
    for end, begin in zip(ends, begins["video"]):
        frame = begin["unit"]
        if frame - end < HOLD * 24 or frame >= len(pictures):
            continue
        # In the hold what is shown stays; what is left of the encoder's own noise is less.
        want(change(frame) > 3 * max(change(i) for i in range(frame - 3, frame)) + 1,
             f"at frame {frame} no clip begins to be seen")
        at = frame / 24 + (seen[0] - heard[0]) / TICKS
        found = onset(sound, at)
        want(found is not None and EARLIEST <= found <= LATEST, f"at frame {frame} the sound is {found} s late")
        if found is not None:
            late.append(found * 1000)
    want(late, "no clip began after a hold")
    after = max(one["after"] for one in said if "after" in one)

    # What is held at least in two minutes: a clip at work takes more by turns, and where one follows
    # the other a shorter while may see no pause.
    spans = [seconds[i:i + 120] for i in range(0, len(seconds) - 119, 120)]
    rises = {name: soak.slope([min(one[name] for one in span) for span in spans]) / 2 if len(spans) >= 8 else 0
             for name in ("memory", "descriptors", "threads")}
    want(rises["memory"] < soak.MOST_KIB, f"memory: {rises['memory']:.1f} KiB a minute")
    want(rises["descriptors"] < soak.MOST_DESCRIPTORS, f"{rises['descriptors']} descriptors a minute")
    want(rises["threads"] < soak.MOST_THREADS, f"{rises['threads']} threads a minute")
    want(len({one["descriptors"] for one in seconds[len(seconds) // 2:]}) == 1, "descriptors come and go")
    figures = (f"{played:.1f} s, from {after:.2f} s after PLAYING, {len(begins['video'])} clips; sent and received {len(seen)} frames; {audio['units']} "
               f"samples in {len(heard)} packets; a clip's sound at the pads {max(map(abs, apart), default=0) / 1e3:.0f} us "
               f"at most from its picture, received {min(late):.1f} to {max(late):.1f} ms after it ({len(late)} looked at); "
               f"a minute adds {rises['memory']:.1f} KiB, {rises['descriptors']:.3f} descriptors, "
               f"{rises['threads']:.3f} threads" if late else "")
    fives = [seconds[i:i + 5] for i in range(0, len(seconds), 5)]
    curves = [(name, unit, [max(one[name] for one in five) * factor for five in fives])
              for name, unit, factor in soak.CURVES]
    curves.append(("lateness sent", "ms", [max(max(one["late"].values()) for one in five) for five in fives]))
    curves.append(("sound received", "ms late", late))
    return faults, figures, curves


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=int, default=1800)
    parser.add_argument("--clips", type=int, default=1, help="that begin before it ends, however long that takes")
    parser.add_argument("--steps", type=int, default=70, help="so that clips come a little later than they play")
    parser.add_argument("--frames", type=int, default=49, help="of the model's clips")
    parser.add_argument("--begin", type=float, default=0.2, help="s after PLAYING at most, both streams")
    parser.add_argument("--lose", choices=["video", "audio"])
    parser.add_argument("--leak", choices=["memory", "descriptor"])
    parser.add_argument("--plot")
    parser.add_argument("--keep", help="where what was received and said is kept")
    parser.add_argument("--port", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.inside:
        Sender(options).run()
        return 0
    with tempfile.TemporaryDirectory() as folder:
        folder = options.keep or folder
        path = os.path.join(folder, "received.ts")
        said = send_and_receive(options, path)
        with open(os.path.join(folder, "said.json"), "w") as out:
            json.dump(said, out)
        faults, figures, curves = judge(options, said, path)
    print(figures)
    for fault in faults:
        print("FAULT:", fault)
    if options.plot:
        soak.draw(os.path.join(options.plot, "reliability-live.svg"), f"live: {options.seconds} s, the most of each 5 s; sound: each clip that begins after a hold", curves)
    if options.lose:  # that one is to be found, whatever else is
        return 1 if any(fault.startswith(RECEIVED[options.lose]) for fault in faults) else 0
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
