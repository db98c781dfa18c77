// Plays a stream with a player that knows nothing of Framelock, and notes the
// numbers in its pictures and the tone in its sound. Bundled before it is served.
import { WebRTCPlayer } from "@eyevinn/webrtc-player";
import { readBar } from "./bar.mjs";
import { tones } from "./tone.mjs";

const stream = new URLSearchParams(location.search).get("stream") ?? "wheel";
const video = document.getElementById("video");
const log = { bars: [], unreadable: 0, tones: [], messages: [] };
window.whep = { log };

const player = new WebRTCPlayer({ video, type: "whep", iceServers: [] });
for (const message of ["no-media", "peer-connection-failed", "initial-connection-failed", "connect-error"]) {
  player.on(message, () => log.messages.push(message));
}
player.load(new URL(`/whep/${stream}`, location.href)).then(() => video.play());
video.addEventListener("playing", () => tones(video.srcObject, log.tones), { once: true });

const canvas = new OffscreenCanvas(640, 16).getContext("2d", { willReadFrequently: true });
const next = () => {
  video.requestVideoFrameCallback(next);
  canvas.drawImage(video, 0, video.videoHeight - 16, 640, 16, 0, 0, 640, 16);
  const bar = readBar(canvas, 640, 16);
  if (bar < 0) log.unreadable++;
  else log.bars.push({ at: performance.now(), bar });
};
video.requestVideoFrameCallback(next);
