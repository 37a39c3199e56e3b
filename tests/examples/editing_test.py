# Two pieces of a clip, by its URI, in a timeline of GStreamer Editing Services: editing_test.py
# SPDX-License-Identifier: Apache-2.0
import sys

import gi

import demo
import media
import players_test

gi.require_version("Gst", "1.0")
gi.require_version("GES", "1.0")
gi.require_version("GstPbutils", "1.0")
from gi.repository import GES, Gst, GstPbutils  # noqa: E402


def render(uri, made, width, height):
    """The first second, then the one from 0.5 s on."""
    Gst.init(None)
    GES.init()
    asset = GES.UriClipAsset.request_sync(uri)
    timeline = GES.Timeline.new_audio_video()
    caps = Gst.Caps.from_string
    size = caps(f"video/x-raw,width={width},height={height},framerate=24/1")
    for track in timeline.get_tracks():
        if track.get_property("track-type") == GES.TrackType.VIDEO:
            track.set_restriction_caps(size)
    layer = timeline.append_layer()
    for start, inpoint in ((0, 0), (1, 0.5)):
        layer.add_asset(asset, start * Gst.SECOND, int(inpoint * Gst.SECOND), Gst.SECOND, GES.TrackType.UNKNOWN)
    timeline.commit_sync()
    profile = GstPbutils.EncodingContainerProfile.new("file", None, caps("video/x-matroska"), None)
    profile.add_profile(GstPbutils.EncodingVideoProfile.new(caps("video/x-vp8"), None, size, 0))
    profile.add_profile(GstPbutils.EncodingAudioProfile.new(caps("audio/x-flac"), None, None, 0))
    pipeline = GES.Pipeline()
    pipeline.set_timeline(timeline)
    assert pipeline.set_render_settings(Gst.filename_to_uri(str(made)), profile)
    assert pipeline.set_mode(GES.PipelineFlags.RENDER)
    pipeline.set_state(Gst.State.PLAYING)
    message = pipeline.get_bus().timed_pop_filtered(200 * Gst.SECOND, Gst.MessageType.EOS | Gst.MessageType.ERROR)
    assert message, "nothing came"
    assert message.type == Gst.MessageType.EOS, message.parse_error()
    pipeline.set_state(Gst.State.NULL)


def main(folder):
    model = demo.Model(folder / "model", area=128 * 128, video_latents=13, audio_latents=64)
    uri = players_test.uri_of(model)
    players_test.is_decoded(
        model, folder,
        "uridecodebin uri=URI name=in in. ! video/x-raw ! tee name=t ! queue ! filesink location=frames "
        "t. ! queue ! videoconvert ! video/x-raw,format=RGB ! filesink location=rgb "
        "in. ! audio/x-raw ! queue ! filesink location=samples",
    )  # fmt: skip
    size = model.width * model.height * 3
    raw = (folder / "rgb").read_bytes()
    whole = [raw[at : at + size] for at in range(0, len(raw), size)]
    made = folder / "edited.mkv"
    render(uri, made, model.width, model.height)
    shown = media.frames(made, model.width, model.height)
    assert len(shown) == 48, len(shown)
    for number, frame in enumerate(shown):
        meant = number if number < 24 else number - 12
        like = media.likeness(frame, whole[meant])
        assert like > 0.9, f"frame {number} is not frame {meant} of the clip: {like}"
        # Frames of a pair are much alike in this model's clips, and VP8 is not exact.
        for off in (-6, 6):
            if 0 <= meant + off < len(whole):
                other = media.likeness(frame, whole[meant + off])
                assert like > other, f"frame {number}: {like}, {off} frames from it {other}"
    (heard, _) = media.samples(made, 2)
    assert media.loudness(heard) > 0.003, media.loudness(heard)


if __name__ == "__main__":
    with demo.work_folder("editing") as work:
        main(work)
    sys.exit(0)
