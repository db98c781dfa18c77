/**
 * The self-test page: plays a stream of the relay for a minute and says how well
 * this device shows it, in words and as JSON.
 *
 * Query: `stream`, `token`, `seconds` (default 60), `route` (takes a route instead
 * of the best one); `auto=1` starts without the button. Tests read
 * `window.framelockSelftest`.
 */
import { BarReader } from "../demo/barcode.js";
import { namedFrame } from "../demo/record.js";
import { judge, Tally } from "../demo/verdict.js";
import { Compositor, type Drawn } from "../src/shell/compositor.js";
import type { Route } from "../src/shell/frames.js";
import { FramelockPlayer } from "../src/shell/player.js";
import { countPictures, spread, tenth, type DrawnPicture, type SelftestResult } from "./measure.js";
import { findings } from "./words.js";

/** What a test reads from the page. */
export interface SelftestInterface {
  pictures: DrawnPicture[];
  result: SelftestResult | undefined;
}

declare global {
  interface Window {
    framelockSelftest?: SelftestInterface;
  }
}

/** Pictures are looked at from here on: the join is over, the sound has been found. */
const SETTLE_MS = 3000;
const SAMPLE_MS = 250;
const NO_PICTURE_MS = 15_000;

const query = new URLSearchParams(location.search);
const stream = query.get("stream") ?? "wheel";
const seconds = Math.min(Math.max(Number(query.get("seconds")) || 60, 1), 3600);
const video = byId<HTMLVideoElement>("video");
const canvas = byId<HTMLCanvasElement>("canvas");
const page: SelftestInterface = { pictures: [], result: undefined };
window.framelockSelftest = page;

byId("stream").textContent = stream;
byId("seconds").textContent = String(seconds);
byId("start").addEventListener("click", () => void run());
byId("copy").addEventListener("click", () => void copy());
if (query.get("auto") === "1") void run();

async function run(): Promise<void> {
  byId<HTMLButtonElement>("start").disabled = true;
  say("Connecting …");
  const player = new FramelockPlayer(video, { route: (query.get("route") as Route | null) ?? undefined, checkFrameHashes: true });
  const compositor = new Compositor(player.framelock, canvas);
  try {
    page.result = await measure(player, compositor);
    show(page.result);
  } catch (e) {
    show(undefined, e instanceof Error ? e.message : String(e));
  } finally {
    compositor.close();
    player.stop();
  }
}

/** Plays, waits for the pictures to settle, and looks at them for the time of the test. */
async function measure(player: FramelockPlayer, compositor: Compositor): Promise<SelftestResult> {
  const { framelock } = player;
  const reader = new BarReader();
  const tally = new Tally();
  const hashes = { match: 0, mismatch: 0, unseen: 0 };
  const alarms: string[] = [];
  const skews: number[] = [];
  let measuring = false;
  let hidden = false;
  let reconnects = 0;

  const drawn = ({ frame }: Drawn): void => {
    if (!measuring) return reader.keep(canvas);
    const bar = reader.read(canvas);
    for (const firing of frame.fired) {
      const named = namedFrame(firing.event.data);
      if (named !== undefined) tally.add(judge(bar, named, firing.skipped ? reader.readKept() : undefined, firing), (bar ?? named) - named);
    }
    reader.keep(canvas);
    if (frame.again) return;
    const latency = frame.ts === undefined ? undefined : framelock.clock.latency(frame.ts, frame.displayAt);
    page.pictures.push({ rtp: frame.rtp ?? null, ts: frame.ts ?? null, bar: bar ?? null, at: frame.displayAt, latency: latency ?? null });
  };
  compositor.events.on("drawn", drawn);
  framelock.events.on("hash", ({ result }) => measuring && hashes[result]++);
  framelock.events.on("alarm", ({ code }) => alarms.push(code));
  player.events.on("status", ({ status, reason }) => {
    if (status === "failed") say(reason);
    if (status === "reconnecting" && measuring) reconnects++;
  });
  const first = new Promise<void>((resolve) => player.events.on("status", ({ status }) => status === "live" && resolve()));

  player.start({ src: new URL(`../whep/${encodeURIComponent(stream)}`, document.baseURI).href, token: query.get("token") ?? undefined });
  await Promise.race([first, later(NO_PICTURE_MS).then(() => Promise.reject(new Error(`no picture of ${stream} within 15 s`)))]);
  // Without a gesture browsers play no sound: then the pictures are measured alone.
  await player.unmute();
  await later(SETTLE_MS);

  const before = await networkNow(framelock.connection);
  const began = performance.now();
  measuring = true;
  say("Looking at every picture. Keep this page in view.");
  for (let past = 0; past < seconds * 1000; past = performance.now() - began) {
    byId<HTMLProgressElement>("progress").value = past / (seconds * 1000);
    hidden ||= document.hidden;
    const skew = framelock.pacing ? framelock.pacing.soundBehindMs : await believedSkew(framelock.connection);
    if (skew !== undefined && !player.muted) skews.push(Math.abs(skew));
    await later(SAMPLE_MS);
  }
  measuring = false;
  const after = await networkNow(framelock.connection);
  const { exact, skipped, late, wrong, unreadable, worst } = tally;
  return {
    version: 1,
    at: new Date().toISOString(),
    browser: navigator.userAgent,
    stream,
    seconds,
    route: framelock.route,
    pictures: countPictures(page.pictures),
    events: { exact, skipped, late, wrong, unreadable, worst_frames: worst },
    hashes,
    latency_ms: spread(page.pictures.flatMap((p) => (p.latency === null ? [] : [p.latency]))),
    skew_ms: spread(skews),
    network: {
      jitter_ms: after.jitterMs ?? null,
      lost: after.lost === undefined ? null : Math.max(0, after.lost - (before.lost ?? 0)),
      rtt_ms: framelock.clock.rttMs === undefined ? null : tenth(framelock.clock.rttMs),
    },
    alarms,
    reconnects,
    hidden,
  };
}

type Stats = { type: string; kind?: string; jitter?: number; packetsLost?: number; estimatedPlayoutTimestamp?: number };

async function inbound(pc: RTCPeerConnection | undefined): Promise<Stats[]> {
  const report: ReadonlyMap<string, Stats> | undefined = await pc?.getStats();
  return [...(report?.values() ?? [])].filter((s) => s.type === "inbound-rtp");
}

async function networkNow(pc: RTCPeerConnection | undefined): Promise<{ jitterMs?: number; lost?: number }> {
  const s = (await inbound(pc)).find(({ kind }) => kind === "video");
  return { jitterMs: s?.jitter === undefined ? undefined : tenth(1000 * s.jitter), lost: s?.packetsLost };
}

/** Where the browser paces the pictures, its own word on it: only Chromium has one. */
async function believedSkew(pc: RTCPeerConnection | undefined): Promise<number | undefined> {
  const at = new Map((await inbound(pc)).map((s) => [s.kind, s.estimatedPlayoutTimestamp]));
  const [picture, sound] = [at.get("video"), at.get("audio")];
  return picture && sound ? picture - sound : undefined;
}

function show(result: SelftestResult | undefined, failure = ""): void {
  const heading = byId("verdict");
  const [verdict, ...rest] = result ? findings(result) : [{ mark: "bad", title: "", text: `The test could not run: ${failure}` }];
  heading.textContent = verdict!.text;
  heading.dataset.mark = verdict!.mark;
  byId("findings").replaceChildren(...rest.map(({ mark, title, text }) => {
    const item = document.createElement("li");
    item.dataset.mark = mark;
    const name = document.createElement("b");
    const words = document.createElement("span");
    name.textContent = title;
    words.textContent = text;
    item.append(name, words);
    return item;
  }));
  byId<HTMLTextAreaElement>("json").value = result ? JSON.stringify(result, null, 2) : "";
  byId("result").hidden = !result;
  byId<HTMLProgressElement>("progress").value = result ? 1 : 0;
  byId<HTMLButtonElement>("start").disabled = false;
  say(result ? "Done." : "Try again, or ask for help with what it says.");
  page.pictures = result ? page.pictures : [];
}

async function copy(): Promise<void> {
  const text = byId<HTMLTextAreaElement>("json");
  text.select();
  await navigator.clipboard?.writeText(text.value).then(() => say("Copied."), () => say("Press Ctrl+C to copy."));
}

function say(text: string): void {
  byId("status").textContent = text;
}

function later(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

function byId<T extends HTMLElement>(id: string): T {
  const element = document.getElementById(id);
  if (!element) throw new Error(`the page has no #${id}`);
  return element as T;
}
