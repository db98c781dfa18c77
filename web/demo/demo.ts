/**
 * The demo page: one player that draws outcomes on their own frames, beside the
 * same pictures with an overlay that goes by arrival. Both are judged by the
 * frame number in the pixels they drew on.
 *
 * Query: `stream`, `token`; for tests `collect=1` (log every frame) and `stall=N`
 * (block the main thread for N ms before each draw). Tests read
 * `window.framelockDemo` (record.ts).
 */
import "../src/element.js";
import type { Drawn } from "../src/shell/compositor.js";
import { isExact } from "../src/shell/frames.js";
import type { Framelock } from "../src/shell/framelock.js";
import type { StatusChange } from "../src/shell/player.js";
import { BarReader } from "./barcode.js";
import { BetPanel, save } from "./betpanel.js";
import { demoInfo, showControls } from "./controls.js";
import { outcomeOf } from "./outcome.js";
import { ExactOverlay, NaiveOverlay, voided, type NaiveDrawing } from "./overlays.js";
import { addProof, byId, say, showState, showTallies, voidProof, write } from "./page.js";
import { showVerification } from "./trust.js";
import { drawnRecord, keep, namedFrame, newRecord } from "./record.js";
import { judge, Tally } from "./verdict.js";

const query = new URLSearchParams(location.search);
const collect = query.get("collect") === "1";
const stallMs = Number(query.get("stall") ?? 0);

const element = byId<HTMLElement>("player") as HTMLElementTagNameMap["framelock-player"];
const framelock: Framelock = element.player.framelock;
const reader = new BarReader();
const exact = new Tally();
const naive = new Tally();
const record = newRecord(element);
window.framelockDemo = record;

const overlay = new ExactOverlay();
const naiveOverlay = new NaiveOverlay(byId<HTMLCanvasElement>("naive"), reader, drawnNaively);
let naiveDistance: number | undefined;
let stream = query.get("stream") ?? "";
const bets = new BetPanel(framelock, () => ({ url: document.baseURI, stream, token: element.token, viewer: element.player.viewer }));
let paused = false; // the studio, not the player
let joinedAt = 0; // canonical timestamp of the newest snapshot

// Asked for before the player's own, so that a stall comes before its draw.
if (stallMs > 0) requestAnimationFrame(stall);

element.overlay = (context, frame) => {
  overlay.paint(context, frame);
  context.shadowBlur = 0;
  bets.paint(context, frame);
};
element.addEventListener("framelock-drawn", (e) => drawn(e.detail));
element.addEventListener("framelock-status", (e) => showStatus(e.detail));
framelock.events.on("frame", (frame) => naiveOverlay.frame(frame));
framelock.events.on("snapshot", ({ stateAt, paused }) => {
  joinedAt = stateAt;
  showPause(paused);
});
framelock.events.on("received", ({ event }) => {
  if (event.ts > joinedAt) naiveOverlay.message(event); // what is older came with the snapshot
});
framelock.events.on("event", (firing) => {
  if (firing.hidden) keep(record.drawn, drawnRecord(firing, undefined, undefined, null));
});
framelock.events.on("state", ({ state, ts }) => {
  keep(record.states, { state, ts, at: performance.now() });
  showState(state);
});
framelock.events.on("latency", (latency) => {
  keep(record.latencies, latency);
  // Capture times are known within a bound, and may lie a little ahead.
  write("latency", `${Math.max(0, latency.ms).toFixed(0)} ms`);
});
framelock.events.on("notice", ({ code, text }) => {
  keep(record.notices, { code, text, at: performance.now() });
  say(text || code, code === "insecure_context");
  if (code === "paused" || code === "resumed") showPause(code === "paused");
});
framelock.events.on("alarm", (alarm) => {
  keep(record.alarms, alarm);
  say(`Alarm: ${alarm.code}`, true);
});
framelock.events.on("route", showRoute);
element.player.events.on("switched", ({ reason, seamless }) => say(seamless ? `A new session has taken over: ${reason}.` : `A new session: ${reason}.`));
framelock.events.on("verification", showVerification);
framelock.events.on("window", (window) => keep(record.windows, { ...window, at: performance.now() }));
framelock.events.on("receipt", ({ receipt }) => keep(record.receipts, { ...receipt, at: performance.now() }));
byId("save-checkpoint").addEventListener("click", () => {
  const note = framelock.verification?.checkpoint?.note;
  if (note) save("checkpoint.txt", note);
});

showRoute();
showState(undefined);
showTallies(exact, naive, naiveDistance);
void start();

async function start(): Promise<void> {
  const info = await demoInfo();
  if (info) showControls(() => element.player.reconnect("dropped by the viewer"));
  stream ||= info?.stream ?? "wheel";
  write("stream", stream);
  element.token = query.get("token") ?? "";
  element.src = `whep/${encodeURIComponent(stream)}`;
}

/** Picture and overlay are on the canvas: read the number in the pixels, and judge. */
function drawn({ frame, canvas }: Drawn): void {
  const bar = collect || frame.fired.length > 0 ? reader.read(canvas) : undefined;
  if (collect && !frame.again) {
    keep(record.frames, {
      rtp: frame.rtp ?? null, ts: frame.ts ?? null, bar: bar ?? null, overlay: frame.overlay, at: performance.now(),
    });
  }
  for (const firing of frame.fired) {
    const named = namedFrame(firing.event.data);
    const before = firing.skipped ? reader.readKept() : undefined;
    const verdict = named === undefined ? null : judge(bar, named, before, firing);
    keep(record.drawn, drawnRecord(firing, frame.rtp, bar, verdict));
    if (verdict) exact.add(verdict, (bar ?? 0) - (named ?? 0));
    const outcome = outcomeOf(firing.event);
    if (outcome && verdict) addProof(outcome, canvas, bar, verdict);
    const taken = firing.event.kind === "void" ? voided(firing.event) : undefined;
    if (taken) voidProof(taken);
  }
  if (!frame.again) reader.keep(canvas);
  if (frame.fired.length > 0) showTallies(exact, naive, naiveDistance);
}

function drawnNaively({ event, frame, bar }: NaiveDrawing): void {
  keep(record.naive, { seq: event.seq, frame, bar: bar ?? null, at: performance.now() });
  if (bar === undefined) return;
  naiveDistance = bar - frame;
  naive.add(naiveDistance === 0 ? "exact" : "wrong", naiveDistance);
  showTallies(exact, naive, naiveDistance);
}

function showStatus({ status, reason }: StatusChange): void {
  keep(record.statuses, { status, reason, at: performance.now() });
  if (status === "failed") say(reason, true);
  if (status === "reconnecting") say(`Reconnecting: ${reason}.`);
  if (status === "live") say("");
  showVital();
}

function showPause(now: boolean): void {
  paused = now;
  showVital();
}

/** The connection's status, or that the studio is paused while the connection is fine. */
function showVital(): void {
  const { status } = element.player;
  const shown = paused && (status === "live" || status === "waiting") ? "paused" : status;
  write("status", shown);
  byId("status").dataset.status = shown;
}

function showRoute(): void {
  const { route } = framelock;
  write("route", isExact(route) ? "exact frames" : "approximate frames");
  byId("route").dataset.route = route;
}

/** Holds the main thread up in every paint. */
function stall(): void {
  requestAnimationFrame(stall);
  const until = performance.now() + stallMs;
  while (performance.now() < until); // the stall is the point
  record.stalls++;
}
