// Plays a stream through the SDK, as an integrator would, and notes what is
// drawn: for every frame the number that is in its pixels, read after the overlay
// was painted, and the events that were painted with it.
import { Compositor, FramelockPlayer } from "/sdk/framelock.js";
import { readBar } from "/e2e/bar.mjs";

const query = new URLSearchParams(location.search);
const stream = query.get("stream") ?? "wheel";
const video = document.getElementById("video");
const canvas = document.getElementById("canvas");

const log = { route: "", drawn: [], received: [], snapshots: [], alarms: [], notices: [], statuses: [], voids: [], hidden: 0 };
window.play = { log, start, stop };

let player, compositor;

function start() {
  player = new FramelockPlayer(video);
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
  framelock.events.on("event", (e) => { if (e.hidden) log.hidden++; });
  framelock.events.on("snapshot", (s) => log.snapshots.push({ at: performance.now(), seq: s.seq, stateAt: s.stateAt, log: s.log, epoch: s.epoch }));
  framelock.events.on("alarm", (a) => log.alarms.push({ at: performance.now(), ...a }));
  framelock.events.on("notice", (n) => log.notices.push({ at: performance.now(), ...n }));
  framelock.events.on("void", (v) => log.voids.push({ at: performance.now(), ...v }));
  player.events.on("status", (s) => log.statuses.push({ at: performance.now(), ...s }));
  player.start({ src: `/whep/${stream}` });
}

function stop() {
  player.stop();
  compositor.close();
  player = compositor = undefined;
}

if (query.get("start") !== "no") start();
