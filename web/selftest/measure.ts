import type { Tally } from "../demo/verdict.js";
import type { Route } from "../src/shell/frames.js";

/** A picture as it was drawn, in order of drawing. */
export interface DrawnPicture {
  /** RTP timestamp that came with it; null if the route tells none. */
  rtp: number | null;
  /** Canonical timestamp; null if unknown. */
  ts: number | null;
  /** Frame number read from its pixels; null if there is none to be read. */
  bar: number | null;
  /** performance.now() at which the screen was expected to show it. */
  at: number;
  /** Capture to screen in ms; null while the relay's clock is not known. */
  latency: number | null;
}

/** What drawing the pictures came to. */
export interface PictureCount {
  drawn: number;
  /** Left out, going by the timestamps. */
  skipped: number;
  /** With pixels of another frame than their timestamp names. */
  wrong: number;
  /** Without a bar code: nothing but the timestamp vouches for these. */
  unreadable: number;
  /** Median of the distance of pictures, in ticks. */
  interval: number;
}

/** A sample's middle and tail, in ms; null without samples. */
export interface Spread {
  p50: number;
  p95: number;
  p99: number;
  samples: number;
}

/** What the test found, as it can be copied from the page. */
export interface SelftestResult {
  version: 1;
  /** When, by this device's clock. */
  at: string;
  browser: string;
  stream: string;
  seconds: number;
  route: Route;
  pictures: PictureCount;
  /** Events that named their frame, judged by the pixels that they were drawn on. */
  events: Pick<Tally, "exact" | "skipped" | "late" | "wrong" | "unreadable"> & { worst_frames: number };
  /** Coded bytes of marked frames, compared with the hashes that the relay published. */
  hashes: { match: number; mismatch: number; unseen: number };
  latency_ms: Spread | null;
  /** Sound later than picture, without its sign; null if this browser does not tell. */
  skew_ms: Spread | null;
  /** RFC 3550, of the video's packets; null if this browser does not tell. */
  network: { jitter_ms: number | null; lost: number | null; rtt_ms: number | null };
  alarms: string[];
  reconnects: number;
  /** Whether the page was out of view for some of the time: then nothing is drawn. */
  hidden: boolean;
}

/** The smallest values that are not less than 50, 95 and 99 of a hundred. */
export function spread(values: readonly number[]): Spread | null {
  if (values.length === 0) return null;
  const sorted = [...values].sort((a, b) => a - b);
  const at = (q: number) => tenth(sorted[Math.max(0, Math.ceil(q * sorted.length) - 1)]!);
  return { p50: at(0.5), p95: at(0.95), p99: at(0.99), samples: sorted.length };
}

/** A number with one decimal. */
export function tenth(n: number): number {
  return Math.round(n * 10) / 10;
}

/**
 * Compares pixels with timestamps over a run: the number in the pixels counts
 * frames, and timestamps go on by one interval a frame. Where a clip begins again,
 * or the studio, the count starts anew.
 */
export function countPictures(pictures: readonly DrawnPicture[]): PictureCount {
  const named = pictures.filter((p) => p.ts !== null);
  const steps = named.slice(1).map((p, i) => p.ts! - named[i]!.ts!).filter((s) => s > 0).sort((a, b) => a - b);
  const interval = steps[steps.length >> 1] ?? 3000;
  const count: PictureCount = {
    drawn: pictures.length, skipped: 0, wrong: 0, unreadable: pictures.filter((p) => p.bar === null).length, interval,
  };
  let anchor: DrawnPicture | undefined;
  let latest = 0; // number read last
  for (const [i, p] of named.entries()) {
    const before = named[i - 1];
    const frames = before ? Math.round((p.ts! - before.ts!) / interval) : 1;
    // A second without a picture is a studio that paused.
    if (frames > 1 && p.ts! - before!.ts! < 90_000) count.skipped += frames - 1;
    if (p.bar === null) continue;
    if (anchor && p.bar - anchor.bar! === Math.round((p.ts! - anchor.ts!) / interval)) {
      latest = p.bar;
      continue;
    }
    const beginsAnew = anchor === undefined || p.bar < latest;
    latest = p.bar;
    const next = named[i + 1];
    // A beginning is borne out by what follows it.
    const borneOut = !next || next.bar === null || next.bar - p.bar === Math.round((next.ts! - p.ts!) / interval);
    if (beginsAnew && borneOut) anchor = p;
    else count.wrong++;
  }
  return count;
}
