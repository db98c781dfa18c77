#!/usr/bin/python3
"""Plays a stream of a Framelock relay with GStreamer's webrtcbin, by WHEP.

    play.py http://127.0.0.1:8080/whep/wheel
    play.py URL --video fakesink --audio 'wavenc ! filesink location=a.wav'

Needs GStreamer 1.20 or later: on Debian and Ubuntu the packages python3-gst-1.0
gstreamer1.0-nice gstreamer1.0-plugins-good gstreamer1.0-plugins-bad gstreamer1.0-libav
gir1.2-gst-plugins-bad-1.0.
"""

import argparse
import signal
import sys
import urllib.error
import urllib.parse
import urllib.request

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstWebRTC", "1.0")
gi.require_version("GstSdp", "1.0")
from gi.repository import GLib, Gst, GstSdp, GstWebRTC  # noqa: E402

VIDEO = {
    "H264": "application/x-rtp,media=video,encoding-name=H264,payload=102,clock-rate=90000,"
    "packetization-mode=(string)1,profile-level-id=(string)42e01f",
    "VP8": "application/x-rtp,media=video,encoding-name=VP8,payload=96,clock-rate=90000",
}
AUDIO = "application/x-rtp,media=audio,encoding-name=OPUS,payload=111,clock-rate=48000,encoding-params=(string)2"
DECODE = {"H264": "rtph264depay ! avdec_h264", "VP8": "rtpvp8depay ! vp8dec", "OPUS": "rtpopusdepay ! opusdec"}


class Player:
    def __init__(self, args):
        self.args = args
        self.loop = GLib.MainLoop()
        self.session = None
        self.failure = None
        self.pipe = Gst.Pipeline.new("player")
        self.rtc = Gst.ElementFactory.make("webrtcbin")
        if self.rtc is None:
            sys.exit("play.py: GStreamer has no webrtcbin; install gstreamer1.0-plugins-bad and gstreamer1.0-nice")
        # Without bundling there would be one transport for each m-line, and the relay has
        # one for a viewer: it would send the video alone.
        self.rtc.set_property("bundle-policy", getattr(GstWebRTC.WebRTCBundlePolicy, args.bundle.replace("-", "_").upper()))
        self.rtc.set_property("latency", args.latency)
        self.pipe.add(self.rtc)
        self.rtc.connect("pad-added", self.on_pad)
        self.rtc.connect("notify::ice-gathering-state", self.on_gathering)
        bus = self.pipe.get_bus()
        bus.add_signal_watch()
        bus.connect("message::error", self.on_error)
        self.pipe.set_state(Gst.State.READY)
        # Video first: webrtcbin does not connect if the first m-line is the one that is
        # rejected, and a stream may have no sound.
        for caps in (VIDEO[args.codec], AUDIO):
            caps = Gst.Caps.from_string(caps)
            self.rtc.emit("add-transceiver", GstWebRTC.WebRTCRTPTransceiverDirection.RECVONLY, caps)
        self.pipe.set_state(Gst.State.PLAYING)
        self.rtc.emit("create-offer", None, Gst.Promise.new_with_change_func(self.on_offer))

    def fail(self, text):
        self.failure = self.failure or text
        self.loop.quit()

    def on_error(self, _bus, message):
        error, detail = message.parse_error()
        self.fail(f"{error.message} ({detail})")

    def on_offer(self, promise):
        reply = promise.get_reply()  # owns the offer
        self.rtc.emit("set-local-description", reply.get_value("offer"), None)

    def on_gathering(self, rtc, _property):
        if rtc.get_property("ice-gathering-state") == GstWebRTC.WebRTCICEGatheringState.COMPLETE:
            GLib.idle_add(self.join)

    def call(self, method, url, body=None):
        request = urllib.request.Request(url, data=body, method=method, headers={"Content-Type": "application/sdp"})
        if self.args.token_file:
            with open(self.args.token_file, encoding="utf-8") as f:
                request.add_header("Authorization", "Bearer " + f.read().strip())
        return urllib.request.urlopen(request, timeout=10)

    def join(self):
        """Does the WHEP exchange: the offer with all candidates, then the answer."""
        offer = self.rtc.get_property("local-description").sdp.as_text()
        if self.args.print_offer:
            print(offer)
        try:
            with self.call("POST", self.args.url, offer.encode()) as answer:
                text = answer.read().decode()
                self.session = urllib.parse.urljoin(self.args.url, answer.headers["Location"])
        except urllib.error.HTTPError as e:
            return self.fail(f"the relay answered {e.code}: {e.read().decode(errors='replace')}")
        except OSError as e:
            return self.fail(f"no answer from the relay: {e}")
        _, sdp = GstSdp.SDPMessage.new_from_text(text)
        answer = GstWebRTC.WebRTCSessionDescription.new(GstWebRTC.WebRTCSDPType.ANSWER, sdp)
        self.rtc.emit("set-remote-description", answer, None)
        return GLib.SOURCE_REMOVE

    def on_pad(self, _rtc, pad):
        if pad.direction != Gst.PadDirection.SRC:
            return
        caps = pad.get_current_caps() or pad.query_caps(None)
        structure = caps.get_structure(0)
        name = structure.get_string("encoding-name").upper()
        sink = self.args.video if structure.get_string("media") == "video" else self.args.audio
        convert = "videoconvert" if structure.get_string("media") == "video" else "audioconvert ! audioresample"
        branch = Gst.parse_bin_from_description(f"queue ! {DECODE[name]} ! {convert} ! {sink}", True)
        self.pipe.add(branch)
        branch.sync_state_with_parent()
        pad.link(branch.get_static_pad("sink"))
        print(f"playing {name}", flush=True)

    def run(self):
        for number in (signal.SIGINT, signal.SIGTERM):
            GLib.unix_signal_add(GLib.PRIORITY_HIGH, number, self.loop.quit)
        if self.args.seconds:
            GLib.timeout_add(int(self.args.seconds * 1000), self.loop.quit)
        self.loop.run()
        if not self.failure:
            self.pipe.send_event(Gst.Event.new_eos())
            self.pipe.get_bus().timed_pop_filtered(2 * Gst.SECOND, Gst.MessageType.EOS)
        self.pipe.set_state(Gst.State.NULL)
        if self.session:
            try:
                self.call("DELETE", self.session).close()
            except OSError:
                pass  # a relay that is gone has no session either
        if self.failure:
            sys.exit("play.py: " + self.failure)


def main():
    p = argparse.ArgumentParser(description="Play a stream of a Framelock relay with GStreamer.")
    p.add_argument("url", help="the stream's WHEP endpoint, http://HOST:PORT/whep/STREAM")
    p.add_argument("--codec", choices=sorted(VIDEO), default="H264", help="what the studio sends (default: H264)")
    p.add_argument("--video", default="autovideosink", help="where the picture goes, in gst-launch's notation")
    p.add_argument("--audio", default="autoaudiosink", help="where the sound goes")
    p.add_argument("--latency", type=int, default=50, help="jitter buffer in ms (default: 50)")
    p.add_argument("--bundle", choices=["max-bundle", "balanced", "none"], default="max-bundle", help="bundle policy")
    p.add_argument("--token-file", help="file that holds the bearer token")
    p.add_argument("--seconds", type=float, default=0, help="play for so long (default: until interrupted)")
    p.add_argument("--print-offer", action="store_true", help="print the offer")
    args = p.parse_args()
    Gst.init(None)
    Player(args).run()


if __name__ == "__main__":
    main()
