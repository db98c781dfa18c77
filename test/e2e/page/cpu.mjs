// Plays a stream and does nothing else, for a look at the processor time it takes.
// Query: `stream`; `route=plain` is a stock WHEP player with a video element, any
// other route is the SDK's, drawn on a canvas as <framelock-player> does.
import { Compositor, FramelockPlayer } from "/sdk/framelock.js";

const query = new URLSearchParams(location.search);
const url = `/whep/${query.get("stream")}`;
const video = document.getElementById("video");
const log = { frames: 0, route: "plain" };
window.cpu = { log, stats };

let connection;
const prepare = RTCPeerConnection.prototype.setLocalDescription;
RTCPeerConnection.prototype.setLocalDescription = function (...args) {
  connection = this;
  return prepare.apply(this, args);
};

if (query.get("route") === "plain") await plain();
else sdk(query.get("route"));

function sdk(route) {
  const canvas = document.createElement("canvas");
  document.getElementById("stage").append(canvas);
  const player = new FramelockPlayer(video, { route, checkFrameHashes: query.has("hashes") });
  new Compositor(player.framelock, canvas).events.on("drawn", ({ frame }) => {
    log.frames++;
    log.route = frame.route;
  });
  player.start({ src: url });
}

async function plain() {
  const pc = new RTCPeerConnection({ bundlePolicy: "max-bundle" });
  const media = new MediaStream();
  pc.ontrack = ({ track }) => media.addTrack(track);
  pc.addTransceiver("video", { direction: "recvonly" });
  pc.addTransceiver("audio", { direction: "recvonly" });
  video.srcObject = media;
  await pc.setLocalDescription();
  const answer = await fetch(url, { method: "POST", headers: { "Content-Type": "application/sdp" }, body: pc.localDescription.sdp });
  await pc.setRemoteDescription({ type: "answer", sdp: await answer.text() });
  setInterval(() => (log.frames = video.getVideoPlaybackQuality().totalVideoFrames), 200);
}

/** What the browser itself decoded and asked for. */
async function stats() {
  for (const s of (await connection.getStats()).values()) {
    if (s.type === "inbound-rtp" && s.kind === "video") return { decoded: s.framesDecoded ?? 0, pli: s.pliCount ?? 0 };
  }
  return { decoded: 0, pli: 0 };
}
