// Plays a stream through the SDK, as an integrator would, and notes what is
// drawn: for every frame the number that is in its pixels, read after the overlay
// was painted, and the events that were painted with it.
//
// Query: `stream`; `start=no` waits for window.play.start(); `route` takes a route
// instead of the best one; `hashes=1` checks frame hashes; `stall=N` blocks the main
// thread for N ms in every paint, before the SDK draws.
import { Compositor, FramelockPlayer } from "/sdk/framelock.js";
import { readBar } from "/e2e/bar.mjs";

const query = new URLSearchParams(location.search);
const stream = query.get("stream") ?? "wheel";
const video = document.getElementById("video");
const canvas = document.getElementById("canvas");

let stallMs = Number(query.get("stall") ?? 0);
const log = { route: "", drawn: [], received: [], snapshots: [], alarms: [], notices: [], statuses: [], switches: [], voids: [], hidden: 0, unseen: [], hashes: [], stalls: 0, gaps: [] };
window.play = { log, start, stop, reconnect, stallBy };

let player, compositor;

function start() {
  player = new FramelockPlayer(video, { route: query.get("route") ?? undefined, checkFrameHashes: query.has("hashes") });
  const { framelock } = player;
  compositor = new Compositor(framelock, canvas, (context, frame) => {
    context.font = "20px sans-serif";
    context.fillStyle = "#ff0";
    frame.fired.forEach((f, i) => context.fillText(f.event.id, 10, 30 + 24 * i));
  });
  compositor.events.on("drawn", ({ frame }) => {
    log.route = frame.route;
    log.drawn.push({
      at: performance.now(),
      bar: readBar(canvas.getContext("2d"), canvas.width, canvas.height),
      rtp: frame.rtp ?? -1,
      ts: frame.ts ?? -1,
      again: frame.again,
      overlay: frame.overlay,
      fired: frame.fired.map((f) => ({
        id: f.event.id, seq: f.event.seq, ts: f.event.ts, kind: f.event.kind, frames: f.frames, skipped: f.skipped, late: f.late,
      })),
    });
  });
  framelock.events.on("event", (e) => {
    if (!e.hidden) return;
    log.hidden++;
    log.unseen.push(e.event.seq);
  });
  framelock.events.on("hash", (h) => log.hashes.push(h));
  framelock.events.on("snapshot", (s) => log.snapshots.push({ at: performance.now(), seq: s.seq, stateAt: s.stateAt, log: s.log, epoch: s.epoch }));
  framelock.events.on("alarm", (a) => log.alarms.push({ at: performance.now(), ...a }));
  framelock.events.on("notice", (n) => log.notices.push({ at: performance.now(), ...n }));
  framelock.events.on("void", (v) => log.voids.push({ at: performance.now(), ...v }));
  player.events.on("status", (s) => log.statuses.push({ at: performance.now(), ...s }));
  player.events.on("switched", (s) => log.switches.push({ at: performance.now(), reason: s.reason, seamless: s.seamless }));
  player.start({ src: `/whep/${stream}` });
}

/** Takes a new session, and waits until it plays. */
async function reconnect() {
  const start = performance.now();
  player.reconnect("asked to by the test");
  return new Promise((done) => {
    const unsubscribe = player.events.on("switched", () => {
      unsubscribe();
      done({ start, stop: performance.now() });
    });
  });
}

function stop() {
  player.stop();
  compositor.close();
  player = compositor = undefined;
  video.srcObject = null; // or a frame that is on its way counts for the next join
}

// Asked for before the SDK's own, so that a stall comes before its draw.
let turn = performance.now();
requestAnimationFrame(stall);
if (query.get("start") !== "no") start();

/** Blocks the main thread for so many ms in every paint from now on. */
function stallBy(ms) {
  stallMs = ms;
}

function stall() {
  requestAnimationFrame(stall);
  const now = performance.now();
  if (now - turn > 34) log.gaps.push({ at: now, ms: now - turn });
  turn = now;
  if (stallMs === 0) return;
  const until = performance.now() + stallMs;
  while (performance.now() < until); // the stall is the point
  log.stalls++;
}
