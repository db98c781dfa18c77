// Plays a stream through the SDK and listens and looks: when a flash is in the
// picture, when a beep is in the sound, what tone there is beside the beeps, and
// whether the picture moves. Times are performance.now() milliseconds at which the
// browser expects picture and sound to come out of the machine.
import { FramelockPlayer } from "/sdk/framelock.js";
import { tones } from "/e2e/tone.mjs";

const query = new URLSearchParams(location.search);
const stream = query.get("stream") ?? "live";
const video = document.getElementById("video");
const log = { flashes: [], beeps: [], tones: [], frames: [], skews: [], alarms: [], statuses: [] };
window.live = { log };

const player = new FramelockPlayer(video, { route: query.get("route") ?? undefined });
player.framelock.events.on("alarm", (a) => log.alarms.push(a));
player.events.on("status", (s) => log.statuses.push({ at: performance.now(), ...s }));

let connection;
const prepare = RTCPeerConnection.prototype.createDataChannel;
RTCPeerConnection.prototype.createDataChannel = function (...args) {
  connection = this;
  return prepare.apply(this, args);
};
player.start({ src: `/whep/${stream}` });

watchPicture();
video.addEventListener("playing", () => void listen(), { once: true });
setInterval(() => void readSkew(), 500);

/** Notes every frame: whether it flashes, and whether it differs from the one before. */
function watchPicture() {
  const probe = new OffscreenCanvas(64, 36).getContext("2d", { willReadFrequently: true });
  let before, lit = false;
  const see = (picture, display, rtp) => {
    probe.drawImage(picture, 0, 0, 64, 36);
    const pixels = probe.getImageData(0, 0, 64, 36).data;
    const corner = pixels[4 * (3 * 64 + 3)]; // red, in the box that flashes
    const flash = corner > 160;
    if (flash && !lit) log.flashes.push({ at: display, rtp });
    lit = flash;
    let changed = 0;
    if (before) for (let i = 0; i < pixels.length; i += 4) if (Math.abs(pixels[i] - before[i]) > 24) changed++;
    before = pixels;
    log.frames.push({ at: display, changed });
  };
  player.framelock.events.on("frame", (f) => f.again || see(f.image, f.displayAt, f.rtp));
}

/** Notes the onset of every beep, and the tone beside them four times a second. */
async function listen() {
  const [track] = video.srcObject.getAudioTracks();
  void onsets(track);
  tones(video.srcObject, log.tones);
}

/**
 * Finds beeps where the browser hands sound to its output, in steps of 10 ms;
 * behind an AudioContext they would come later by that context's own buffers.
 */
async function onsets(track) {
  const reader = new MediaStreamTrackProcessor({ track }).readable.getReader();
  let last = 0, quiet = 0;
  for (;;) {
    const { value: sound, done } = await reader.read();
    if (done) return;
    const now = performance.now();
    const samples = new Float32Array(sound.numberOfFrames);
    sound.copyTo(samples, { planeIndex: 0, format: "f32-planar" });
    const rate = sound.sampleRate;
    sound.close();
    for (let i = 0; i < samples.length; i++) {
      const slope = Math.abs(samples[i] - last) * rate / 48000; // little for the low tone, much for the beep
      last = samples[i];
      if (slope > 0.06) {
        if (quiet > rate / 2) log.beeps.push({ at: now + 1000 * i / rate });
        quiet = 0;
      } else quiet++;
    }
  }
}

/** What the browser itself believes, or the SDK where it paces the pictures: picture's playout time minus sound's. */
async function readSkew() {
  const { pacing } = player.framelock;
  if (pacing) {
    if (pacing.soundBehindMs !== undefined) log.skews.push({ at: performance.now(), ms: pacing.soundBehindMs, ...pacing });
    return;
  }
  if (!connection || connection.connectionState !== "connected") return;
  const playout = {};
  for (const s of (await connection.getStats()).values()) {
    if (s.type === "inbound-rtp" && s.estimatedPlayoutTimestamp > 0) playout[s.kind] = s.estimatedPlayoutTimestamp;
  }
  if (playout.video && playout.audio) log.skews.push({ at: performance.now(), ms: playout.video - playout.audio });
}
