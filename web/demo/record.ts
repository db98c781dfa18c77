import type { Firing } from "../src/core/display.js";
import type { WindowState } from "../src/core/windows.js";
import type { Receipt } from "../src/core/wire.js";
import type { FramelockPlayerElement } from "../src/element.js";
import type { Verdict } from "./verdict.js";

/** How many records of each sort the page keeps. */
const KEEP = 50_000;

/** An event as it was drawn: what the pixels said at that moment. */
export interface DrawnRecord {
  seq: number;
  kind: string;
  id: string;
  event_ts: number;
  /** Canonical timestamp of the frame drawn; 0 if the page was hidden. */
  presented_ts: number;
  /** RTP timestamp that came with the drawn pixels; null if the route tells none. */
  rtp: number | null;
  /** Frame number read from the drawn pixels, picture and overlay in one; null if unreadable or hidden. */
  bar: number | null;
  /** Frame number that the event names; null if it names none. */
  frame: number | null;
  /** Frames between the event's frame and the drawn one, by timestamps. */
  frames: number;
  late: boolean;
  late_frames: number;
  skipped: boolean;
  hidden: boolean;
  /** performance.now() of the drawing. */
  at: number;
  verdict: Verdict | null;
}

/** A frame as the player drew it (only with `?collect=1`). */
export interface FrameRecord {
  rtp: number | null;
  ts: number | null;
  bar: number | null;
  overlay: boolean;
  at: number;
}

/** A message as it came, and the picture that the naive overlay was drawn on. */
export interface NaiveRecord {
  seq: number;
  frame: number;
  bar: number | null;
  at: number;
}

/**
 * What a test reads from the page, as `window.framelockDemo`. All arrays grow in
 * order of time and are plain JSON values.
 */
export interface DemoInterface {
  version: 1;
  /** Every event that fired, with what the pixels said. */
  drawn: DrawnRecord[];
  /** Every frame that the player drew (`?collect=1`). */
  frames: FrameRecord[];
  /** How many paints were held up (`?stall=N`). */
  stalls: number;
  naive: NaiveRecord[];
  alarms: unknown[];
  notices: { code: string; text: string; at: number }[];
  statuses: { status: string; reason: string; at: number }[];
  states: { state: unknown; ts: number; at: number }[];
  latencies: { ms: number; ts: number }[];
  /** Every change of a window's phase, on its frame. */
  windows: (WindowState & { at: number })[];
  receipts: (Receipt & { at: number })[];
  /** The element itself: `player.player.status`, `player.player.framelock.route`, … */
  readonly player: FramelockPlayerElement;
}

declare global {
  interface Window {
    framelockDemo?: DemoInterface;
  }
}

/** An empty record. */
export function newRecord(player: FramelockPlayerElement): DemoInterface {
  return {
    version: 1, drawn: [], frames: [], stalls: 0, naive: [], alarms: [], notices: [], statuses: [], states: [],
    latencies: [], windows: [], receipts: [], player,
  };
}

/** Adds to a record's list; the oldest go when it is full. */
export function keep<T>(list: T[], entry: T): void {
  list.push(entry);
  if (list.length > KEEP) list.splice(0, KEEP / 10);
}

/** The frame that an event names in its data, undefined if it names none. */
export function namedFrame(data: unknown): number | undefined {
  const frame = (data as { frame?: unknown } | null | undefined)?.frame;
  return typeof frame === "number" && Number.isSafeInteger(frame) && frame >= 0 ? frame : undefined;
}

/** The record of a firing; the pixels' side is filled in by whoever read them. */
export function drawnRecord(
  firing: Firing, rtp: number | undefined, bar: number | undefined, verdict: Verdict | null,
): DrawnRecord {
  const { event } = firing;
  return {
    seq: event.seq,
    kind: event.kind,
    id: event.id,
    event_ts: event.ts,
    presented_ts: firing.hidden ? 0 : firing.presentedTs,
    rtp: rtp ?? null,
    bar: bar ?? null,
    frame: namedFrame(event.data) ?? null,
    frames: firing.frames,
    late: firing.late,
    late_frames: firing.lateFrames,
    skipped: firing.skipped,
    hidden: firing.hidden,
    at: performance.now(),
    verdict,
  };
}
