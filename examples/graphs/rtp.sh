#!/usr/bin/env bash
# A clip over RTP, in real time: H.264 and uncompressed sound (L16), each with its RTCP, to a
# receiver that writes it down.
#
#   examples/graphs/rtp.sh [FILE]         PORT=5004 examples/graphs/rtp.sh
#
# PORT and the next are for video and its RTCP, the two after them for audio. The receiver reads
# the session from an SDP file; ffplay and VLC take the same one. It listens before the clip is made;
# offset-to-zero lets the file begin with the clip all the same.
set -euo pipefail
source "$(dirname "$0")/defaults.sh"
source "$(dirname "$0")/receiver.sh"
out=${1:-ovi-rtp.mkv}
port=${PORT:-5004}

sdp=${out%.*}.sdp
cat >"$sdp" <<SDP
v=0
o=- 0 0 IN IP4 127.0.0.1
s=ovii2vsrc
c=IN IP4 127.0.0.1
t=0 0
m=video $port RTP/AVP 96
a=rtpmap:96 H264/90000
a=fmtp:96 packetization-mode=1
m=audio $((port + 2)) RTP/AVP 97
a=rtpmap:97 L16/16000/1
SDP

# timeout=0: the first packet comes when the clip is made.
gst-launch-1.0 -q \
  filesrc location="$sdp" ! sdpdemux name=in timeout=0 \
  in. ! application/x-rtp,media=video ! rtph264depay ! h264parse ! queue ! mux. \
  in. ! application/x-rtp,media=audio ! rtpL16depay ! audioconvert ! flacenc ! queue ! mux. \
  matroskamux name=mux offset-to-zero=true ! filesink location="$out" &
receiver=$!
for offset in 0 1 2 3; do
  wait_for_port udp "$((port + offset))" "$receiver"
done

# At its end a stream says goodbye by RTCP, and the receiver ends when it has heard both. RTCP
# goes out 0.2 s late, so that no goodbye overtakes the last packets of its stream.
gst-launch-1.0 \
  ovii2vsrc name=ovi seed="$SEED" "${ovi[@]}" \
  rtpbin name=rtp \
  ovi.video ! videoconvert ! x264enc bframes=0 key-int-max=48 ! video/x-h264,profile=main \
    ! rtph264pay pt=96 config-interval=-1 aggregate-mode=zero-latency ! rtp.send_rtp_sink_0 \
  rtp.send_rtp_src_0 ! udpsink host=127.0.0.1 port="$port" \
  rtp.send_rtcp_src_0 ! identity sleep-time=200000 \
    ! udpsink host=127.0.0.1 port="$((port + 1))" sync=false async=false \
  ovi.audio ! audioconvert ! rtpL16pay pt=97 ! rtp.send_rtp_sink_1 \
  rtp.send_rtp_src_1 ! udpsink host=127.0.0.1 port="$((port + 2))" \
  rtp.send_rtcp_src_1 ! identity sleep-time=200000 \
    ! udpsink host=127.0.0.1 port="$((port + 3))" sync=false async=false
wait "$receiver"
echo "Received $out"
